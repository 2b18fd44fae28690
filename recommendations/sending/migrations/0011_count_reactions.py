"""Has the opens and clicks of earlier messages counted in segments: the job that counts events again does so after the upgrade."""

from django.db import migrations

REQUEST_RECOUNT = """
INSERT INTO segments_pendingeventcount (customer_id)
SELECT DISTINCT d.customer_id FROM sending_delivery d JOIN identity_customer c ON c.id = d.customer_id
WHERE d.opened_at IS NOT NULL ON CONFLICT DO NOTHING
"""


class Migration(migrations.Migration):
    dependencies = [
        ("sending", "0010_reopen_canceled_origins"),
        ("segments", "0004_pending_event_counts"),
        ("identity", "0001_initial"),
    ]

    operations = [migrations.RunSQL(REQUEST_RECOUNT, migrations.RunSQL.noop)]
