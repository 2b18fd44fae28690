"""When a flow began to take customers, and no signal for customers of an import who never did anything."""

from django.db import migrations, models

# Most flows have run for long; one that was resumed lately started with that, which nobody recorded.
FILL = "UPDATE flows_flow SET started_at = published_at WHERE published_at IS NOT NULL"
# A customer who is only listed in a file, a REST request or a connected shop has no events: the shop may know them for years.
STAGES = """
CREATE OR REPLACE FUNCTION flows_signal_stages() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM flows_flowlistener WHERE kind = 'stage') THEN RETURN NULL; END IF;
    INSERT INTO flows_flowsignal (kind, name, customer_id, product_id, occurrence, at, data)
    SELECT 'stage', c.to_stage, c.customer_id, '', 'stage:' || c.to_stage || ':' || extract(epoch FROM c.at), c.at,
           jsonb_build_object('from', c.from_stage, 'to', c.to_stage, 'reason', c.reason)
    FROM changed c
    WHERE c.at > now() - interval '2 days' AND c.reason <> 'rules'{condition}
      AND c.to_stage IN (SELECT name FROM flows_flowlistener WHERE kind = 'stage')
    ORDER BY c.at, c.customer_id;
    RETURN NULL;
END $$;
"""
HAS_EVENTS = """
      AND (c.reason NOT IN ('first_seen', 'identified')
           OR EXISTS (SELECT FROM lifecycle_customerprofile p WHERE p.customer_id = c.customer_id AND p.last_event_at IS NOT NULL))"""


class Migration(migrations.Migration):
    dependencies = [("flows", "0007_upcoming_products")]

    operations = [
        migrations.AddField(
            model_name="flow",
            name="started_at",
            field=models.DateTimeField(
                editable=False,
                help_text="When the flow began to take customers; what happened before does not start it.",
                null=True,
                verbose_name="started at",
            ),
        ),
        migrations.RunSQL(FILL, migrations.RunSQL.noop),
        migrations.RunSQL(STAGES.format(condition=HAS_EVENTS), STAGES.format(condition="")),
    ]
