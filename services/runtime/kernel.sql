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
    PRIMARY KEY (topic, partition)
);

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
CREATE INDEX IF NOT EXISTS inbox_seen_at ON inbox USING brin (seen_at);

-- Records to publish, bytes settled. Found by published_at, never by "id above the last one": ids are drawn before
-- commit, so a cursor would skip a row that commits late.
CREATE TABLE IF NOT EXISTS outbox (
    id            bigserial   PRIMARY KEY,
    shard         smallint    NOT NULL,
    topic         text        NOT NULL,
    key           bytea       NOT NULL,
    value         bytea       NOT NULL,
    headers       bytea       NOT NULL, -- JSON pairs of name and value, a character a byte
    created_at    timestamptz NOT NULL,
    published_at  timestamptz
);
CREATE INDEX IF NOT EXISTS outbox_unpublished ON outbox (shard, id) WHERE published_at IS NULL;
CREATE INDEX IF NOT EXISTS outbox_published ON outbox (published_at) WHERE published_at IS NOT NULL;

-- Exact counts, changed in the transaction that makes them true: the conservation count is a sum over these.
CREATE TABLE IF NOT EXISTS tally (
    topic     text   NOT NULL,
    partition int    NOT NULL,
    name      text   NOT NULL,
    n         bigint NOT NULL,
    PRIMARY KEY (topic, partition, name)
);
