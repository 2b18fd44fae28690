"""Opens canceled origins again of which messages are still waiting.

Messages that were being sent at the cancellation could return to the queue after it, where nothing canceled them. The sender now does so in
batches for each origin that is open. The statement only reads deliveries, and can be repeated.
"""

from django.db import migrations

REOPEN = """
UPDATE sending_originstate s SET is_applied = false
WHERE s.state = 'canceled' AND s.is_applied AND EXISTS (
    SELECT FROM sending_delivery d
    WHERE d.origin_kind = s.origin_kind AND d.origin_id = s.origin_id AND d.status IN ('pending', 'sending')
)
"""


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("sending", "0009_sms_reports")]

    operations = [migrations.RunSQL(REOPEN, migrations.RunSQL.noop)]
