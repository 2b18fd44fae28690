import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models

PARTITIONS = 32
# A condition compares all customers of a series, so the rows of a series are kept in one of 32 parts. Rows grow in place on the days
# that follow, hence the free space.
EVENT_COUNTS = """
CREATE TABLE segments_eventcount (
    customer_id bigint NOT NULL,
    series_id integer NOT NULL,
    days smallint[] NOT NULL,
    counts integer[] NOT NULL,
    PRIMARY KEY (customer_id, series_id)
) PARTITION BY HASH (series_id);
CREATE INDEX segments_eventcount_series ON segments_eventcount (series_id);
""" + "".join(
    f"CREATE TABLE segments_eventcount_{number} PARTITION OF segments_eventcount"
    f" FOR VALUES WITH (MODULUS {PARTITIONS}, REMAINDER {number}) WITH (fillfactor = 85);"
    for number in range(PARTITIONS)
)
# Both functions merge two rows of a series. The first is used for rows whose days are mixed: late events, or several days at once.
MERGE_FUNCTIONS = """
CREATE FUNCTION segments_merge_days(a smallint[], b smallint[]) RETURNS smallint[] LANGUAGE sql IMMUTABLE AS $$
    SELECT array_agg(day ORDER BY day) FROM (SELECT unnest(a) UNION SELECT unnest(b)) AS merged (day)
$$;
CREATE FUNCTION segments_merge_counts(a_days smallint[], a integer[], b_days smallint[], b integer[])
RETURNS integer[] LANGUAGE sql IMMUTABLE AS $$
    SELECT array_agg(ARRAY[total, first, last] ORDER BY day)
    FROM (
        SELECT day, (sum(sum(events)) OVER (ORDER BY day))::int AS total, min(first) AS first, max(last) AS last
        FROM (
            SELECT day, a[i][1] - COALESCE(a[i - 1][1], 0), a[i][2], a[i][3] FROM unnest(a_days) WITH ORDINALITY AS x (day, i)
            UNION ALL
            SELECT day, b[i][1] - COALESCE(b[i - 1][1], 0), b[i][2], b[i][3] FROM unnest(b_days) WITH ORDINALITY AS x (day, i)
        ) AS daily (day, events, first, last)
        GROUP BY day
    ) AS merged
$$;
"""
DROP_MERGE_FUNCTIONS = """
DROP FUNCTION segments_merge_days;
DROP FUNCTION segments_merge_counts;
"""
# Whoever writes orders, an import, the event processing or a merge, the customers are counted again. A row that exists is locked, so that
# a recount that does not see the change leaves the row.
QUEUE_FUNCTIONS = """
CREATE FUNCTION segments_queue_customers_of_orders() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO segments_pendingordercount (customer_id)
    SELECT DISTINCT customer_id FROM changed WHERE customer_id IS NOT NULL ORDER BY 1
    ON CONFLICT (customer_id) DO UPDATE SET customer_id = EXCLUDED.customer_id;
    RETURN NULL;
END $$;
CREATE FUNCTION segments_queue_customers_of_lines() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO segments_pendingordercount (customer_id)
    SELECT DISTINCT o.customer_id FROM orders_order o WHERE o.id IN (SELECT order_id FROM changed) AND o.customer_id IS NOT NULL
    ORDER BY 1 ON CONFLICT (customer_id) DO UPDATE SET customer_id = EXCLUDED.customer_id;
    RETURN NULL;
END $$;
"""
ORDER_TRIGGERS = "".join(
    f"CREATE TRIGGER segments_counts_{name} AFTER {event} ON {table} REFERENCING {side} TABLE AS changed"
    f" FOR EACH STATEMENT EXECUTE FUNCTION segments_queue_customers_of_{rows}();"
    for table, rows in (("orders_order", "orders"), ("orders_orderline", "lines"))
    for name, event, side in (
        ("inserted", "INSERT", "NEW"),
        ("updated", "UPDATE", "NEW"),
        ("updated_before", "UPDATE", "OLD"),
        ("deleted", "DELETE", "OLD"),
    )
)
DROP_ORDER_TRIGGERS = (
    "".join(
        f"DROP TRIGGER segments_counts_{name} ON {table};"
        for table in ("orders_order", "orders_orderline")
        for name in ("inserted", "updated", "updated_before", "deleted")
    )
    + "DROP FUNCTION segments_queue_customers_of_orders; DROP FUNCTION segments_queue_customers_of_lines;"
)
QUEUE_ALL_CUSTOMERS = """
INSERT INTO segments_pendingordercount (customer_id)
SELECT DISTINCT customer_id FROM orders_order WHERE customer_id IS NOT NULL
"""


class Migration(migrations.Migration):
    dependencies = [
        ("identity", "0003_sealed_traits"),
        ("orders", "0001_initial"),
        ("segments", "0001_initial"),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.CreateModel(
                    name="EventCount",
                    fields=[
                        (
                            "pk",
                            models.CompositePrimaryKey(
                                "customer_id",
                                "series_id",
                                blank=True,
                                editable=False,
                                primary_key=True,
                                serialize=False,
                            ),
                        ),
                        ("customer_id", models.BigIntegerField()),
                        ("series_id", models.IntegerField()),
                        (
                            "days",
                            django.contrib.postgres.fields.ArrayField(base_field=models.SmallIntegerField(), size=None),
                        ),
                        (
                            "counts",
                            django.contrib.postgres.fields.ArrayField(
                                base_field=django.contrib.postgres.fields.ArrayField(
                                    base_field=models.IntegerField(), size=3
                                ),
                                size=None,
                            ),
                        ),
                    ],
                    options={
                        "verbose_name": "event count",
                        "verbose_name_plural": "event counts",
                    },
                ),
            ],
            database_operations=[migrations.RunSQL(EVENT_COUNTS, "DROP TABLE segments_eventcount")],
        ),
        migrations.CreateModel(
            name="PendingOrderCount",
            fields=[
                ("customer_id", models.BigIntegerField(primary_key=True, serialize=False)),
            ],
            options={
                "verbose_name": "customer with uncounted orders",
                "verbose_name_plural": "customers with uncounted orders",
            },
        ),
        migrations.AddField(
            model_name="segment",
            name="tracked_condition",
            field=models.JSONField(
                editable=False,
                help_text="The condition at the last evaluation, to distinguish changes in customers from edits of the condition.",
                null=True,
                verbose_name="condition of the history",
            ),
        ),
        migrations.CreateModel(
            name="EventSeries",
            fields=[
                ("id", models.AutoField(primary_key=True, serialize=False)),
                ("meaning", models.CharField(max_length=30, verbose_name="event")),
                (
                    "about",
                    models.CharField(
                        choices=[
                            ("any", "anything"),
                            ("product", "product"),
                            ("category", "category"),
                            ("brand", "brand"),
                        ],
                        max_length=10,
                        verbose_name="about",
                    ),
                ),
                ("name", models.CharField(blank=True, max_length=1000, verbose_name="name")),
                (
                    "counted_as",
                    models.TextField(
                        blank=True,
                        help_text="For a product: the category and brand to which its events were counted.",
                        verbose_name="counted as",
                    ),
                ),
            ],
            options={
                "verbose_name": "event series",
                "verbose_name_plural": "event series",
                "constraints": [
                    models.UniqueConstraint(fields=("meaning", "about", "name"), name="segments_series_unique")
                ],
            },
        ),
        migrations.CreateModel(
            name="SegmentDay",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("day", models.DateField(verbose_name="day")),
                ("size", models.PositiveBigIntegerField(verbose_name="size")),
                ("entered", models.PositiveBigIntegerField(default=0, verbose_name="entered")),
                ("left", models.PositiveBigIntegerField(default=0, verbose_name="left")),
                (
                    "segment",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="history",
                        to="segments.segment",
                        verbose_name="segment",
                    ),
                ),
            ],
            options={
                "verbose_name": "daily segment size",
                "verbose_name_plural": "daily segment sizes",
                "ordering": ["day"],
                "constraints": [models.UniqueConstraint(fields=("segment", "day"), name="segments_day_unique")],
            },
        ),
        migrations.CreateModel(
            name="SegmentStay",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("entered_at", models.DateTimeField(verbose_name="entered at")),
                ("left_at", models.DateTimeField(blank=True, null=True, verbose_name="left at")),
                ("is_entry_observed", models.BooleanField(verbose_name="entry observed")),
                ("is_exit_observed", models.BooleanField(default=False, verbose_name="exit observed")),
                ("customer_id", models.BigIntegerField(db_index=True, verbose_name="customer number")),
                (
                    "segment",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="stays",
                        to="segments.segment",
                        verbose_name="segment",
                    ),
                ),
            ],
            options={
                "verbose_name": "segment membership period",
                "verbose_name_plural": "segment membership periods",
                "indexes": [
                    models.Index(
                        condition=models.Q(("is_entry_observed", True)),
                        fields=["segment", "-entered_at", "-id"],
                        name="segments_stay_entered",
                    ),
                    models.Index(
                        condition=models.Q(("is_exit_observed", True)),
                        fields=["segment", "-left_at", "-id"],
                        name="segments_stay_left",
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("left_at", None)),
                        fields=("segment", "customer_id"),
                        name="segments_stay_current",
                    )
                ],
            },
        ),
        migrations.RunSQL(MERGE_FUNCTIONS, DROP_MERGE_FUNCTIONS),
        migrations.RunSQL(QUEUE_FUNCTIONS + ORDER_TRIGGERS, DROP_ORDER_TRIGGERS),
        migrations.RunSQL(QUEUE_ALL_CUSTOMERS, migrations.RunSQL.noop),
    ]
