-- The sync service, version 1. Accounts and collections are written by number, CIDs as their 32 bytes of hash, the
-- record index in the order of its keys. The text of an event is stored once. Times are milliseconds since the epoch.

CREATE TABLE accounts (n INTEGER PRIMARY KEY, did TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE collections (n INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;

-- Numbers of repos are never used twice.
CREATE TABLE repos (
    n INTEGER PRIMARY KEY AUTOINCREMENT,
    account INTEGER NOT NULL UNIQUE,
    state TEXT NOT NULL,
    status TEXT NOT NULL,
    name INTEGER NOT NULL, -- 0 unknown, 1 invalid, 2 the handle
    handle TEXT,
    rev INTEGER,
    data BLOB,
    origin INTEGER NOT NULL, -- 0 asked, 1 found
    claims INTEGER NOT NULL,
    error TEXT NOT NULL,
    retries INTEGER NOT NULL,
    retry INTEGER NOT NULL, -- 0 now, 1 at, 2 when heard
    retry_at INTEGER NOT NULL,
    urgency INTEGER -- of those that wait for a fetch
) STRICT;
CREATE INDEX repos_due ON repos (urgency, retry_at) WHERE urgency IS NOT NULL;

CREATE TABLE records (
    repo INTEGER NOT NULL,
    collection INTEGER NOT NULL,
    rkey TEXT NOT NULL,
    cid BLOB NOT NULL,
    PRIMARY KEY (repo, collection, rkey)
) STRICT, WITHOUT ROWID;

CREATE TABLE buffers (n INTEGER PRIMARY KEY, repo INTEGER NOT NULL, body TEXT NOT NULL) STRICT;
CREATE INDEX buffers_of ON buffers (repo);

CREATE TABLE events (
    seq INTEGER PRIMARY KEY,
    account INTEGER NOT NULL,
    live INTEGER NOT NULL,
    time INTEGER NOT NULL,
    body TEXT NOT NULL
) STRICT;
CREATE INDEX events_of ON events (account);

CREATE TABLE channels (name TEXT PRIMARY KEY, settled BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE cursors (source TEXT PRIMARY KEY, cursor TEXT NOT NULL) STRICT, WITHOUT ROWID;

CREATE TABLE identities (
    account INTEGER PRIMARY KEY,
    found INTEGER NOT NULL, -- 0 nothing, 1 the document, 2 a failure
    answer TEXT NOT NULL,
    fetched INTEGER NOT NULL,
    name INTEGER NOT NULL,
    handle TEXT,
    verified INTEGER NOT NULL
) STRICT;

-- One row: what the tables hold, the newest position of the journal, and the newest that was dropped.
CREATE TABLE totals (
    repos INTEGER NOT NULL,
    records INTEGER NOT NULL,
    events INTEGER NOT NULL,
    event_bytes INTEGER NOT NULL,
    buffered INTEGER NOT NULL,
    last INTEGER NOT NULL,
    oldest INTEGER NOT NULL
) STRICT;
INSERT INTO totals VALUES (0, 0, 0, 0, 0, 0, 0);
