-- Incidents, who is in them and why, their orders. Written by the consume loop only; people and systems read it.

-- One row an area: what restorations age by, the number of the next ledger row, what closed incidents taught.
CREATE TABLE IF NOT EXISTS area (
    area     text        PRIMARY KEY,
    latest   timestamptz, -- time of the latest report
    next_seq bigint      NOT NULL,
    learned  double precision[] NOT NULL -- sums over closed incidents: who reports, and when
);

-- How fast its reports arrive (last, recent, usual, storm since: seconds, NaN for none), and until when the storm it is in
-- lasts if nobody reports any more.
ALTER TABLE area
    ADD COLUMN IF NOT EXISTS lag     double precision NOT NULL DEFAULT 0, -- seconds after which the latest report arrived
    ADD COLUMN IF NOT EXISTS pace    double precision[] NOT NULL DEFAULT '{}',
    ADD COLUMN IF NOT EXISTS calm_at timestamptz;

-- Storms of an area, with the figures by which they began. The end is said with the first message after it.
CREATE TABLE IF NOT EXISTS storm (
    area           text             NOT NULL,
    began_at       timestamptz      NOT NULL,
    ended_at       timestamptz,
    per_hour       double precision NOT NULL,
    usual_per_hour double precision NOT NULL,
    reports        int              NOT NULL,
    rules_hash     text             NOT NULL,
    PRIMARY KEY (area, began_at)
);
CREATE INDEX IF NOT EXISTS storm_by_age ON storm (began_at);

-- An incident as it stands. Its ids come from the area and the opening report, so a report can open one incident
-- and an incident have one order, for ever.
CREATE TABLE IF NOT EXISTS incident (
    incident_id      uuid        PRIMARY KEY,
    order_id         uuid        NOT NULL UNIQUE,
    area             text        NOT NULL,
    kind             text        NOT NULL, -- outage, single, hazard
    state            text        NOT NULL, -- predicted, confirmed, restored, cancelled
    device_id        text        NOT NULL,
    device_type      text        NOT NULL,
    feeder           text,
    lat              double precision,
    lon              double precision,
    customers_served int         NOT NULL,
    ordered          boolean     NOT NULL, -- whether its order was ever issued; false while it is held
    reports          int         NOT NULL,
    hazards          text[]      NOT NULL,
    opened_seq       bigint      NOT NULL, -- place in the area's ledger: the lower, the older
    since_seq        bigint      NOT NULL, -- from where it stands at its device
    opened_at        timestamptz NOT NULL, -- earliest report
    premises         text,                 -- account, of a single incident
    related_to       uuid,
    merged_into      uuid,
    stage            text,
    stage_at         timestamptz,
    etr              jsonb,
    cause            text,
    restored_at      timestamptz,
    restored_seq     bigint,
    hold_timer       uuid,
    hold_due_at      timestamptz,
    relook_timer     uuid,                 -- when it is looked at again, since it was lifted
    relook_due_at    timestamptz,
    relook_since     timestamptz,
    relook_step      int,
    continues        uuid,                 -- restored incident whose outage goes on here
    out_since        timestamptz,          -- when that one began
    revision         int         NOT NULL, -- of the last published snapshot
    changed_at       timestamptz NOT NULL,
    UNIQUE (area, opened_seq)
);
-- Who arranged it, whom it stands for too, and its clock. The due times are those of the rules when it last changed.
ALTER TABLE incident
    ADD COLUMN IF NOT EXISTS pinned        boolean NOT NULL DEFAULT false,
    ADD COLUMN IF NOT EXISTS also          text[]  NOT NULL DEFAULT '{}',
    ADD COLUMN IF NOT EXISTS also_premises text[]  NOT NULL DEFAULT '{}',
    ADD COLUMN IF NOT EXISTS arrived_at    timestamptz,
    ADD COLUMN IF NOT EXISTS breached      text[]  NOT NULL DEFAULT '{}',
    ADD COLUMN IF NOT EXISTS suggested_at  timestamptz,
    ADD COLUMN IF NOT EXISTS proposed_device text, -- where the evidence points, of one that only a person moves
    ADD COLUMN IF NOT EXISTS network_change text,  -- device_gone, device_moved: by a network newer than it
    ADD COLUMN IF NOT EXISTS network       text,   -- that network, version and revision
    ADD COLUMN IF NOT EXISTS told          text[]  NOT NULL DEFAULT '{}', -- other areas its device was in since
    ADD COLUMN IF NOT EXISTS settled_plans uuid[]  NOT NULL DEFAULT '{}', -- planned outages accepted or declined for it
    ADD COLUMN IF NOT EXISTS covered_by    uuid,   -- planned outage that answers its reports, of one closed by that
    ADD COLUMN IF NOT EXISTS part_plans    uuid[]  NOT NULL DEFAULT '{}', -- planned outages below it, of some of its reports
    ADD COLUMN IF NOT EXISTS arrive_by     timestamptz,
    ADD COLUMN IF NOT EXISTS restore_by    timestamptz,
    ADD COLUMN IF NOT EXISTS upstream      text[]  NOT NULL DEFAULT '{}'; -- its device and what could open above it
CREATE INDEX IF NOT EXISTS incident_due ON incident (arrive_by)
    WHERE state IN ('predicted', 'confirmed') AND arrive_by IS NOT NULL;
CREATE INDEX IF NOT EXISTS incident_open ON incident (area) WHERE state IN ('predicted', 'confirmed');
CREATE INDEX IF NOT EXISTS incident_restored ON incident (area, restored_at) WHERE state = 'restored';
CREATE INDEX IF NOT EXISTS incident_by_age ON incident (opened_at, incident_id);
-- Lists, which cost what they show (incident_pages.py).
CREATE INDEX IF NOT EXISTS incident_listed ON incident (state, opened_at, incident_id);
CREATE INDEX IF NOT EXISTS incident_listed_in ON incident (area, state, opened_at, incident_id);
CREATE INDEX IF NOT EXISTS incident_of_parts ON incident (incident_id)
    WHERE state IN ('predicted', 'confirmed') AND part_plans <> '{}';
-- IEEE 1366: what began in a time, or before it and was out then.
CREATE INDEX IF NOT EXISTS incident_begun ON incident (area, coalesce(out_since, opened_at), restored_at);
CREATE INDEX IF NOT EXISTS incident_out_since ON incident (out_since) WHERE out_since IS NOT NULL;
CREATE INDEX IF NOT EXISTS incident_merged ON incident (merged_into) WHERE merged_into IS NOT NULL;

-- A report and the one place it is in now. Name, phone and address stay here; they are not in logs or metrics.
CREATE TABLE IF NOT EXISTS report (
    report_id      uuid        PRIMARY KEY,
    area           text        NOT NULL,
    ticket_id      uuid        NOT NULL,
    ticket_ref     text        NOT NULL,
    contact_id     uuid        NOT NULL,
    channel        text        NOT NULL,
    device_id      text,
    feeder         text,
    account_id     text,
    customer_class text        NOT NULL,
    suspended      boolean     NOT NULL,
    hazards        text[]      NOT NULL,
    single_premise boolean     NOT NULL,
    unconfirmed    boolean     NOT NULL,
    lat            double precision,
    lon            double precision,
    address        text,
    language       text        NOT NULL,
    recipient      jsonb,
    reported_at    timestamptz NOT NULL,
    received_at    timestamptz NOT NULL,
    outcome        text        NOT NULL, -- in_incident, answered, needs_person
    reason         text        NOT NULL,
    incident_id    uuid,                 -- where it is, or the known outage that answered it
    seq            bigint                -- ledger row by which it is there
);
CREATE INDEX IF NOT EXISTS report_waiting ON report (area) WHERE outcome = 'needs_person';
CREATE INDEX IF NOT EXISTS report_by_incident ON report (incident_id, seq) WHERE outcome = 'in_incident';

-- Why a report is, or was, in an incident. Rows are only ever added.
CREATE TABLE IF NOT EXISTS membership (
    area        text        NOT NULL,
    seq         bigint      NOT NULL,
    report_id   uuid        NOT NULL,
    incident_id uuid        NOT NULL,
    action      text        NOT NULL, -- joined, left
    rule        text        NOT NULL,
    evidence    jsonb       NOT NULL,
    rules_hash  text        NOT NULL,
    author      text        NOT NULL, -- engine, or the person who moved it
    at          timestamptz NOT NULL,
    PRIMARY KEY (area, seq)
);
CREATE INDEX IF NOT EXISTS membership_by_report ON membership (report_id);

-- Every version of every order, as it was published.
CREATE TABLE IF NOT EXISTS order_version (
    order_id      uuid        NOT NULL,
    version       int         NOT NULL,
    incident_id   uuid        NOT NULL,
    status        text        NOT NULL,
    priority      text        NOT NULL,
    device_id     text        NOT NULL,
    superseded_by uuid,
    reason        text        NOT NULL,
    issued_at     timestamptz NOT NULL,
    body          jsonb       NOT NULL,
    PRIMARY KEY (order_id, version)
);

-- Up to where versions of orders and revisions of incidents were given in a time that this database, brought back from
-- a backup, has forgotten: gridline db restored adds a row, and what is decided from then on goes on above the highest.
CREATE TABLE IF NOT EXISTS version_floor (
    floor     int         NOT NULL,
    raised_at timestamptz NOT NULL DEFAULT now()
);

-- What crews said, also what changed nothing.
CREATE TABLE IF NOT EXISTS progress (
    progress_id uuid        PRIMARY KEY,
    incident_id uuid        NOT NULL,
    order_id    uuid        NOT NULL,
    stage       text        NOT NULL,
    at          timestamptz NOT NULL,
    crew        text,
    cause       text,
    note        text,
    outcome     text        NOT NULL, -- noted, or the rule by which it was ignored
    noted_at    timestamptz NOT NULL
);
CREATE INDEX IF NOT EXISTS progress_by_incident ON progress (incident_id, at);

-- Power that came back at a device inside an open incident: one step of restoring it.
CREATE TABLE IF NOT EXISTS restored_part (
    area        text        NOT NULL,
    seq         bigint      NOT NULL, -- number the area's ledger had reached
    device_id   text        NOT NULL,
    incident_id uuid        NOT NULL,
    restored_at timestamptz NOT NULL,
    since       timestamptz NOT NULL, -- when the incident had begun
    PRIMARY KEY (area, device_id, restored_at, incident_id)
);
-- As the network was then: the figures of the past are the same whatever is imported later. Earlier releases left it out.
ALTER TABLE restored_part
    ADD COLUMN IF NOT EXISTS upstream  text[], -- the device and what could open above it
    ADD COLUMN IF NOT EXISTS customers int;    -- under it

-- Moments to be woken at. A row goes in the transaction that publishes its firing.
CREATE TABLE IF NOT EXISTS timer (
    timer_id uuid        PRIMARY KEY,
    area     text        NOT NULL,
    kind     text        NOT NULL,
    subject  uuid        NOT NULL,
    due_at   timestamptz NOT NULL
);
CREATE INDEX IF NOT EXISTS timer_due ON timer (due_at);

-- What persons told the engine to do. The API writes a row when it accepts a command, the consume loop what came of
-- it. An incident or planned outage has one undecided command at a time: whoever comes second is told so.
CREATE TABLE IF NOT EXISTS command (
    command_id  uuid        PRIMARY KEY,
    area        text        NOT NULL,
    action      text        NOT NULL,
    subject     uuid        NOT NULL, -- incident, report, planned outage or command it is about
    body        jsonb       NOT NULL,
    author      text        NOT NULL,
    accepted_at timestamptz NOT NULL,
    outcome     text,                 -- done, refused; null until decided
    wrong       jsonb,                -- field and reason of a refusal
    decided_at  timestamptz,
    seq         bigint,               -- place in the area's ledger
    incidents   uuid[]      NOT NULL DEFAULT '{}', -- those it changed
    undo        jsonb,                -- what it takes to undo it
    undoable    boolean     NOT NULL DEFAULT false,
    undone_by   uuid
);
-- Undoable, of an action that processes of the release before do not know and could not load: they leave it alone.
ALTER TABLE command ADD COLUMN IF NOT EXISTS undoable_plan boolean NOT NULL DEFAULT false;
CREATE INDEX IF NOT EXISTS command_undoable_plan ON command (area, seq) WHERE undoable_plan;
CREATE UNIQUE INDEX IF NOT EXISTS command_undecided ON command (subject) WHERE outcome IS NULL;
CREATE INDEX IF NOT EXISTS command_undoable ON command (area, seq) WHERE undoable;
CREATE INDEX IF NOT EXISTS command_by_subject ON command (subject, accepted_at);
CREATE INDEX IF NOT EXISTS command_by_age ON command (accepted_at, command_id);
CREATE INDEX IF NOT EXISTS command_by_incident ON command USING gin (incidents);

CREATE TABLE IF NOT EXISTS planned_outage (
    planned_id uuid        PRIMARY KEY,
    area       text        NOT NULL,
    device_id  text        NOT NULL,
    starts_at  timestamptz NOT NULL,
    ends_at    timestamptz NOT NULL,
    author     text        NOT NULL,
    reason     text        NOT NULL,
    revision   int         NOT NULL,
    cancelled  boolean     NOT NULL,
    changed_at timestamptz NOT NULL
);
CREATE INDEX IF NOT EXISTS planned_outage_by_area ON planned_outage (area, ends_at);
CREATE INDEX IF NOT EXISTS planned_outage_by_end ON planned_outage (ends_at);

-- The reports that a planned outage answered as they came: who hears of another end, and is an incident's again when it
-- is withdrawn. Those of an incident for which a person accepted it are in that command.
CREATE TABLE IF NOT EXISTS plan_answer (
    planned_id uuid NOT NULL,
    report_id  uuid NOT NULL,
    PRIMARY KEY (planned_id, report_id)
);

-- The last thing each meter and breaker said.
CREATE TABLE IF NOT EXISTS telemetry (
    area      text        NOT NULL,
    subject   text        NOT NULL,
    device_id text        NOT NULL,
    reading   text        NOT NULL,
    at        timestamptz NOT NULL,
    since     timestamptz NOT NULL,
    source    text        NOT NULL,
    PRIMARY KEY (area, subject)
);

-- Outages that are open in another area, at a device that another network put into this one.
CREATE TABLE IF NOT EXISTS outage_elsewhere (
    area        text        NOT NULL,
    device_id   text        NOT NULL,
    incident_id uuid        NOT NULL,
    home        text        NOT NULL, -- area it is open in
    since       timestamptz NOT NULL,
    PRIMARY KEY (area, device_id)
);

-- Reports that meters made by themselves are among these: no ticket leads to them when a customer's data is erased.
ALTER TABLE report ADD COLUMN IF NOT EXISTS erased_at timestamptz;
-- Its source was cut off and posted it late: reported_at is right.
ALTER TABLE report ADD COLUMN IF NOT EXISTS kept_back boolean NOT NULL DEFAULT false;
CREATE INDEX IF NOT EXISTS report_waits ON report (reported_at, report_id)
    WHERE outcome = 'needs_person' AND erased_at IS NULL;
CREATE INDEX IF NOT EXISTS report_of_meter ON report (account_id) WHERE channel = 'api' AND account_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS report_of_meter_at ON report (received_at, report_id)
    WHERE channel = 'api' AND account_id IS NOT NULL;

-- By this an erased account is still told from others (erasing.py), so that the figures of past years stay as they were.
CREATE TABLE IF NOT EXISTS pseudonym (
    one    boolean PRIMARY KEY DEFAULT true CHECK (one),
    secret text    NOT NULL
);
INSERT INTO pseudonym (secret) VALUES (gen_random_uuid()::text || gen_random_uuid()::text) ON CONFLICT DO NOTHING;
