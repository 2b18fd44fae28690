import django.core.validators
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("catalog", "0001_initial"),
        ("events", "0001_initial"),
        ("identity", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="Order",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("order_id", models.CharField(max_length=100, verbose_name="order ID")),
                (
                    "guest_email_hash",
                    models.CharField(blank=True, editable=False, max_length=64, verbose_name="guest email hash"),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[("sale", "sale"), ("return", "return")],
                        default="sale",
                        max_length=10,
                        verbose_name="type",
                    ),
                ),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("placed", "placed"),
                            ("cancelled", "canceled"),
                            ("refunded", "refunded"),
                            ("partly_refunded", "partly refunded"),
                        ],
                        default="placed",
                        max_length=20,
                        verbose_name="status",
                    ),
                ),
                ("placed_at", models.DateTimeField(verbose_name="placed at")),
                (
                    "currency",
                    models.CharField(
                        max_length=3,
                        validators=[
                            django.core.validators.RegexValidator(
                                "^[A-Z]{3}$", "Use a three-letter ISO 4217 code in capitals, such as EUR."
                            )
                        ],
                        verbose_name="currency",
                    ),
                ),
                (
                    "subtotal",
                    models.DecimalField(
                        decimal_places=2,
                        default=0,
                        help_text="Sum of the line totals.",
                        max_digits=14,
                        verbose_name="subtotal",
                    ),
                ),
                (
                    "discount",
                    models.DecimalField(
                        decimal_places=2,
                        default=0,
                        help_text="Already subtracted from the total.",
                        max_digits=14,
                        verbose_name="discount",
                    ),
                ),
                ("shipping", models.DecimalField(decimal_places=2, default=0, max_digits=14, verbose_name="shipping")),
                ("tax", models.DecimalField(decimal_places=2, default=0, max_digits=14, verbose_name="tax")),
                ("total", models.DecimalField(decimal_places=2, default=0, max_digits=14, verbose_name="total")),
                ("refunded", models.DecimalField(decimal_places=2, default=0, max_digits=14, verbose_name="refunded")),
                ("coupon", models.CharField(blank=True, max_length=100, verbose_name="coupon")),
                ("channel", models.CharField(blank=True, max_length=100, verbose_name="channel")),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="created at")),
                (
                    "customer",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        help_text="Empty for a guest.",
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="orders",
                        to="identity.customer",
                        verbose_name="customer",
                    ),
                ),
                (
                    "source",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="orders",
                        to="events.source",
                        verbose_name="source",
                    ),
                ),
            ],
            options={
                "verbose_name": "order",
                "verbose_name_plural": "orders",
                "ordering": ["id"],
            },
        ),
        migrations.CreateModel(
            name="OrderEvent",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("message_id", models.CharField(max_length=120, verbose_name="message ID")),
                ("order_id", models.CharField(max_length=100, verbose_name="order ID")),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("imported", "imported"),
                            ("completed", "completed"),
                            ("updated", "updated"),
                            ("refunded", "refunded"),
                            ("cancelled", "canceled"),
                        ],
                        max_length=10,
                        verbose_name="type",
                    ),
                ),
                ("occurred_at", models.DateTimeField(verbose_name="occurred at")),
                ("user_id", models.CharField(blank=True, max_length=255, verbose_name="user ID")),
                ("anonymous_id", models.CharField(blank=True, max_length=255, verbose_name="anonymous ID")),
                (
                    "guest_email_hash",
                    models.CharField(blank=True, editable=False, max_length=64, verbose_name="guest email hash"),
                ),
                ("content", models.JSONField(blank=True, default=dict, verbose_name="content")),
                ("folded", models.BooleanField(default=False, verbose_name="applied to the order")),
                (
                    "source",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        to="events.source",
                        verbose_name="source",
                    ),
                ),
            ],
            options={
                "verbose_name": "order event",
                "verbose_name_plural": "order events",
                "ordering": ["occurred_at", "id"],
            },
        ),
        migrations.CreateModel(
            name="OrderImport",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("started_at", models.DateTimeField(verbose_name="started at")),
                ("finished_at", models.DateTimeField(blank=True, null=True, verbose_name="finished at")),
                ("error", models.TextField(blank=True, verbose_name="error")),
                ("file_name", models.CharField(max_length=500, verbose_name="file name")),
                ("dry_run", models.BooleanField(default=False, verbose_name="dry run")),
                ("rows", models.PositiveBigIntegerField(default=0, verbose_name="rows")),
                (
                    "problems",
                    models.JSONField(
                        blank=True, default=dict, help_text="Number of rows per problem.", verbose_name="problems"
                    ),
                ),
                ("error_file", models.CharField(blank=True, max_length=1000, verbose_name="error file")),
                ("upload", models.CharField(blank=True, editable=False, max_length=1000, verbose_name="uploaded file")),
                ("options", models.JSONField(blank=True, default=dict, editable=False, verbose_name="options")),
                ("mapping", models.JSONField(default=dict, help_text="Columns per field.", verbose_name="mapping")),
                ("loaded", models.PositiveBigIntegerField(default=0, verbose_name="loaded lines")),
                ("unchanged", models.PositiveBigIntegerField(default=0, verbose_name="unchanged lines")),
                ("rejected", models.PositiveBigIntegerField(default=0, verbose_name="rejected lines")),
                (
                    "counts",
                    models.JSONField(
                        blank=True,
                        default=dict,
                        help_text="Orders, lines, products and customers by type of change.",
                        verbose_name="counts",
                    ),
                ),
                (
                    "source",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, to="events.source", verbose_name="source"
                    ),
                ),
            ],
            options={
                "verbose_name": "order import",
                "verbose_name_plural": "order imports",
                "ordering": ["-started_at"],
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="OrderLine",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("line_number", models.PositiveIntegerField(verbose_name="line number")),
                ("quantity", models.DecimalField(decimal_places=3, max_digits=12, verbose_name="quantity")),
                (
                    "unit_price",
                    models.DecimalField(
                        decimal_places=4,
                        help_text="Before the discount on the line.",
                        max_digits=14,
                        verbose_name="unit price",
                    ),
                ),
                ("discount", models.DecimalField(decimal_places=2, default=0, max_digits=14, verbose_name="discount")),
                ("total", models.DecimalField(decimal_places=2, max_digits=14, verbose_name="total")),
                (
                    "order",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="lines",
                        to="orders.order",
                        verbose_name="order",
                    ),
                ),
                (
                    "product",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="order_lines",
                        to="catalog.product",
                        verbose_name="product",
                    ),
                ),
            ],
            options={
                "verbose_name": "order line",
                "verbose_name_plural": "order lines",
                "ordering": ["order", "line_number"],
            },
        ),
        migrations.AddIndex(
            model_name="order",
            index=models.Index(fields=["customer", "placed_at"], name="orders_order_of_customer"),
        ),
        migrations.AddIndex(
            model_name="order",
            index=models.Index(fields=["placed_at"], name="orders_order_placed"),
        ),
        migrations.AddConstraint(
            model_name="order",
            constraint=models.UniqueConstraint(fields=("source", "order_id"), name="orders_order_unique_in_source"),
        ),
        migrations.AddConstraint(
            model_name="order",
            constraint=models.CheckConstraint(
                condition=models.Q(("kind", "return"), ("total__gte", 0), _connector="OR"),
                name="orders_order_sale_not_negative",
            ),
        ),
        migrations.AddIndex(
            model_name="orderevent",
            index=models.Index(fields=["source", "order_id"], name="orders_event_of_order"),
        ),
        migrations.AddIndex(
            model_name="orderevent",
            index=models.Index(
                condition=models.Q(("folded", False)), fields=["source", "order_id"], name="orders_event_waiting"
            ),
        ),
        migrations.AddConstraint(
            model_name="orderevent",
            constraint=models.UniqueConstraint(fields=("source", "message_id"), name="orders_event_once"),
        ),
        migrations.AddConstraint(
            model_name="orderline",
            constraint=models.UniqueConstraint(fields=("order", "line_number"), name="orders_line_unique_in_order"),
        ),
    ]
