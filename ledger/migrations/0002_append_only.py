"""A ledger is written once: not even raw SQL changes or deletes an entry."""

from django.db import migrations

TRIGGER = """
CREATE FUNCTION ledger_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'Ledger entries are never changed or deleted; write another one.'
        USING ERRCODE = 'restrict_violation';
END $$;

CREATE TRIGGER ledger_is_append_only BEFORE UPDATE OR DELETE ON ledger_ledgerentry
FOR EACH ROW EXECUTE FUNCTION ledger_is_append_only();
"""
UNDO = """
DROP TRIGGER ledger_is_append_only ON ledger_ledgerentry;
DROP FUNCTION ledger_is_append_only();
"""


class Migration(migrations.Migration):
    dependencies = [("ledger", "0001_initial")]

    operations = [migrations.RunSQL(TRIGGER, UNDO)]
