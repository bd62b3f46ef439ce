-- Sessions of calls that have ended, found again by call or by the caller's number.
CREATE TABLE closed_session (
    session text             PRIMARY KEY,       -- [0-9a-f]{20,26}
    call    text             NOT NULL,          -- the call's id at the switch
    ani     text,                               -- E.164 where it could be read, else as received
    opened  double precision NOT NULL,          -- seconds since the epoch; closed likewise
    closed  double precision NOT NULL,
    why     text             NOT NULL,          -- what closed it
    view    jsonb            NOT NULL           -- the session as the API showed it when it closed
);

CREATE INDEX closed_session_call ON closed_session (call, opened DESC);
CREATE INDEX closed_session_ani ON closed_session (ani, opened DESC) WHERE ani IS NOT NULL;
