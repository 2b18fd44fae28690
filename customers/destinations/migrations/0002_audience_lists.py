import django.db.models.deletion
from django.db import migrations, models

# Two segments could have the same list; its members are now stored once.
NAME_LISTS = """
    UPDATE destinations_adaudiencemember m SET list_id = d.options -> 'audience_ids' ->> m.segment_id::text
    FROM destinations_destination d WHERE d.id = m.destination_id AND d.options -> 'audience_ids' ? m.segment_id::text;
    DELETE FROM destinations_adaudiencemember m USING destinations_adaudiencemember k
    WHERE k.destination_id = m.destination_id AND k.list_id = m.list_id AND k.customer_id = m.customer_id
      AND (k.is_confirmed, m.id) > (m.is_confirmed, k.id)
"""


class Migration(migrations.Migration):
    dependencies = [
        ("destinations", "0001_initial"),
    ]

    operations = [
        migrations.AddField(
            model_name="adaudiencemember",
            name="list_id",
            field=models.CharField(
                blank=True, db_default="", default="", max_length=100, verbose_name="customer list ID"
            ),
        ),
        migrations.AlterField(
            model_name="adaudiencemember",
            name="segment",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to="segments.segment",
                verbose_name="segment",
            ),
        ),
        migrations.RunSQL(NAME_LISTS, migrations.RunSQL.noop),
        migrations.RemoveConstraint(model_name="adaudiencemember", name="destinations_audience_once"),
        migrations.AddConstraint(
            model_name="adaudiencemember",
            constraint=models.UniqueConstraint(
                fields=("destination", "list_id", "customer_id"), name="destinations_list_member_once"
            ),
        ),
    ]
