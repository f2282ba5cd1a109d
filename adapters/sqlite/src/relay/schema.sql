-- The relay, version 4. Ids and keys are their 32 bytes, moments seconds since the epoch.

-- The name of this store, by which its index is known, and the journal's newest position.
CREATE TABLE journal (store BLOB NOT NULL, last INTEGER NOT NULL) STRICT;
INSERT INTO journal VALUES (randomblob(16), 0);

-- Creations are the events themselves, in canonical JSON. They are found by the index, which is in files of its own.
CREATE TABLE event (
    seq INTEGER PRIMARY KEY,
    received_at INTEGER NOT NULL,
    expires_at INTEGER,
    json TEXT NOT NULL
) STRICT;

-- Removals without content. reason: 1 replaced, 2 deleted, 3 expired, 4 vanished, 5 banned.
CREATE TABLE removal (seq INTEGER PRIMARY KEY, id BLOB NOT NULL, reason INTEGER NOT NULL) STRICT;

-- Positions of events that were removed and may still have entries in the index.
CREATE TABLE gone (event INTEGER PRIMARY KEY) STRICT;

CREATE TABLE deleted_event (id BLOB NOT NULL, pubkey BLOB NOT NULL, PRIMARY KEY (id, pubkey)) STRICT, WITHOUT ROWID;
CREATE TABLE deleted_address (
    kind INTEGER NOT NULL,
    pubkey BLOB NOT NULL,
    d TEXT NOT NULL,
    until INTEGER NOT NULL,
    PRIMARY KEY (kind, pubkey, d)
) STRICT, WITHOUT ROWID;
CREATE TABLE vanished (pubkey BLOB PRIMARY KEY, until INTEGER NOT NULL) STRICT, WITHOUT ROWID;

-- When the newest version was written that has expired at an address: older ones don't come back.
CREATE TABLE expired_address (
    kind INTEGER NOT NULL,
    pubkey BLOB NOT NULL,
    d TEXT NOT NULL,
    until INTEGER NOT NULL,
    PRIMARY KEY (kind, pubkey, d)
) STRICT, WITHOUT ROWID;

CREATE TABLE record (kind TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (kind, key)) STRICT, WITHOUT ROWID;

-- created_at is NULL as long as only answers came.
CREATE TABLE job (id BLOB PRIMARY KEY, created_at INTEGER, customer BLOB, json TEXT NOT NULL) STRICT;
CREATE INDEX job_time ON job (created_at DESC, id) WHERE created_at IS NOT NULL;
CREATE INDEX job_customer ON job (customer, created_at DESC, id) WHERE customer IS NOT NULL;

-- Who answered which jobs. created_at is the job's.
CREATE TABLE job_provider (
    pubkey BLOB NOT NULL,
    id BLOB NOT NULL,
    created_at INTEGER,
    PRIMARY KEY (pubkey, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX job_provider_time ON job_provider (pubkey, created_at DESC, id) WHERE created_at IS NOT NULL;

CREATE TABLE tally (
    day INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    counter TEXT NOT NULL,
    amount INTEGER NOT NULL,
    PRIMARY KEY (day, kind, counter)
) STRICT, WITHOUT ROWID;

-- How each provider's jobs went.
CREATE TABLE standing (
    pubkey BLOB NOT NULL,
    measure TEXT NOT NULL,
    amount INTEGER NOT NULL,
    PRIMARY KEY (pubkey, measure)
) STRICT, WITHOUT ROWID;
