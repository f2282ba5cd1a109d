-- From version 3 to 4: the jobs of a customer or a provider in the order of their pages. The program counts all jobs
-- for their providers afterwards.
DROP INDEX job_customer;
CREATE INDEX job_customer ON job (customer, created_at DESC, id) WHERE customer IS NOT NULL;
ALTER TABLE job_provider RENAME TO job_provider_3;
CREATE TABLE job_provider (
    pubkey BLOB NOT NULL,
    id BLOB NOT NULL,
    created_at INTEGER,
    PRIMARY KEY (pubkey, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX job_provider_time ON job_provider (pubkey, created_at DESC, id) WHERE created_at IS NOT NULL;
INSERT INTO job_provider SELECT p.pubkey, p.id, j.created_at FROM job_provider_3 p JOIN job j ON j.id = p.id;
DROP TABLE job_provider_3;
