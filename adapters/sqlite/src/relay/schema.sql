-- The relay, version 1. Ids and keys are their 32 bytes, moments seconds since the epoch.

-- The next position of the journal, which events and removals share.
CREATE TABLE journal (last INTEGER NOT NULL) STRICT;
INSERT INTO journal VALUES (0);

-- Creations are the events themselves. d is set where only the newest version is kept.
CREATE TABLE event (
    seq INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE,
    pubkey BLOB NOT NULL,
    kind INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    received_at INTEGER NOT NULL,
    expires_at INTEGER,
    d TEXT,
    json TEXT NOT NULL
) STRICT;
CREATE INDEX event_time ON event (created_at DESC, id);
CREATE INDEX event_kind ON event (kind, created_at DESC, id);
CREATE INDEX event_author ON event (pubkey, created_at DESC, id);
CREATE INDEX event_author_kind ON event (pubkey, kind, created_at DESC, id);
CREATE UNIQUE INDEX event_version ON event (pubkey, kind, d) WHERE d IS NOT NULL;
CREATE INDEX event_expiry ON event (expires_at) WHERE expires_at IS NOT NULL;

-- Removals without content. reason: 1 replaced, 2 deleted, 3 expired, 4 vanished, 5 banned.
CREATE TABLE removal (seq INTEGER PRIMARY KEY, id BLOB NOT NULL, reason INTEGER NOT NULL) STRICT;

-- value begins with 1 where 32 bytes follow that were 64 digits, and with 0 before any other text.
CREATE TABLE tag (
    name INTEGER NOT NULL,
    value BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    id BLOB NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (name, value, created_at DESC, id)
) STRICT, WITHOUT ROWID;

-- Words of searchable events, by seq. What is deleted is taken out of the index at once, not at the next merge.
CREATE VIRTUAL TABLE words USING fts5 (text, content = '', tokenize = 'unicode61 remove_diacritics 0');
INSERT INTO words (words, rank) VALUES ('secure-delete', 1);

CREATE TABLE deleted_event (id BLOB NOT NULL, pubkey BLOB NOT NULL, PRIMARY KEY (id, pubkey)) STRICT, WITHOUT ROWID;
CREATE TABLE deleted_address (
    kind INTEGER NOT NULL,
    pubkey BLOB NOT NULL,
    d TEXT NOT NULL,
    until INTEGER NOT NULL,
    PRIMARY KEY (kind, pubkey, d)
) STRICT, WITHOUT ROWID;
CREATE TABLE vanished (pubkey BLOB PRIMARY KEY, until INTEGER NOT NULL) STRICT, WITHOUT ROWID;

CREATE TABLE record (kind TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (kind, key)) STRICT, WITHOUT ROWID;

-- created_at is NULL as long as only answers came.
CREATE TABLE job (id BLOB PRIMARY KEY, created_at INTEGER, customer BLOB, json TEXT NOT NULL) STRICT;
CREATE INDEX job_time ON job (created_at DESC, id) WHERE created_at IS NOT NULL;
CREATE INDEX job_customer ON job (customer) WHERE customer IS NOT NULL;
CREATE TABLE job_provider (pubkey BLOB NOT NULL, id BLOB NOT NULL, PRIMARY KEY (pubkey, id)) STRICT, WITHOUT ROWID;
CREATE TABLE tally (
    day INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    counter TEXT NOT NULL,
    amount INTEGER NOT NULL,
    PRIMARY KEY (day, kind, counter)
) STRICT, WITHOUT ROWID;
