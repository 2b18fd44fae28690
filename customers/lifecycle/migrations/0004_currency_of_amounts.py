from django.db import migrations, models

# The profiles of earlier refreshes add up all currencies; that of most orders is the nearest one until the next refresh.
NAME_CURRENCY = """
    UPDATE lifecycle_lifecyclerun SET currency = COALESCE((
        SELECT currency FROM orders_order WHERE kind = 'sale' GROUP BY currency ORDER BY count(*) DESC, currency LIMIT 1), '')
    WHERE id = (SELECT max(id) FROM lifecycle_lifecyclerun WHERE status = 'done')
"""


class Migration(migrations.Migration):
    dependencies = [
        ("lifecycle", "0003_list_indexes"),
        ("orders", "0001_initial"),
    ]

    operations = [
        migrations.AddField(
            model_name="lifecyclerun",
            name="currency",
            field=models.CharField(blank=True, default="", max_length=3, verbose_name="currency of amounts"),
        ),
        migrations.RunSQL(NAME_CURRENCY, migrations.RunSQL.noop),
    ]
