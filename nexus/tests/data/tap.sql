-- The tables of a Tap's database with a few rows: what an import has to understand.
CREATE TABLE repos (did TEXT PRIMARY KEY, state TEXT NOT NULL DEFAULT 'pending', status TEXT NOT NULL DEFAULT 'active',
    handle TEXT, rev TEXT, prev_data TEXT, error_msg TEXT, retry_count INTEGER NOT NULL DEFAULT 0,
    retry_after INTEGER NOT NULL DEFAULT 0);
CREATE TABLE repo_records (did TEXT, collection TEXT, rkey TEXT, cid TEXT, PRIMARY KEY (did, collection, rkey));
CREATE TABLE outbox_buffers (id INTEGER PRIMARY KEY, did TEXT, live NUMERIC, data TEXT);
CREATE TABLE resync_buffers (id INTEGER PRIMARY KEY AUTOINCREMENT, did TEXT, data TEXT);
CREATE TABLE firehose_cursors (url TEXT PRIMARY KEY, cursor INTEGER);
CREATE TABLE list_repos_cursors (url TEXT PRIMARY KEY, cursor TEXT);
CREATE TABLE collection_cursors (url TEXT, collection TEXT, cursor TEXT, PRIMARY KEY (url, collection));

INSERT INTO repos (did, state, status, handle, rev, prev_data, error_msg) VALUES
    ('did:plc:ewvi7nxzyoun6zhxrhs64oiz', 'active', 'active', 'atproto.com', '3jqfcqzm3fo2j',
     'bafyreihj4mljocy2qtgzhiy6aeelam7vc32sokabcasbrfuyr7kblqesim', ''),
    ('did:plc:z72i7hdynmk6r22z27h6tvur', 'resyncing', 'active', '', '', '', ''),
    ('nonsense', 'error', 'active', '', '', '', 'it is no DID');
INSERT INTO repo_records VALUES
    ('did:plc:ewvi7nxzyoun6zhxrhs64oiz', 'app.bsky.feed.post', 'a', 'bafyreihj4mljocy2qtgzhiy6aeelam7vc32sokabcasbrfuyr7kblqesim'),
    ('did:plc:ewvi7nxzyoun6zhxrhs64oiz', 'app.bsky.feed.post', 'b', 'bafyreihj4mljocy2qtgzhiy6aeelam7vc32sokabcasbrfuyr7kblqesim'),
    ('did:plc:ewvi7nxzyoun6zhxrhs64oiz', 'app.bsky.graph.follow', 'a', 'bafyreihj4mljocy2qtgzhiy6aeelam7vc32sokabcasbrfuyr7kblqesim');
INSERT INTO outbox_buffers VALUES
    (41, 'did:plc:ewvi7nxzyoun6zhxrhs64oiz', 0, '{"id":41,"type":"record","record":{"live":false,"did":"did:plc:ewvi7nxzyoun6zhxrhs64oiz","rev":"3jqfcqzm3fo2j","collection":"app.bsky.feed.post","rkey":"a","action":"create","record":{"text":"hi"},"cid":"bafyreihj4mljocy2qtgzhiy6aeelam7vc32sokabcasbrfuyr7kblqesim"}}'),
    (42, 'did:plc:ewvi7nxzyoun6zhxrhs64oiz', 0, '{"id":42,"type":"identity","identity":{"did":"did:plc:ewvi7nxzyoun6zhxrhs64oiz","handle":"atproto.com","is_active":true,"status":"active"}}');
INSERT INTO firehose_cursors VALUES ('https://relay1.us-east.bsky.network', 123456);
