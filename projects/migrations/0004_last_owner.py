"""A project is never without an owner: not by page, API, ORM or SQL.

Looked at when a transaction ends, so that an owner may hand over and go in one step.
"""

from django.db import migrations

TRIGGER = """
CREATE FUNCTION projects_has_an_owner() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM projects_project WHERE id = OLD.project_id AND purged_at IS NULL)
        AND NOT EXISTS (
            SELECT 1 FROM projects_membership WHERE project_id = OLD.project_id AND role = 'owner'
        )
    THEN
        RAISE EXCEPTION 'A project keeps at least one owner.' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NULL;
END $$;

CREATE CONSTRAINT TRIGGER projects_has_an_owner AFTER UPDATE OR DELETE ON projects_membership
DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW WHEN (OLD.role = 'owner') EXECUTE FUNCTION projects_has_an_owner();
"""
UNDO = """
DROP TRIGGER projects_has_an_owner ON projects_membership;
DROP FUNCTION projects_has_an_owner();
"""


class Migration(migrations.Migration):
    dependencies = [("projects", "0003_seats_and_invitations")]

    operations = [migrations.RunSQL(TRIGGER, UNDO)]
