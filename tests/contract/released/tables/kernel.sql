-- The kernel's tables, made once in the schema of every service that consumes.

-- Where this service stands in each partition. The compare-and-set on (epoch, next_offset) is the first statement
-- of every batch: it is what a stale owner fails on.
CREATE TABLE IF NOT EXISTS consumer_partition (
    topic       text        NOT NULL,
    partition   int         NOT NULL,
    epoch       bigint      NOT NULL,
    next_offset bigint      NOT NULL,
    owner       text        NOT NULL,
    claimed_at  timestamptz NOT NULL,
    last_offset bigint, -- the record read last and what it said: whoever goes on there knows the log again by it
    last_digest bytea,
    PRIMARY KEY (topic, partition)
);
ALTER TABLE consumer_partition ADD COLUMN IF NOT EXISTS last_offset bigint, ADD COLUMN IF NOT EXISTS last_digest bytea;

-- Every message id ever accepted, with the fingerprint of its content: the same event again changes nothing,
-- another body under the same id is a conflict. Rows outlive the retention of the topics they came from.
CREATE TABLE IF NOT EXISTS inbox (
    id           uuid        PRIMARY KEY,
    fingerprint  bytea       NOT NULL,
    topic        text        NOT NULL,
    partition    int         NOT NULL,
    kafka_offset bigint      NOT NULL,
    seen_at      timestamptz NOT NULL
);
CREATE INDEX IF NOT EXISTS inbox_by_age ON inbox (seen_at);

-- Records to publish, bytes settled; a row is written once and never changed.
CREATE TABLE IF NOT EXISTS outbox (
    id            bigserial   PRIMARY KEY,
    topic         text        NOT NULL,
    key           bytea       NOT NULL,
    value         bytea       NOT NULL,
    headers       bytea       NOT NULL, -- JSON pairs of name and value, a character a byte
    created_at    timestamptz NOT NULL
);

-- Which of them are still to be published: an entry comes with its row and goes when the record is acknowledged. Never
-- "id above the last one": ids are drawn before commit, so a cursor would skip a row that commits late.
CREATE TABLE IF NOT EXISTS outbox_waiting (
    shard smallint NOT NULL,
    id    bigint   NOT NULL,
    PRIMARY KEY (shard, id)
);

-- Until 2026-11 the row itself said whether it was published, and so was written twice. The columns go, so that a
-- process of an older release fails at once instead of writing rows that nobody would publish.
DO $$ BEGIN
    IF EXISTS (
        SELECT FROM information_schema.columns
        WHERE table_schema = current_schema() AND table_name = 'outbox' AND column_name = 'published_at'
    ) THEN
        LOCK TABLE outbox IN ACCESS EXCLUSIVE MODE;
        INSERT INTO outbox_waiting (shard, id) SELECT shard, id FROM outbox WHERE published_at IS NULL;
        ALTER TABLE outbox DROP COLUMN published_at, DROP COLUMN shard; -- their indexes go with them
    END IF;
END $$;

-- Until 2026-11 what was past its time was found by these. Space that is used again has old rows' ages in them for ever.
DROP INDEX IF EXISTS inbox_seen_at, outbox_created_at;

-- Exact counts, changed in the transaction that makes them true: the conservation count is a sum over these.
CREATE TABLE IF NOT EXISTS tally (
    topic     text   NOT NULL,
    partition int    NOT NULL,
    name      text   NOT NULL,
    n         bigint NOT NULL,
    PRIMARY KEY (topic, partition, name)
);
