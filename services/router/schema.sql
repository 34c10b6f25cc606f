-- The router's tables: tickets as they stand, and which contact belongs to which.

CREATE TABLE IF NOT EXISTS ticket (
    ticket_id     uuid        PRIMARY KEY,
    ticket_ref    text        NOT NULL, -- not unique: 50 bits, so a look-up by reference answers a list
    version       int         NOT NULL,
    queue         text        NOT NULL,
    state         text        NOT NULL,
    priority      smallint    NOT NULL, -- 0 emergency, 1 urgent, 2 high, 3 normal
    business_type text        NOT NULL,
    channel       text        NOT NULL,
    language      text        NOT NULL,
    area          text,
    report        text        NOT NULL, -- none, sent, answered, returned
    opened_at     timestamptz NOT NULL,
    routed_at     timestamptz NOT NULL,
    body          json        NOT NULL  -- the whole ticket; the columns above are what queries ask for
);

-- Up to where versions of tickets were given in a time that this database, brought back from a backup, has forgotten:
-- gridline db restored adds a row, and what is decided from then on goes on above the highest.
CREATE TABLE IF NOT EXISTS version_floor (
    floor     int         NOT NULL,
    raised_at timestamptz NOT NULL DEFAULT now()
);

-- A body is read and written whole: taking it apart for jsonb took a third of what saving a ticket took. A table of an
-- older release has jsonb, which goes on as it is: to write it anew would take as long as there are tickets.
-- It is longer than Postgres keeps in a row (2 kB), and packing it first took a third as well.
DO $$ BEGIN
    IF EXISTS (
        SELECT FROM pg_attribute WHERE attrelid = 'ticket'::regclass AND attname = 'body' AND attstorage <> 'e'
    ) THEN
        ALTER TABLE ticket ALTER COLUMN body SET STORAGE EXTERNAL;
    END IF;
END $$;

CREATE INDEX IF NOT EXISTS ticket_by_ref ON ticket (ticket_ref);

-- How a ticket stands for people (domain/desk.py).
DO $$ BEGIN
    IF NOT EXISTS (
        SELECT FROM information_schema.columns
        WHERE table_schema = current_schema() AND table_name = 'ticket' AND column_name = 'lane'
    ) THEN
        ALTER TABLE ticket
            ADD COLUMN lane     text,        -- what an agent must serve: queue and skills
            ADD COLUMN rank_at  timestamptz, -- its place: the earliest goes first
            ADD COLUMN agent    text,        -- who has it
            ADD COLUMN held_for text,        -- who may have it before others
            ADD COLUMN wake_at  timestamptz, -- when time alone changes it
            ADD COLUMN level    smallint NOT NULL DEFAULT 0; -- highest warning of its clock, of what is not met
        UPDATE ticket SET lane = queue, rank_at = opened_at WHERE state = 'queued';
        DROP INDEX IF EXISTS ticket_waiting;
    END IF;
END $$;

-- A queue in the order it is worked. Only what waits is in these, so that their size and cost follow the backlog and
-- not the history; and what is kept for one agent is in an index of its own, so that nobody else looks at it.
DO $$ BEGIN
    IF NOT EXISTS (
        SELECT FROM information_schema.columns
        WHERE table_schema = current_schema() AND table_name = 'ticket' AND column_name = 'waiting_since'
    ) THEN
        ALTER TABLE ticket ADD COLUMN waiting_since timestamptz; -- for a person, or for those for danger; NULL: since it was opened
        DROP INDEX IF EXISTS ticket_queue;
    END IF;
END $$;
CREATE INDEX IF NOT EXISTS ticket_queue
    ON ticket (queue, rank_at, ticket_id) INCLUDE (priority, opened_at, waiting_since) WHERE state = 'queued';
CREATE INDEX IF NOT EXISTS ticket_lane ON ticket (lane, rank_at, ticket_id) WHERE state = 'queued' AND held_for IS NULL;
CREATE INDEX IF NOT EXISTS ticket_emergency ON ticket (lane, rank_at, ticket_id)
    WHERE state = 'queued' AND held_for IS NULL AND priority = 0; -- looked at all the time: whoever is in danger
CREATE INDEX IF NOT EXISTS ticket_held ON ticket (held_for, rank_at) WHERE state = 'queued' AND held_for IS NOT NULL;
CREATE INDEX IF NOT EXISTS ticket_in_hand ON ticket (agent) WHERE agent IS NOT NULL;
CREATE INDEX IF NOT EXISTS ticket_wake ON ticket (wake_at) WHERE wake_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS ticket_warned_in ON ticket (queue, level, opened_at) WHERE level > 0;
CREATE INDEX IF NOT EXISTS ticket_warned ON ticket (level, opened_at) WHERE level > 0;

-- By what tickets are found long after, the latest first (finding.py). Of these nothing changes once a ticket is placed,
-- so what becomes of it afterwards costs these indexes little. A customer's keys are digests, as in ticket_reporter.
DO $$ BEGIN
    IF NOT EXISTS (
        SELECT FROM information_schema.columns
        WHERE table_schema = current_schema() AND table_name = 'ticket' AND column_name = 'call_back'
    ) THEN
        ALTER TABLE ticket
            ADD COLUMN first_telling smallint, -- of its matter: 1 where it was the first; 0 in no ticket of its own
            ADD COLUMN last_telling  smallint,
            ADD COLUMN account       uuid,
            ADD COLUMN phone         uuid,
            ADD COLUMN call_back     uuid; -- if another number
    END IF;
END $$;
-- Whether its customer or a supervisor urged; of tickets that an older release wrote last, the body alone says it.
ALTER TABLE ticket ADD COLUMN IF NOT EXISTS urged boolean;
CREATE INDEX IF NOT EXISTS ticket_by_time ON ticket (opened_at, ticket_id);
CREATE INDEX IF NOT EXISTS ticket_by_area ON ticket (area, opened_at, ticket_id) WHERE area IS NOT NULL;
CREATE INDEX IF NOT EXISTS ticket_by_account ON ticket (account, opened_at, ticket_id) WHERE account IS NOT NULL;
CREATE INDEX IF NOT EXISTS ticket_by_phone ON ticket (phone, opened_at, ticket_id) WHERE phone IS NOT NULL;
CREATE INDEX IF NOT EXISTS ticket_by_call_back ON ticket (call_back, opened_at, ticket_id) WHERE call_back IS NOT NULL;

-- What was done with each ticket, a line an act; never changed. Folding it gives the work in the ticket's body.
CREATE TABLE IF NOT EXISTS ticket_log (
    ticket_id uuid        NOT NULL,
    version   int         NOT NULL, -- of the ticket that the act made
    n         smallint    NOT NULL, -- acts of one version, in order
    did       text        NOT NULL,
    at        timestamptz NOT NULL,
    queue     text,
    agent     text,
    seconds   real,                 -- how long what it ends took: waiting, handling, writing up
    body      jsonb       NOT NULL,
    PRIMARY KEY (ticket_id, version, n)
);
CREATE INDEX IF NOT EXISTS ticket_log_at ON ticket_log (at, did);

-- The trees of the processes that run: a queue that none of them has is gone (undeclared.py).
CREATE TABLE IF NOT EXISTS tree_in_force (
    tree_hash text        PRIMARY KEY,
    queues    text[]      NOT NULL,
    since     timestamptz NOT NULL, -- in force without a gap
    until     timestamptz NOT NULL  -- it counts
);

-- The desk rules of the processes that run: what was stored by others is stored anew (clocks.py).
CREATE TABLE IF NOT EXISTS desk_in_force (
    desk_hash   text        PRIMARY KEY,
    until       timestamptz NOT NULL, -- it counts
    stored_from timestamptz           -- when going through all that is open by them began that came to its end
);

-- Agents, and when they were there.
CREATE TABLE IF NOT EXISTS agent (
    agent_id text        PRIMARY KEY,
    presence text        NOT NULL, -- available, away, offline
    since    timestamptz NOT NULL, -- of this presence
    seen_at  timestamptz NOT NULL, -- last sign
    body     jsonb       NOT NULL
);
CREATE INDEX IF NOT EXISTS agent_present ON agent (seen_at) WHERE presence <> 'offline';
CREATE TABLE IF NOT EXISTS agent_presence (
    agent_id text        NOT NULL,
    presence text        NOT NULL,
    start_at timestamptz NOT NULL,
    end_at   timestamptz NOT NULL
);
CREATE INDEX IF NOT EXISTS agent_presence_end ON agent_presence (end_at);

-- The tickets that are another one now, for their references and the later events of their threads, for ever.
CREATE TABLE IF NOT EXISTS ticket_alias (
    ticket_id  uuid PRIMARY KEY,
    ticket_ref text NOT NULL,
    into_id    uuid NOT NULL
);

CREATE INDEX IF NOT EXISTS ticket_alias_by_ref ON ticket_alias (ticket_ref);
CREATE INDEX IF NOT EXISTS ticket_alias_by_into ON ticket_alias (into_id);

-- What a reporter has open, by a digest of each of their handles (account, number, chat identity, session): the table
-- holds no personal data. Rows are few and short-lived; what is in them is checked against the tickets.
CREATE TABLE IF NOT EXISTS ticket_reporter (
    reporter   uuid        PRIMARY KEY,
    tickets    uuid[]      NOT NULL, -- the latest last, at most eight
    touched_at timestamptz NOT NULL
);

-- Whom a customer spoke with last, by the same digests; forgotten when it no longer counts (desk.yaml, known).
CREATE TABLE IF NOT EXISTS customer_agent (
    customer uuid        PRIMARY KEY,
    agent    text        NOT NULL,
    at       timestamptz NOT NULL
);

-- Block ranges, though customers who come again wear them out: with 140,000 rows the deletion of each hour then reads the
-- table, in 24 ms, where a btree takes 0.4. But with a btree no update of these rows is heap-only (with block ranges 92 %
-- are), and each contact's took 1.4 times as long.
CREATE INDEX IF NOT EXISTS customer_agent_by_age ON customer_agent USING brin (at);
CREATE INDEX IF NOT EXISTS ticket_reporter_by_age ON ticket_reporter USING brin (touched_at);

-- What operators had erased (gridline forget): who, when, how far it came and how much; never whose it was.
CREATE TABLE IF NOT EXISTS erasure (
    erasure_id bigserial   PRIMARY KEY,
    author     text        NOT NULL,
    asked      text        NOT NULL, -- age, person
    before     timestamptz NOT NULL, -- what changed at this moment or later was left
    began_at   timestamptz NOT NULL,
    ended_at   timestamptz,          -- none: it was broken off
    kept_from  timestamptz,          -- of age: all that was opened before is erased; the next one begins here
    counts     jsonb       NOT NULL, -- what was erased, by kind
    kept       jsonb       NOT NULL  -- tickets that were left, by reason
);
