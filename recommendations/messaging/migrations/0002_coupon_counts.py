"""Counts of coupon codes in their pools."""

from django.db import migrations, models

COUNT_CODES = """
UPDATE messaging_couponpool p SET code_count = c.total, claimed_count = c.claimed
FROM (SELECT pool_id, count(*) AS total, count(claimed_at) AS claimed FROM messaging_couponcode GROUP BY pool_id) AS c
WHERE c.pool_id = p.id
"""


class Migration(migrations.Migration):
    dependencies = [
        ("messaging", "0001_initial"),
    ]

    operations = [
        migrations.AddField(
            model_name="couponpool",
            name="claimed_count",
            field=models.PositiveIntegerField(db_default=0, default=0, editable=False, verbose_name="claimed codes"),
        ),
        migrations.AddField(
            model_name="couponpool",
            name="code_count",
            field=models.PositiveIntegerField(db_default=0, default=0, editable=False, verbose_name="codes"),
        ),
        migrations.RunSQL(COUNT_CODES, migrations.RunSQL.noop),
    ]
