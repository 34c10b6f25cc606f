-- The network model. Reference data: the CLI imports it, router and dedup read it.
--
-- A version is whole or not there: its rows lie in tables of its own, filled and indexed before anyone sees them, then
-- attached as partitions, and one row of network_version says which version is current. Readers are never locked out by
-- an import.
-- Indexes are made on the partitions, after the rows are in: that is several times faster than row by row.

CREATE SCHEMA IF NOT EXISTS grid;

CREATE TABLE IF NOT EXISTS grid.network_version (
    version integer PRIMARY KEY,
    content_hash text NOT NULL,
    areas integer NOT NULL,
    feeders integer NOT NULL,
    devices integer NOT NULL,
    customers bigint NOT NULL,
    imported_at timestamptz NOT NULL DEFAULT now(),
    is_current boolean NOT NULL DEFAULT false
);

CREATE UNIQUE INDEX IF NOT EXISTS network_version_current ON grid.network_version (is_current) WHERE is_current;

CREATE TABLE IF NOT EXISTS grid.device (
    version integer NOT NULL,
    id text NOT NULL,
    parent text,
    type text NOT NULL,
    normally_open boolean NOT NULL,
    lat double precision NOT NULL,
    lon double precision NOT NULL,
    area text NOT NULL,
    feeder text NOT NULL,
    customers integer NOT NULL, -- connected directly to this device
    name text NOT NULL DEFAULT '', -- what people call it, as services.grid.device_names writes it
    -- Its place in depth-first order, and where what is under it ends: "is it under" is two comparisons.
    span_from integer NOT NULL DEFAULT -1,
    span_to integer NOT NULL DEFAULT -1,
    -- Itself and the devices above it that could open, nearest first, and the customers fed through each.
    chain text[] NOT NULL DEFAULT '{}',
    chain_customers integer[] NOT NULL DEFAULT '{}'
) PARTITION BY LIST (version);

-- Databases of before: tables without the newer columns get them, and the next import fills them.
ALTER TABLE grid.device ADD COLUMN IF NOT EXISTS name text NOT NULL DEFAULT '',
    ADD COLUMN IF NOT EXISTS span_from integer NOT NULL DEFAULT -1,
    ADD COLUMN IF NOT EXISTS span_to integer NOT NULL DEFAULT -1,
    ADD COLUMN IF NOT EXISTS chain text[] NOT NULL DEFAULT '{}',
    ADD COLUMN IF NOT EXISTS chain_customers integer[] NOT NULL DEFAULT '{}';

-- What people make of its name, as services.grid.device_names writes it; null where that is the name itself.
ALTER TABLE grid.device ADD COLUMN IF NOT EXISTS short_name text;
-- The form that all spellings of its id share, likewise.
ALTER TABLE grid.device ADD COLUMN IF NOT EXISTS id_key text;
-- Of an open device: the one whose load side its other end joins. Switching goes by it.
ALTER TABLE grid.device ADD COLUMN IF NOT EXISTS other_end text;
-- How often the version was switched since its import: with it a reader knows that the tree is another.
ALTER TABLE grid.network_version ADD COLUMN IF NOT EXISTS revision integer NOT NULL DEFAULT 0;

-- By which way of reading names and addresses it was imported (services.grid.store.READING): 0 are those before there was one.
ALTER TABLE grid.network_version ADD COLUMN IF NOT EXISTS reading integer NOT NULL DEFAULT 0;

-- What was switched, by whom and why. Kept when its version is gone.
CREATE TABLE IF NOT EXISTS grid.switching (
    version integer NOT NULL,
    revision integer NOT NULL,
    step integer NOT NULL,
    closed text NOT NULL,
    opened text NOT NULL,
    joins text, -- what the other end of the closed one joins
    author text NOT NULL,
    reason text NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    devices integer NOT NULL,
    customers integer NOT NULL,
    PRIMARY KEY (version, revision, step)
);

-- The areas whose trees it changed; null in those of before this was noted.
ALTER TABLE grid.switching ADD COLUMN IF NOT EXISTS areas text[];

CREATE TABLE IF NOT EXISTS grid.customer (
    version integer NOT NULL,
    account_id text NOT NULL,
    transformer_id text NOT NULL,
    lat double precision NOT NULL,
    lon double precision NOT NULL,
    address text NOT NULL,
    phone text, -- in the form of services.grid.phone
    name text NOT NULL,
    status text NOT NULL,
    priority text NOT NULL,
    language text,
    voltage_kv real, -- of the supply, as the customer's file has it
    -- The parts of the address, as services.grid.address reads them.
    district text NOT NULL DEFAULT '',
    road text NOT NULL DEFAULT '',
    house integer NOT NULL DEFAULT 0,
    estate text NOT NULL DEFAULT '',
    part text NOT NULL DEFAULT '', -- of the estate, where its buildings are numbered anew
    building text NOT NULL DEFAULT '',
    room text NOT NULL DEFAULT '',
    account_key text -- as services.grid.accounts writes it; null where the account is written so itself, as nearly all are
) PARTITION BY LIST (version);

-- Which transformers feed a house: one row for each house and transformer, and with number 0 one for each street and
-- transformer. The building of an estate counts as a house on a street of the estate's name, along with its part (3期5).
CREATE TABLE IF NOT EXISTS grid.house (
    version integer NOT NULL,
    street text NOT NULL,
    number integer NOT NULL,
    district text NOT NULL,
    building text NOT NULL,
    transformer_id text NOT NULL,
    customers integer NOT NULL
) PARTITION BY LIST (version);

-- Under which keys the streets and estates of the houses are found that sound alike or are a slip of the finger away, as
-- services.grid.alike writes them. A version imported before there were any has none.
CREATE TABLE IF NOT EXISTS grid.street_key (
    version integer NOT NULL,
    key text NOT NULL,
    street text NOT NULL
) PARTITION BY LIST (version);

ALTER TABLE grid.customer ADD COLUMN IF NOT EXISTS voltage_kv real, ADD COLUMN IF NOT EXISTS account_key text;
ALTER TABLE grid.customer ADD COLUMN IF NOT EXISTS district text NOT NULL DEFAULT '',
    ADD COLUMN IF NOT EXISTS road text NOT NULL DEFAULT '',
    ADD COLUMN IF NOT EXISTS house integer NOT NULL DEFAULT 0,
    ADD COLUMN IF NOT EXISTS estate text NOT NULL DEFAULT '',
    ADD COLUMN IF NOT EXISTS part text NOT NULL DEFAULT '',
    ADD COLUMN IF NOT EXISTS building text NOT NULL DEFAULT '',
    ADD COLUMN IF NOT EXISTS room text NOT NULL DEFAULT '';

-- Where power is delivered: the customers' points and the transformers themselves, each point once a transformer.
-- x is the longitude and y the Mercator latitude, both in degrees: near any place the order of distances in this
-- plane is the order on the ground, so the index finds the nearest in a time that does not grow with the network.
CREATE TABLE IF NOT EXISTS grid.service_point (
    version integer NOT NULL,
    transformer_id text NOT NULL,
    at point NOT NULL
) PARTITION BY LIST (version);

-- Each area's tree as the import worked it out, packed by services.grid.tree: a reader has it twenty times sooner than out
-- of the devices' rows. It is never the truth: a row of device that changes takes its area's with it, and an area without
-- one is read from its devices.
CREATE TABLE IF NOT EXISTS grid.area_tree (
    version integer NOT NULL,
    area text NOT NULL,
    packed bytea NOT NULL
) PARTITION BY LIST (version);
ALTER TABLE grid.area_tree ALTER COLUMN packed SET STORAGE EXTERNAL; -- to unpack it twice would cost what it saves

CREATE OR REPLACE FUNCTION grid.forget_tree() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        DELETE FROM grid.area_tree WHERE version = OLD.version AND area = OLD.area;
    END IF;
    IF TG_OP <> 'DELETE' THEN
        DELETE FROM grid.area_tree WHERE version = NEW.version AND area = NEW.area;
    END IF;
    RETURN NULL;
END
$$;
CREATE OR REPLACE TRIGGER device_forgets_tree AFTER INSERT OR UPDATE OR DELETE ON grid.device
    FOR EACH ROW EXECUTE FUNCTION grid.forget_tree();

-- Make the empty partitions of a version, not yet attached.
CREATE OR REPLACE FUNCTION grid.open_version(v integer) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    part text;
BEGIN
    FOREACH part IN ARRAY ARRAY['device', 'customer', 'service_point', 'house', 'street_key', 'area_tree'] LOOP
        EXECUTE format(
            'CREATE TABLE grid.%I (LIKE grid.%I INCLUDING DEFAULTS INCLUDING STORAGE, CHECK (version = %s))',
            part || '_v' || v, part, v
        );
        EXECUTE format('ALTER TABLE grid.%I ALTER COLUMN version SET DEFAULT %s', part || '_v' || v, v);
    END LOOP;
END
$$;

-- What is to be done with a filled version before it may be attached, one statement each: whoever imports runs them one
-- by one, so that none holds the database's horizon for longer than it takes itself.
DROP FUNCTION IF EXISTS grid.close_version(integer);
CREATE OR REPLACE FUNCTION grid.version_steps(v integer) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    device text := 'device_v' || v;
    customer text := 'customer_v' || v;
    service_point text := 'service_point_v' || v;
    house text := 'house_v' || v;
    street_key text := 'street_key_v' || v;
    area_tree text := 'area_tree_v' || v;
    part text;
BEGIN
    -- What is looked up together lies together: points by squares of half a kilometre, houses by street and number. In
    -- whatever order they come, a look-up in a large network would read a page for each of its rows.
    RETURN NEXT format($sql$
        INSERT INTO grid.%1$I (transformer_id, at)
        SELECT transformer_id, point(lon, degrees(asinh(tan(radians(lat)))))
        FROM (
            SELECT transformer_id, lat, lon FROM grid.%2$I
            UNION
            SELECT id, lat, lon FROM grid.%3$I WHERE type = 'transformer'
        ) AS delivered
        WHERE abs(lat) <= 85 -- Mercator has no poles
        ORDER BY floor(200 * lat), floor(200 * lon), transformer_id
    $sql$, service_point, customer, device);
    RETURN NEXT format('CREATE INDEX ON grid.%I USING gist (at)', service_point);
    RETURN NEXT format($sql$
        INSERT INTO grid.%1$I (street, number, district, building, transformer_id, customers)
        SELECT street, number, district, building, transformer_id, count(*)
        FROM (
            SELECT road AS street, house AS number, district, building, transformer_id
            FROM grid.%2$I WHERE road <> '' AND house <> 0
            UNION ALL
            SELECT estate, building::integer, district, part || building, transformer_id
            FROM grid.%2$I WHERE estate <> '' AND building ~ '^[0-9]*[1-9][0-9]*$'
            UNION ALL -- A座, A1栋: as services.grid.address.building_number has it
            SELECT estate, 10000 + 100 * (ascii(building) - ascii('a') + 1) + ('0' || substr(building, 2))::integer,
                   district, part || building, transformer_id
            FROM grid.%2$I WHERE estate <> '' AND building ~ '^[a-z][0-9]?$'
            UNION ALL
            SELECT road, 0, district, '', transformer_id FROM grid.%2$I WHERE road <> ''
            UNION ALL
            SELECT estate, 0, district, part, transformer_id FROM grid.%2$I WHERE estate <> ''
        ) AS said
        GROUP BY street, number, district, building, transformer_id
        ORDER BY street, number, district
    $sql$, house, customer);
    -- The district last: whether it was said or not, a look-up is one walk through the index, and of the houses of that
    -- number in other districts only the index is read.
    RETURN NEXT format('CREATE INDEX ON grid.%I (street, number, district)', house);
    RETURN NEXT format('CREATE INDEX ON grid.%I (key, street)', street_key);
    RETURN NEXT format('CREATE UNIQUE INDEX ON grid.%I (id)', device);
    RETURN NEXT format('CREATE INDEX ON grid.%I (name) WHERE name <> %L', device, '');
    RETURN NEXT format('CREATE INDEX %I ON grid.%I (short_name) WHERE short_name IS NOT NULL', device || '_key', device);
    RETURN NEXT format('CREATE INDEX %I ON grid.%I (id_key) WHERE id_key IS NOT NULL', device || '_id_key', device);
    RETURN NEXT format('CREATE INDEX ON grid.%I (id) WHERE normally_open', device);
    RETURN NEXT format('CREATE INDEX ON grid.%I (area)', device);
    RETURN NEXT format('CREATE UNIQUE INDEX ON grid.%I (area)', area_tree);
    RETURN NEXT format('CREATE UNIQUE INDEX ON grid.%I (account_id)', customer);
    RETURN NEXT format('CREATE INDEX %I ON grid.%I (account_key) WHERE account_key IS NOT NULL', customer || '_key', customer);
    RETURN NEXT format('CREATE INDEX ON grid.%I (phone) WHERE phone IS NOT NULL', customer);
    RETURN NEXT format('CREATE INDEX ON grid.%I (transformer_id, room) WHERE room <> %L', customer, '');
    FOREACH part IN ARRAY ARRAY[device, customer, service_point, house, street_key, area_tree] LOOP
        RETURN NEXT format('ANALYZE grid.%I', part);
    END LOOP;
END
$$;

-- Versions imported before accounts had a key and devices a short name and a key have none: an empty index of each, so that
-- nobody reads the table to see that.
DO $$
DECLARE
    part text;
    called text;
    tail text;
BEGIN
    FOR part, called, tail IN
        SELECT c.relname, k.called, k.tail
        FROM (VALUES ('grid.customer'::regclass, 'account_key', '_key'), ('grid.device'::regclass, 'short_name', '_key'),
                     ('grid.device'::regclass, 'id_key', '_id_key')) AS k (parent, called, tail)
        JOIN pg_inherits AS i ON i.inhparent = k.parent JOIN pg_class AS c ON c.oid = i.inhrelid
        WHERE to_regclass('grid.' || quote_ident(c.relname || k.tail)) IS NULL
    LOOP
        EXECUTE format('CREATE INDEX %I ON grid.%I (%I) WHERE %I IS NOT NULL', part || tail, part, called, called);
    END LOOP;
END
$$;

-- Attach a filled and indexed version, so that queries can see it.
CREATE OR REPLACE FUNCTION grid.attach_version(v integer) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    part text;
BEGIN
    FOREACH part IN ARRAY ARRAY['device', 'customer', 'service_point', 'house', 'street_key', 'area_tree'] LOOP
        EXECUTE format(
            'ALTER TABLE grid.%I ATTACH PARTITION grid.%I FOR VALUES IN (%s)', part, part || '_v' || v, v
        );
    END LOOP;
END
$$;

-- Drop the tables of versions that never became one: what an import left that was killed.
CREATE OR REPLACE FUNCTION grid.drop_unfinished() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    part text;
BEGIN
    FOR part IN
        SELECT tablename FROM pg_tables
        WHERE schemaname = 'grid' AND tablename ~ '^(device|customer|service_point|house|street_key|area_tree)_v[0-9]+$'
          AND substring(tablename FROM '[0-9]+$')::integer NOT IN (SELECT version FROM grid.network_version)
    LOOP
        EXECUTE format('DROP TABLE grid.%I', part);
    END LOOP;
END
$$;

-- Forget a version that is not current.
CREATE OR REPLACE FUNCTION grid.drop_version(v integer) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    part text;
BEGIN
    DELETE FROM grid.network_version WHERE version = v AND NOT is_current;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'version % is current or not there', v;
    END IF;
    FOREACH part IN ARRAY ARRAY['device', 'customer', 'service_point', 'house', 'street_key', 'area_tree'] LOOP
        EXECUTE format('DROP TABLE IF EXISTS grid.%I', part || '_v' || v);
    END LOOP;
END
$$;
