-- What notify knows and what it has told. Personal data (an address on a channel) is in one table, recipient.

-- Incidents as they stand, from the highest revision seen. See services.notify.domain.incident.Standing.
CREATE TABLE IF NOT EXISTS incident (
    incident_id  uuid        PRIMARY KEY,
    revision     int         NOT NULL,
    state        text        NOT NULL,
    etr          timestamptz,
    etr_since   int         NOT NULL,
    restored_at  timestamptz,
    state_since int         NOT NULL,
    known_since  int,
    changed_at   timestamptz NOT NULL
);
-- Added later: where it is, and the last thing the crew said, for those who ask of a place.
ALTER TABLE incident ADD COLUMN IF NOT EXISTS area text, ADD COLUMN IF NOT EXISTS device text,
    ADD COLUMN IF NOT EXISTS progress text;
CREATE INDEX IF NOT EXISTS incident_device ON incident (area, device);
-- Added later: the estimate of which its customers know that it has passed.
ALTER TABLE incident ADD COLUMN IF NOT EXISTS etr_passed timestamptz;
CREATE INDEX IF NOT EXISTS incident_expected ON incident (etr)
    WHERE state IN ('predicted', 'confirmed') AND etr IS NOT NULL;
CREATE INDEX IF NOT EXISTS incident_over ON incident (restored_at) WHERE state = 'restored';

-- Where customers can be told. A batch locks the rows of everyone it may tell, in order of their ids, so that two
-- incidents on two partitions never tell one customer the same thing at once.
CREATE TABLE IF NOT EXISTS recipient (
    recipient_id uuid PRIMARY KEY,
    channel      text NOT NULL,
    address      text NOT NULL,
    account      text
);

-- What is written to of a recipient: one telephone number is one link on every channel, however it is spelled.
ALTER TABLE recipient ADD COLUMN IF NOT EXISTS link_id uuid;
CREATE INDEX IF NOT EXISTS recipient_link ON recipient (link_id);

-- Who asked not to be told any more, or left (STOP, an account unfollowed), and who came back. Nothing is claimed for a
-- link that is not linked; its addresses are blanked until it is heard of again. A link without a row may be told.
CREATE TABLE IF NOT EXISTS link (
    link_id uuid        PRIMARY KEY,
    linked  boolean     NOT NULL,
    at      timestamptz NOT NULL
);

-- Reports, and what became of those that were settled without an incident.
CREATE TABLE IF NOT EXISTS report (
    report_id    uuid PRIMARY KEY,
    ticket_id    uuid NOT NULL,
    ticket_ref   text NOT NULL,
    language     text NOT NULL,
    recipient_id uuid,
    outcome      text,
    reason       text,
    settled_at   timestamptz
);
ALTER TABLE report ADD COLUMN IF NOT EXISTS expected_at timestamptz; -- end of the planned outage that answers it
CREATE INDEX IF NOT EXISTS report_ticket_ref ON report (ticket_ref);
CREATE INDEX IF NOT EXISTS report_recipient ON report (recipient_id) WHERE recipient_id IS NOT NULL;

-- Tickets by the reference that a customer was given: of which another stands for, as it came in the wake of an earlier
-- one (version 0: for ever) or as people merged it, until they take it apart; and those that people have or had.
CREATE TABLE IF NOT EXISTS ticket (
    ticket_id  uuid PRIMARY KEY,
    ticket_ref text NOT NULL,
    into_id    uuid,
    language   text,
    version    int  NOT NULL,
    closed_at  timestamptz
);
CREATE INDEX IF NOT EXISTS ticket_ticket_ref ON ticket (ticket_ref);

-- Which report belongs to which incident: active while joined_revision > left_revision. A row may know of the leaving
-- before it knows of the joining.
CREATE TABLE IF NOT EXISTS subscription (
    incident_id     uuid        NOT NULL,
    report_id       uuid        NOT NULL,
    joined_revision int         NOT NULL,
    left_revision   int         NOT NULL,
    joined_at       timestamptz,
    PRIMARY KEY (incident_id, report_id)
);
CREATE INDEX IF NOT EXISTS subscription_report ON subscription (report_id);

-- Incidents with news for more customers than a batch looks at (services.notify.fan_out): these are looked at piece by
-- piece, in the order of their reports; first those whose turn is before others', then all.
CREATE TABLE IF NOT EXISTS fan_out (
    incident_id uuid        PRIMARY KEY,
    urgent      boolean     NOT NULL DEFAULT true, -- whether it is those whose turn is before others' now
    after       uuid        NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000', -- report up to which they were
    looked_at   timestamptz NOT NULL DEFAULT now()
);
-- Added later: reports whose customers are still to be looked at, counted with the first piece.
ALTER TABLE fan_out ADD COLUMN IF NOT EXISTS to_do int;

-- Everything ever decided to be told: the log against which the next decision is made, and the queue of what is
-- still to be sent. While its incident may change, only what reached nobody is deleted: as it is made anew.
--
--   pending ──claim──▶ sending ──▶ sent
--      ▲                  │ ├────▶ failed      refused, or tried too often
--      └──── try again ───┘ └────▶ unknown     the sender cannot say whether it was delivered
--   pending, or sending that would be tried again ──▶ superseded   a newer notice of the incident tells more
CREATE TABLE IF NOT EXISTS notice (
    notice_id       uuid        PRIMARY KEY,
    seq             bigserial   NOT NULL,
    recipient_id    uuid        NOT NULL,
    channel         text        NOT NULL,
    incident_id     uuid,
    report_id       uuid        NOT NULL,
    ticket_ref      text        NOT NULL,
    language        text        NOT NULL,
    stage           text        NOT NULL,
    revision        int         NOT NULL,
    template        text        NOT NULL,
    etr             timestamptz, -- once sent: the time that was in it; NULL where that had passed and was left out
    restored_at     timestamptz,
    caused_at       timestamptz NOT NULL, -- when the change happened that is told
    rules           text        NOT NULL, -- digest of the templates file in force
    made_at         timestamptz NOT NULL,
    state           text        NOT NULL DEFAULT 'pending',
    attempts        int         NOT NULL DEFAULT 0,
    next_attempt_at timestamptz NOT NULL DEFAULT now(),
    sender          text,                 -- of the last attempt
    sending_until   timestamptz,          -- after this, an attempt without an outcome is lost
    sent_at         timestamptz,
    reason          text,                 -- why the last attempt did not deliver
    superseded_by   uuid
);
-- Added later: the receiver's own id of a notice it took, and when it said that it arrived.
ALTER TABLE notice ADD COLUMN IF NOT EXISTS delivery_id text, ADD COLUMN IF NOT EXISTS arrived_at timestamptz;
CREATE INDEX IF NOT EXISTS notice_delivery ON notice (recipient_id, delivery_id) WHERE delivery_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS notice_incident ON notice (incident_id, recipient_id);
-- Added later: whose turn comes first (services.notify.domain.notice.Turn), and whether the area was in a storm.
ALTER TABLE incident ADD COLUMN IF NOT EXISTS storm boolean NOT NULL DEFAULT false;
ALTER TABLE report ADD COLUMN IF NOT EXISTS turn smallint NOT NULL DEFAULT 2;
CREATE INDEX IF NOT EXISTS report_urgent ON report (report_id) WHERE turn < 2; -- few, in outages of any size
ALTER TABLE notice ADD COLUMN IF NOT EXISTS turn smallint NOT NULL DEFAULT 2;
DROP INDEX IF EXISTS notice_due;
CREATE INDEX IF NOT EXISTS notice_turn ON notice (turn, next_attempt_at, seq) WHERE state = 'pending';
CREATE INDEX IF NOT EXISTS notice_sending ON notice (recipient_id) WHERE state = 'sending';
-- Added later: since when it may have been taken without our knowing; set as an attempt begins, and taken back when it
-- is known that this one was not.
ALTER TABLE notice ADD COLUMN IF NOT EXISTS doubted_at timestamptz;
-- Added later: what the receiver said of its messages to the customer before it was written down that it had taken this:
-- by its own id of them, when, and why one did not arrive.
ALTER TABLE notice ADD COLUMN IF NOT EXISTS early jsonb;
CREATE INDEX IF NOT EXISTS notice_doubted ON notice (recipient_id)
    WHERE doubted_at IS NOT NULL AND state IN ('pending', 'sending');
-- Added later: the planned outage whose end is told.
ALTER TABLE notice ADD COLUMN IF NOT EXISTS planned_id uuid;
CREATE INDEX IF NOT EXISTS notice_planned ON notice (planned_id, recipient_id) WHERE planned_id IS NOT NULL;
-- Added later: when the ticket was closed, where that is told.
ALTER TABLE notice ADD COLUMN IF NOT EXISTS closed_at timestamptz;
-- Added later: one customer's premises, or a danger, where it is no outage of all under the device.
ALTER TABLE incident ADD COLUMN IF NOT EXISTS kind text;
-- Added later: whose premises. Their own question is answered, no neighbour's.
ALTER TABLE incident ADD COLUMN IF NOT EXISTS account_id text;
-- Added later: what was told of a report goes with it when its customer's data is erased.
CREATE INDEX IF NOT EXISTS notice_report ON notice (report_id);
-- Added later: quiet hours (services.notify.domain.quiet_hours). When a customer last contacted us; until when a pending
-- notice waits to be looked at again, and when that was done: it is sent after that.
ALTER TABLE recipient ADD COLUMN IF NOT EXISTS contacted_at timestamptz;
ALTER TABLE notice ADD COLUMN IF NOT EXISTS held_until timestamptz, ADD COLUMN IF NOT EXISTS looked_at timestamptz;
CREATE INDEX IF NOT EXISTS notice_held ON notice (channel, held_until, turn, incident_id, recipient_id)
    WHERE held_until IS NOT NULL AND state = 'pending';
CREATE INDEX IF NOT EXISTS notice_held_for ON notice (recipient_id) WHERE held_until IS NOT NULL AND state = 'pending';

-- Planned outages as they were last told of, for who asks of a place before anybody has reported.
CREATE TABLE IF NOT EXISTS planned_outage (
    planned_id uuid        PRIMARY KEY,
    area       text        NOT NULL,
    device     text        NOT NULL,
    starts_at  timestamptz NOT NULL,
    ends_at    timestamptz NOT NULL,
    cancelled  boolean     NOT NULL,
    changed_at timestamptz NOT NULL
);
CREATE INDEX IF NOT EXISTS planned_outage_device ON planned_outage (area, device);
