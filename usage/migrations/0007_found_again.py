"""Requests are found by the caller's own id; callers that left are no failures any more."""

from django.db import migrations

INDEX = """
CREATE INDEX usage_by_caller_id ON usage_record (project_id, caller_request_id)
    WHERE caller_request_id <> '';
"""
# Sums of records that are kept; older days stay as they were counted.
RECOUNT = """
UPDATE usage_usagerollup AS sums SET failures = found.failures, left_early = found.left_early
FROM (
    SELECT project_id, grain, date_trunc(grain, started_at, 'UTC') AS step, endpoint_id, key_id,
        model, count(*) AS requests,
        count(*) FILTER (WHERE ending <> 'caller_left'
            AND (status >= 400 OR ending <> 'complete')) AS failures,
        count(*) FILTER (WHERE ending = 'caller_left') AS left_early
    FROM usage_record CROSS JOIN (VALUES ('minute'), ('hour'), ('day')) AS grains (grain)
    GROUP BY project_id, grain, step, endpoint_id, key_id, model
) AS found
WHERE sums.project_id = found.project_id AND sums.grain = found.grain AND sums.at = found.step
    AND sums.endpoint_id = found.endpoint_id AND sums.key_id = found.key_id
    AND sums.model = found.model AND sums.requests = found.requests;
"""


class Migration(migrations.Migration):

    dependencies = [
        ('usage', '0006_refusals'),
    ]

    operations = [
        migrations.RunSQL(INDEX, "DROP INDEX usage_by_caller_id;"),
        migrations.RunSQL(RECOUNT, migrations.RunSQL.noop),
    ]
