-- What a parent does next: what was answered, what was sent to a teacher, the record, and nudges already given.
CREATE TABLE answer (
    account TEXT NOT NULL, key TEXT NOT NULL, at TEXT NOT NULL, how TEXT NOT NULL, PRIMARY KEY (account, key)
) STRICT;
CREATE TABLE sent (
    account TEXT NOT NULL, message_id TEXT NOT NULL, at TEXT NOT NULL, recipients TEXT NOT NULL, subject TEXT NOT NULL,
    key TEXT NOT NULL, PRIMARY KEY (account, message_id)
) STRICT;
CREATE TABLE record (
    id INTEGER PRIMARY KEY, account TEXT NOT NULL, key TEXT NOT NULL, at TEXT NOT NULL, entry TEXT NOT NULL,
    UNIQUE (account, key)
) STRICT;
CREATE TABLE nudge (kind TEXT NOT NULL, about TEXT NOT NULL, date TEXT NOT NULL, PRIMARY KEY (kind, about, date)) STRICT;
