"""A month's partition takes along what the catch-all one holds of it.

PostgreSQL refuses to make a partition while the default one has rows of its range. They come
from gateways whose clock is ahead, and from months nobody made a partition for in time. So the
rows move to a table of their own, which then becomes the partition.
"""

from django.db import migrations

ENSURE = """
CREATE FUNCTION usage_make_partition(name text, first timestamptz, last timestamptz)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    -- Who writes waits, so that no further row can land in the catch-all meanwhile.
    LOCK TABLE usage_record IN SHARE ROW EXCLUSIVE MODE;
    IF to_regclass(name) IS NOT NULL THEN
        RETURN;
    END IF;
    EXECUTE format('CREATE TABLE %I (LIKE usage_record INCLUDING DEFAULTS INCLUDING CONSTRAINTS)',
        name);
    EXECUTE format('WITH moved AS (DELETE FROM usage_record_rest WHERE started_at >= %L'
        ' AND started_at < %L RETURNING *) INSERT INTO %I SELECT * FROM moved', first, last, name);
    EXECUTE format('ALTER TABLE usage_record ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
        name, first, last);
END $$;

CREATE OR REPLACE FUNCTION usage_ensure_partitions(months_ahead integer)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    first date := date_trunc('month', now() AT TIME ZONE 'UTC')::date;
    month date;
    name text;
BEGIN
    FOR n IN 0..months_ahead LOOP
        month := first + make_interval(months => n);
        name := 'usage_record_' || to_char(month, 'YYYYMM');
        IF to_regclass(name) IS NULL THEN
            PERFORM usage_make_partition(name, month::timestamp AT TIME ZONE 'UTC',
                (month + interval '1 month')::timestamp AT TIME ZONE 'UTC');
        END IF;
    END LOOP;
END $$;
"""
UNDO = """
CREATE OR REPLACE FUNCTION usage_ensure_partitions(months_ahead integer)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    first date := date_trunc('month', now() AT TIME ZONE 'UTC')::date;
    month date;
    name text;
BEGIN
    FOR n IN 0..months_ahead LOOP
        month := first + make_interval(months => n);
        name := 'usage_record_' || to_char(month, 'YYYYMM');
        IF to_regclass(name) IS NULL THEN
            EXECUTE format('CREATE TABLE %I PARTITION OF usage_record FOR VALUES FROM (%L) TO (%L)',
                name, month::timestamp AT TIME ZONE 'UTC',
                (month + interval '1 month')::timestamp AT TIME ZONE 'UTC');
        END IF;
    END LOOP;
END $$;
DROP FUNCTION usage_make_partition(text, timestamptz, timestamptz);
"""


class Migration(migrations.Migration):

    dependencies = [
        ('usage', '0003_rollup_by_step'),
    ]

    operations = [migrations.RunSQL(ENSURE, UNDO)]
