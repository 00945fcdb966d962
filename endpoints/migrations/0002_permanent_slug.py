"""What callers have in their configuration can't change: not by page, API, ORM or SQL."""

from django.db import migrations

TRIGGER = """
CREATE FUNCTION endpoints_endpoint_is_permanent() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.slug IS DISTINCT FROM OLD.slug OR NEW.public_id IS DISTINCT FROM OLD.public_id OR NEW.project_id IS DISTINCT FROM OLD.project_id THEN
        RAISE EXCEPTION 'An endpoint keeps its slug, id and project for life.' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER endpoints_endpoint_is_permanent BEFORE UPDATE ON endpoints_endpoint
FOR EACH ROW EXECUTE FUNCTION endpoints_endpoint_is_permanent();
"""
UNDO = """
DROP TRIGGER endpoints_endpoint_is_permanent ON endpoints_endpoint;
DROP FUNCTION endpoints_endpoint_is_permanent();
"""


class Migration(migrations.Migration):
    dependencies = [("endpoints", "0001_initial")]

    operations = [migrations.RunSQL(TRIGGER, UNDO)]
