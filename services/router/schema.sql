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
    body          jsonb       NOT NULL  -- the whole ticket; the columns above are what queries ask for
);

CREATE INDEX IF NOT EXISTS ticket_by_ref ON ticket (ticket_ref);

-- A queue in the order it is worked: most urgent first, then the oldest. Only what waits is in it, so that its size
-- and cost follow the backlog and not the history.
CREATE INDEX IF NOT EXISTS ticket_waiting ON ticket (queue, priority, opened_at, ticket_id) WHERE state = 'queued';

-- Which contacts a ticket has is in its body, under its lock; this is for asking the other way, and for counting.
CREATE TABLE IF NOT EXISTS ticket_contact (
    contact_id  uuid        PRIMARY KEY,
    ticket_id   uuid        NOT NULL, -- no foreign key: both rows are written by one statement
    channel     text        NOT NULL,
    event       text        NOT NULL,
    occurred_at timestamptz NOT NULL, -- bounded by received_at
    received_at timestamptz NOT NULL
);

CREATE INDEX IF NOT EXISTS ticket_contact_by_ticket ON ticket_contact (ticket_id);

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

CREATE INDEX IF NOT EXISTS ticket_reporter_by_age ON ticket_reporter USING brin (touched_at);
