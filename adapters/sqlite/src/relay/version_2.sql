-- From version 1 to 2: how each provider's jobs went. Version 4 counts the jobs that are there.
CREATE TABLE standing (
    pubkey BLOB NOT NULL,
    measure TEXT NOT NULL,
    amount INTEGER NOT NULL,
    PRIMARY KEY (pubkey, measure)
) STRICT, WITHOUT ROWID;
