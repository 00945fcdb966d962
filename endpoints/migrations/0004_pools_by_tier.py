"""Have every route published again: pools are named by owner and tier from now on."""

from django.db import migrations

AGAIN = "UPDATE endpoints_endpoint SET version = version + 1"


class Migration(migrations.Migration):
    dependencies = [("endpoints", "0003_newest_in_project")]

    operations = [migrations.RunSQL(AGAIN, migrations.RunSQL.noop)]
