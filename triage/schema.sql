-- The state of one household. Times are UTC in ISO 8601; docs/state.md says what each table is for.
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE run (id TEXT PRIMARY KEY, command TEXT NOT NULL, started TEXT NOT NULL, ended TEXT) STRICT;
CREATE TABLE folder (
    account TEXT NOT NULL, name TEXT NOT NULL, uidvalidity INTEGER NOT NULL, uidnext INTEGER NOT NULL,
    existed INTEGER NOT NULL, modseq INTEGER NOT NULL, looked_at TEXT NOT NULL, PRIMARY KEY (account, name)
) STRICT;
CREATE TABLE message (
    account TEXT NOT NULL, key TEXT NOT NULL, message_id TEXT NOT NULL,
    folder TEXT NOT NULL, uidvalidity INTEGER NOT NULL, uid INTEGER NOT NULL,
    received TEXT, day TEXT NOT NULL, status TEXT NOT NULL, tries INTEGER NOT NULL DEFAULT 0,
    error TEXT NOT NULL DEFAULT '', tags TEXT NOT NULL DEFAULT '[]', judgement TEXT,
    PRIMARY KEY (account, key)
) STRICT;
CREATE INDEX message_day ON message (day);
CREATE INDEX message_place ON message (account, folder, uidvalidity, uid);
CREATE INDEX message_id ON message (message_id);
CREATE TABLE op (
    id INTEGER PRIMARY KEY, run TEXT NOT NULL, account TEXT NOT NULL, key TEXT NOT NULL, kind TEXT NOT NULL,
    folder TEXT NOT NULL, uidvalidity INTEGER NOT NULL, uid INTEGER NOT NULL,
    target TEXT NOT NULL, tags TEXT NOT NULL, message_id TEXT NOT NULL, payload BLOB NOT NULL,
    state TEXT NOT NULL, dst_uidvalidity INTEGER NOT NULL DEFAULT 0, dst_uidnext INTEGER NOT NULL DEFAULT 0,
    dst_uid INTEGER NOT NULL DEFAULT 0, detail TEXT NOT NULL DEFAULT '', UNIQUE (run, account, key, kind, message_id)
) STRICT;
CREATE INDEX op_open ON op (account, state);
CREATE INDEX op_key ON op (account, key);
CREATE TABLE correction (
    id INTEGER PRIMARY KEY, account TEXT NOT NULL, key TEXT NOT NULL, labels TEXT, how TEXT NOT NULL, at TEXT NOT NULL,
    text TEXT NOT NULL DEFAULT '', applied INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE sender (address TEXT PRIMARY KEY, name TEXT NOT NULL, at TEXT NOT NULL) STRICT;
CREATE TABLE digest (
    date TEXT PRIMARY KEY, account TEXT NOT NULL, message_id TEXT NOT NULL, covers_to TEXT NOT NULL,
    state TEXT NOT NULL, dst_uidvalidity INTEGER NOT NULL DEFAULT 0, dst_uidnext INTEGER NOT NULL DEFAULT 0
) STRICT;
