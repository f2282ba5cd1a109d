-- The social service, version 1. Users are written by number; posts by (author, id); what has no order of its own
-- is clustered by its identity. Times are milliseconds since the epoch.

CREATE TABLE keys (n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE) STRICT;

CREATE TABLE users (
    user INTEGER PRIMARY KEY,
    state INTEGER NOT NULL, -- 0 stub, 1 active, 2 deleted
    name TEXT NOT NULL,
    bio TEXT,
    image TEXT,
    links TEXT, -- JSON
    status TEXT,
    indexed_at INTEGER NOT NULL,
    hash BLOB
) STRICT;

CREATE TABLE posts (
    n INTEGER PRIMARY KEY,
    author INTEGER NOT NULL,
    id TEXT NOT NULL,
    content TEXT NOT NULL,
    kind INTEGER NOT NULL,
    parent TEXT,
    embed_kind INTEGER,
    embed_uri TEXT,
    attachments TEXT, -- JSON
    lock TEXT,
    indexed_at INTEGER NOT NULL,
    deleted INTEGER NOT NULL,
    hash BLOB,
    UNIQUE (author, id)
) STRICT;

CREATE TABLE files (
    owner INTEGER NOT NULL,
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    src TEXT NOT NULL,
    content_type TEXT NOT NULL,
    size INTEGER NOT NULL,
    indexed_at INTEGER NOT NULL,
    hash BLOB,
    PRIMARY KEY (owner, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE resources (
    n INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    uri TEXT NOT NULL,
    indexed_at INTEGER NOT NULL
) STRICT;

CREATE TABLE hosts (
    user INTEGER PRIMARY KEY,
    homeserver TEXT NOT NULL,
    resolved_at INTEGER NOT NULL,
    stale INTEGER NOT NULL
) STRICT;

CREATE TABLE replies (
    author INTEGER NOT NULL,
    id TEXT NOT NULL,
    target_author INTEGER NOT NULL,
    target_id TEXT NOT NULL,
    time INTEGER NOT NULL,
    PRIMARY KEY (author, id, target_author, target_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX replies_to ON replies (target_author, target_id);

CREATE TABLE reposts (
    author INTEGER NOT NULL,
    id TEXT NOT NULL,
    target_author INTEGER NOT NULL,
    target_id TEXT NOT NULL,
    time INTEGER NOT NULL,
    PRIMARY KEY (author, id, target_author, target_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX reposts_of ON reposts (target_author, target_id);

CREATE TABLE mentions (
    author INTEGER NOT NULL,
    id TEXT NOT NULL,
    user INTEGER NOT NULL,
    time INTEGER NOT NULL,
    PRIMARY KEY (author, id, user)
) STRICT, WITHOUT ROWID;
CREATE INDEX mentions_of ON mentions (user);

CREATE TABLE follows (
    source INTEGER NOT NULL,
    target INTEGER NOT NULL,
    time INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (source, target)
) STRICT, WITHOUT ROWID;
CREATE INDEX follows_of ON follows (target);

CREATE TABLE mutes (
    source INTEGER NOT NULL,
    target INTEGER NOT NULL,
    time INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (source, target)
) STRICT, WITHOUT ROWID;
CREATE INDEX mutes_of ON mutes (target);

CREATE TABLE bookmarks (
    user INTEGER NOT NULL,
    author INTEGER NOT NULL,
    post TEXT NOT NULL,
    id TEXT NOT NULL,
    time INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (user, author, post)
) STRICT, WITHOUT ROWID;
CREATE INDEX bookmarks_by_id ON bookmarks (user, id);
CREATE INDEX bookmarks_of ON bookmarks (author, post);

-- A user is (0, user, ''), a post (1, author, id), a resource (2, resource, '').
CREATE TABLE tags (
    kind INTEGER NOT NULL,
    about INTEGER NOT NULL,
    post TEXT NOT NULL,
    label TEXT NOT NULL,
    tagger INTEGER NOT NULL,
    app TEXT NOT NULL, -- '' for pubky.app
    id TEXT NOT NULL,
    time INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (kind, about, post, label, tagger, app)
) STRICT, WITHOUT ROWID;
CREATE INDEX tags_by_id ON tags (tagger, id);

CREATE TABLE trust (user INTEGER PRIMARY KEY, score REAL NOT NULL) STRICT;

CREATE TABLE notifications (
    receiver INTEGER NOT NULL,
    id BLOB NOT NULL, -- half the BLAKE3 hash of the body
    time INTEGER NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (receiver, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX notifications_by_time ON notifications (receiver, time);

-- The journal; `expired` holds the last position that is no longer kept.
CREATE TABLE changes (
    seq INTEGER PRIMARY KEY,
    author INTEGER NOT NULL,
    collection INTEGER NOT NULL,
    key TEXT NOT NULL,
    action INTEGER NOT NULL, -- 0 create, 1 update, 2 delete
    version BLOB,
    live INTEGER NOT NULL,
    time INTEGER NOT NULL
) STRICT;
CREATE TABLE expired (id INTEGER PRIMARY KEY CHECK (id = 1), seq INTEGER NOT NULL) STRICT;
INSERT INTO expired VALUES (1, 0);

-- The log of handled events, for ever: line n is at offset n - 1.
CREATE TABLE log (n INTEGER PRIMARY KEY, line TEXT NOT NULL) STRICT;

CREATE TABLE retries (
    uri TEXT PRIMARY KEY,
    operation INTEGER NOT NULL, -- 0 PUT, 1 DEL
    homeserver TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    due INTEGER NOT NULL,
    waits_for TEXT,
    error TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX retries_by_due ON retries (due);
CREATE INDEX retries_by_dependency ON retries (waits_for, due) WHERE waits_for IS NOT NULL;

CREATE TABLE dead_letters (
    n INTEGER PRIMARY KEY,
    uri TEXT NOT NULL UNIQUE,
    operation INTEGER NOT NULL,
    homeserver TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    due INTEGER NOT NULL,
    waits_for TEXT,
    error TEXT NOT NULL
) STRICT;

-- How far sources were read; user 0 for the whole log of a homeserver.
CREATE TABLE cursors (
    homeserver TEXT NOT NULL,
    user INTEGER NOT NULL,
    cursor INTEGER NOT NULL,
    PRIMARY KEY (homeserver, user)
) STRICT, WITHOUT ROWID;
