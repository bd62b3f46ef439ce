-- Sessions are found by the universal call id (UCID, CSTA's callLinkageData) that goes on from leg to
-- leg and from site to site; releases that do not know it leave it out.
-- serves: 002
ALTER TABLE closed_session ADD COLUMN ucid text;

CREATE INDEX closed_session_ucid ON closed_session (ucid, opened DESC) WHERE ucid IS NOT NULL;
