"""Entries and anchors are written once: not the ORM, the console nor SQL changes them."""

from django.db import migrations

TRIGGER = """
CREATE FUNCTION audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'The audit log is append-only.' USING ERRCODE = 'restrict_violation';
END $$;

CREATE TRIGGER audit_entry_is_final BEFORE UPDATE OR DELETE ON audit_auditentry
FOR EACH ROW EXECUTE FUNCTION audit_is_append_only();
CREATE TRIGGER audit_anchor_is_final BEFORE UPDATE OR DELETE ON audit_auditanchor
FOR EACH ROW EXECUTE FUNCTION audit_is_append_only();
"""
UNDO = """
DROP TRIGGER audit_entry_is_final ON audit_auditentry;
DROP TRIGGER audit_anchor_is_final ON audit_auditanchor;
DROP FUNCTION audit_is_append_only();
"""


class Migration(migrations.Migration):
    dependencies = [("audit", "0001_initial")]

    operations = [migrations.RunSQL(TRIGGER, UNDO)]
