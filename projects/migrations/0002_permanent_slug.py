"""What callers have in their configuration can't change: not by page, API, ORM or SQL."""

from django.db import migrations

TRIGGER = """
CREATE FUNCTION projects_project_is_permanent() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.slug IS DISTINCT FROM OLD.slug OR NEW.public_id IS DISTINCT FROM OLD.public_id THEN
        RAISE EXCEPTION 'A project keeps its slug and id for life.' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER projects_project_is_permanent BEFORE UPDATE ON projects_project
FOR EACH ROW EXECUTE FUNCTION projects_project_is_permanent();
"""
UNDO = """
DROP TRIGGER projects_project_is_permanent ON projects_project;
DROP FUNCTION projects_project_is_permanent();
"""


class Migration(migrations.Migration):
    dependencies = [("projects", "0001_initial")]

    operations = [migrations.RunSQL(TRIGGER, UNDO)]
