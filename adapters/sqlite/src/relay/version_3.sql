-- From version 2 to 3: of which addresses the newest version has expired.
CREATE TABLE expired_address (
    kind INTEGER NOT NULL,
    pubkey BLOB NOT NULL,
    d TEXT NOT NULL,
    until INTEGER NOT NULL,
    PRIMARY KEY (kind, pubkey, d)
) STRICT, WITHOUT ROWID;
