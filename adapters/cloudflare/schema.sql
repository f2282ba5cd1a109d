-- The relay on D1, version 1. D1 takes lists as JSON, and JSON has no bytes: so ids and keys are their 64 digits.
-- Text that a stranger chose (d, tag values) is written as inside a JSON string, without the quotes.

-- The next position of the journal, which events and removals share. A writer that finds another position here
-- than the one it read violates NOT NULL, and its whole batch is undone.
CREATE TABLE journal (last INTEGER NOT NULL) STRICT;
INSERT INTO journal VALUES (0);

-- Creations are the events themselves. d is set where only the newest version is kept.
CREATE TABLE event (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    pubkey TEXT NOT NULL,
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
CREATE TABLE removal (seq INTEGER PRIMARY KEY, id TEXT NOT NULL, reason INTEGER NOT NULL) STRICT;

CREATE TABLE tag (
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    id TEXT NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (name, value, created_at DESC, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX tag_seq ON tag (seq);

-- Words of searchable events, by seq. They keep their own copy, as a batch can't show the old text to take it out.
CREATE VIRTUAL TABLE words USING fts5 (text, tokenize = 'unicode61 remove_diacritics 0');
INSERT INTO words (words, rank) VALUES ('secure-delete', 1);

CREATE TABLE deleted_event (id TEXT NOT NULL, pubkey TEXT NOT NULL, PRIMARY KEY (id, pubkey)) STRICT, WITHOUT ROWID;
CREATE TABLE deleted_address (
    kind INTEGER NOT NULL,
    pubkey TEXT NOT NULL,
    d TEXT NOT NULL,
    until INTEGER NOT NULL,
    PRIMARY KEY (kind, pubkey, d)
) STRICT, WITHOUT ROWID;
CREATE TABLE vanished (pubkey TEXT PRIMARY KEY, until INTEGER NOT NULL) STRICT, WITHOUT ROWID;

-- When the newest version was written that has expired at an address: older ones don't come back.
CREATE TABLE expired_address (
    kind INTEGER NOT NULL,
    pubkey TEXT NOT NULL,
    d TEXT NOT NULL,
    until INTEGER NOT NULL,
    PRIMARY KEY (kind, pubkey, d)
) STRICT, WITHOUT ROWID;

CREATE TABLE record (kind TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (kind, key)) STRICT, WITHOUT ROWID;

-- created_at is NULL as long as only answers came.
CREATE TABLE job (id TEXT PRIMARY KEY, created_at INTEGER, customer TEXT, json TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE INDEX job_time ON job (created_at DESC, id) WHERE created_at IS NOT NULL;
CREATE INDEX job_customer ON job (customer, created_at DESC, id) WHERE customer IS NOT NULL;

-- Who answered which jobs. created_at is the job's.
CREATE TABLE job_provider (
    pubkey TEXT NOT NULL,
    id TEXT NOT NULL,
    created_at INTEGER,
    PRIMARY KEY (pubkey, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX job_provider_time ON job_provider (pubkey, created_at DESC, id) WHERE created_at IS NOT NULL;
CREATE INDEX job_provider_id ON job_provider (id);

CREATE TABLE tally (
    day INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    counter TEXT NOT NULL,
    amount INTEGER NOT NULL,
    PRIMARY KEY (day, kind, counter)
) STRICT, WITHOUT ROWID;

-- How each provider's jobs went.
CREATE TABLE standing (
    pubkey TEXT NOT NULL,
    measure TEXT NOT NULL,
    amount INTEGER NOT NULL,
    PRIMARY KEY (pubkey, measure)
) STRICT, WITHOUT ROWID;
