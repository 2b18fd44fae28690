"""Stores the assignments of the runs so far, from their deliveries; what was known of the customers then is not known any more."""

from django.db import migrations

COPY = """
INSERT INTO measurement_assignment
    (kind, scope_id, customer_id, is_held_out, holdout_share, assigned_at, stage, rfm_group, language, predicted_value)
SELECT 'campaign', r.campaign_id, d.customer_id, bool_or(d.skip_reason = 'holdout'), max(r.holdout_share), min(r.started_at), '', '', '', NULL
FROM sending_delivery d JOIN campaigns_campaignrun r ON r.id = d.origin_id
WHERE d.origin_kind = 'campaign' AND d.claim <> 'launch'
GROUP BY r.campaign_id, d.customer_id
"""


class Migration(migrations.Migration):
    dependencies = [
        ("campaigns", "0004_export_holdout"),
        ("measurement", "0001_initial"),
        ("sending", "0004_goal_reasons"),
    ]

    operations = [migrations.RunSQL(COPY, migrations.RunSQL.noop)]
