-- The network model. Reference data: the CLI imports it, router and dedup read it.
--
-- A version is whole or not there: its rows lie in partitions of its own, filled and indexed before anyone sees
-- them, and one row of network_version says which version is current. Readers are never locked out by an import.
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
    customers integer NOT NULL -- connected directly to this device
) PARTITION BY LIST (version);

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
    language text
) PARTITION BY LIST (version);

-- Where power is delivered: the customers' points and the transformers themselves, each point once a transformer.
-- x is the longitude and y the Mercator latitude, both in degrees: near any place the order of distances in this
-- plane is the order on the ground, so the index finds the nearest in a time that does not grow with the network.
CREATE TABLE IF NOT EXISTS grid.service_point (
    version integer NOT NULL,
    transformer_id text NOT NULL,
    at point NOT NULL
) PARTITION BY LIST (version);

-- Make the empty partitions of a version, not yet attached.
CREATE OR REPLACE FUNCTION grid.open_version(v integer) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    part text;
BEGIN
    FOREACH part IN ARRAY ARRAY['device', 'customer', 'service_point'] LOOP
        EXECUTE format(
            'CREATE TABLE grid.%I (LIKE grid.%I, CHECK (version = %s))', part || '_v' || v, part, v
        );
        EXECUTE format('ALTER TABLE grid.%I ALTER COLUMN version SET DEFAULT %s', part || '_v' || v, v);
    END LOOP;
END
$$;

-- Index a filled version and attach it, so that queries can see it.
CREATE OR REPLACE FUNCTION grid.close_version(v integer) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    part text;
BEGIN
    EXECUTE format($sql$
        INSERT INTO grid.%1$I (transformer_id, at)
        SELECT transformer_id, point(lon, degrees(asinh(tan(radians(lat)))))
        FROM (
            SELECT DISTINCT transformer_id, lat, lon FROM grid.%2$I
            UNION
            SELECT id, lat, lon FROM grid.%3$I WHERE type = 'transformer'
        ) AS delivered
        WHERE abs(lat) <= 85 -- Mercator has no poles
    $sql$, 'service_point_v' || v, 'customer_v' || v, 'device_v' || v);
    EXECUTE format('CREATE UNIQUE INDEX ON grid.%I (id)', 'device_v' || v);
    EXECUTE format('CREATE INDEX ON grid.%I (area)', 'device_v' || v);
    EXECUTE format('CREATE UNIQUE INDEX ON grid.%I (account_id)', 'customer_v' || v);
    EXECUTE format('CREATE INDEX ON grid.%I (phone) WHERE phone IS NOT NULL', 'customer_v' || v);
    EXECUTE format('CREATE INDEX ON grid.%I USING gist (at)', 'service_point_v' || v);
    FOREACH part IN ARRAY ARRAY['device', 'customer', 'service_point'] LOOP
        EXECUTE format('ANALYZE grid.%I', part || '_v' || v);
        EXECUTE format(
            'ALTER TABLE grid.%I ATTACH PARTITION grid.%I FOR VALUES IN (%s)', part, part || '_v' || v, v
        );
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
    FOREACH part IN ARRAY ARRAY['device', 'customer', 'service_point'] LOOP
        EXECUTE format('DROP TABLE grid.%I', part || '_v' || v);
    END LOOP;
END
$$;
