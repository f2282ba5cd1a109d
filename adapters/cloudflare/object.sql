-- What the Durable Object keeps beside its sockets: subscriptions that don't fit into their attachments.
CREATE TABLE IF NOT EXISTS sub (
    conn TEXT NOT NULL,
    name TEXT NOT NULL,
    filters TEXT NOT NULL,
    PRIMARY KEY (conn, name)
) STRICT, WITHOUT ROWID;
