-- Deliveries by month, the ledger by organisation, for a province and more (docs/scaling.md).
-- Once, while Muster stands still, after a backup:  psql --set ON_ERROR_STOP=1 --file partitions.sql
-- Muster needs no other setting. Afterwards, each month:  SELECT muster_months(); old months go by
-- DROP TABLE delivery_2026_01, at once, where DELETE would take hours.

BEGIN;

-- As a table that was there before, but divided: its columns, defaults, checks, foreign keys to
-- others and plain indexes. Keys are for the caller, since they must hold what divides.
CREATE FUNCTION muster_divide(whole text, divided_by text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    one record;
BEGIN
    EXECUTE format('ALTER TABLE %I RENAME TO %I', whole, whole || '_whole');
    EXECUTE format(
        'CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS INCLUDING CONSTRAINTS) PARTITION BY %s',
        whole, whole || '_whole', divided_by
    );
    EXECUTE format('ALTER SEQUENCE %I OWNED BY %I.id', whole || '_id_seq', whole);
    FOR one IN
        SELECT conname AS name, pg_get_constraintdef(oid) AS definition FROM pg_constraint
        WHERE conrelid = (whole || '_whole')::regclass AND contype = 'f' AND confrelid <> conrelid
    LOOP
        EXECUTE format('ALTER TABLE %I ADD CONSTRAINT %I %s', whole, one.name, one.definition);
    END LOOP;
    FOR one IN
        SELECT relname AS name, pg_get_indexdef(indexrelid) AS definition
        FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
        WHERE indrelid = (whole || '_whole')::regclass AND NOT indisunique
    LOOP
        EXECUTE format('DROP INDEX %I', one.name);
        EXECUTE replace(
            one.definition, format('.%I USING', whole || '_whole'), format('.%I USING', whole)
        );
    END LOOP;
END $$;

-- Deliveries, by the month in which they were posted.

SELECT muster_divide('delivery', 'RANGE (created_at)');
ALTER TABLE delivery ADD PRIMARY KEY (id, created_at);

-- What is posted once stays posted once over all months, which an index of each month can't see to.
CREATE TABLE delivery_key (dedupe_key varchar(80) PRIMARY KEY, created_at timestamptz NOT NULL);
DROP INDEX ix_delivery_dedupe_key;
CREATE INDEX ix_delivery_dedupe_key ON delivery (dedupe_key) WHERE dedupe_key IS NOT NULL;
CREATE FUNCTION muster_keep_key() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO delivery_key VALUES (NEW.dedupe_key, NEW.created_at);
    RETURN NEW;
END $$;
CREATE TRIGGER delivery_key BEFORE INSERT ON delivery
    FOR EACH ROW WHEN (NEW.dedupe_key IS NOT NULL) EXECUTE FUNCTION muster_keep_key();

-- Makes the months from the oldest delivery to the one after next; forgets keys without a month.
CREATE FUNCTION muster_months(today timestamptz DEFAULT now()) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    month timestamptz;
    oldest timestamptz := coalesce(
        (SELECT min(created_at) FROM delivery_default), today
    );
    here text := current_setting('timezone');
BEGIN
    SET LOCAL timezone = 'UTC';
    FOR month IN
        SELECT generate_series(date_trunc('month', oldest), today + interval '2 months', '1 month')
    LOOP
        CONTINUE WHEN to_regclass('delivery_' || to_char(month, 'YYYY_MM')) IS NOT NULL;
        -- What came in before its month was made is moved there.
        EXECUTE format('CREATE TABLE %I (LIKE delivery INCLUDING ALL)',
            'delivery_' || to_char(month, 'YYYY_MM'));
        EXECUTE format(
            'WITH late AS (DELETE FROM delivery_default WHERE created_at >= %L AND created_at < %L'
            ' RETURNING *) INSERT INTO %I SELECT * FROM late',
            month, month + interval '1 month', 'delivery_' || to_char(month, 'YYYY_MM'));
        EXECUTE format('ALTER TABLE delivery ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
            'delivery_' || to_char(month, 'YYYY_MM'), month, month + interval '1 month');
    END LOOP;
    DELETE FROM delivery_key WHERE created_at < (SELECT min(created_at) FROM delivery);
    PERFORM set_config('timezone', here, true);
END $$;
CREATE TABLE delivery_default PARTITION OF delivery DEFAULT;
INSERT INTO delivery_key SELECT dedupe_key, created_at FROM delivery_whole WHERE dedupe_key IS NOT NULL;
ALTER TABLE delivery DISABLE TRIGGER delivery_key;
INSERT INTO delivery SELECT * FROM delivery_whole;
ALTER TABLE delivery ENABLE TRIGGER delivery_key;
DROP TABLE delivery_whole CASCADE;  -- with the attempts' foreign key, which a divided table can't be
SELECT muster_months();

-- The ledger, by the organisation whose chain it is. Months would not do: a chain's keys, no entry
-- twice and no attendance confirmed twice, must hold over all of its months.

SELECT muster_divide('ledger_entry', 'HASH (organisation_id)');
ALTER TABLE ledger_entry ADD PRIMARY KEY (organisation_id, id);
ALTER TABLE ledger_entry ADD UNIQUE (organisation_id, sequence);
ALTER TABLE ledger_entry ADD UNIQUE (organisation_id, hash);
DROP INDEX uq_ledger_entry_confirmation;
CREATE UNIQUE INDEX uq_ledger_entry_confirmation
    ON ledger_entry (organisation_id, attendance_id) WHERE kind = 'confirmation';
DO $$
BEGIN
    FOR part IN 0..15 LOOP
        EXECUTE format(
            'CREATE TABLE ledger_entry_%s PARTITION OF ledger_entry'
            ' FOR VALUES WITH (MODULUS 16, REMAINDER %s)', part, part);
    END LOOP;
END $$;
INSERT INTO ledger_entry SELECT * FROM ledger_entry_whole;
DROP TABLE ledger_entry_whole CASCADE;

COMMIT;
ANALYZE delivery;
ANALYZE ledger_entry;
