"""Seats get outward names; invitations, a required second factor and an end of projects arrive."""

import common.ids
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


def name_seats(apps, schema_editor):
    """Give each seat that is there a public id of its own."""
    for seat in apps.get_model("projects", "Membership").objects.filter(public_id=None):
        seat.public_id = common.ids.member_id()
        seat.save(update_fields=["public_id"])


class Migration(migrations.Migration):

    dependencies = [
        ('projects', '0002_permanent_slug'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        # A default is computed once per migration, not once per row: hence three steps.
        migrations.AddField(
            model_name='membership',
            name='public_id',
            field=models.CharField(max_length=32, null=True, editable=False),
        ),
        migrations.RunPython(name_seats, migrations.RunPython.noop),
        migrations.AlterField(
            model_name='membership',
            name='public_id',
            field=models.CharField(default=common.ids.member_id, editable=False, max_length=32, unique=True),
        ),
        migrations.AddField(
            model_name='project',
            name='purged_at',
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
        migrations.AddField(
            model_name='project',
            name='requires_second_factor',
            field=models.BooleanField(default=False),
        ),
        migrations.CreateModel(
            name='Invitation',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('public_id', models.CharField(default=common.ids.invitation_id, editable=False, max_length=32, unique=True)),
                ('email', models.EmailField(max_length=254, verbose_name='e-mail address')),
                ('role', models.CharField(choices=[('owner', 'Owner'), ('admin', 'Admin'), ('member', 'Member'), ('viewer', 'Viewer')], max_length=16)),
                ('digest', models.CharField(editable=False, max_length=64, unique=True)),
                ('invited_at', models.DateTimeField()),
                ('expires_at', models.DateTimeField()),
                ('accepted_at', models.DateTimeField(blank=True, null=True)),
                ('revoked_at', models.DateTimeField(blank=True, null=True)),
                ('invited_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('project', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='projects.project')),
            ],
            options={
                'ordering': ['-invited_at', '-id'],
                'constraints': [models.UniqueConstraint(condition=models.Q(('accepted_at', None), ('revoked_at', None)), fields=('project', 'email'), name='one_open_invitation_per_address'), models.CheckConstraint(condition=models.Q(('role', 'owner'), _negated=True), name='nobody_is_invited_as_owner')],
            },
        ),
    ]
