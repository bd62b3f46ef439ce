-- Sessions that are older than database.keep_days are removed in the order in which they closed.
CREATE INDEX closed_session_closed ON closed_session (closed);
