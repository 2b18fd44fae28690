"""The tables of the loyalty program."""

import decimal

import django.core.validators
import django.db.models.constraints
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("catalog", "0003_product_groups"),
        ("identity", "0009_blocked_identifier_keys"),
    ]

    operations = [
        migrations.CreateModel(
            name="PendingMember",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("customer_id", models.BigIntegerField(verbose_name="customer number")),
            ],
            options={
                "verbose_name": "customer to recalculate",
                "verbose_name_plural": "customers to recalculate",
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="CategoryBonus",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "multiplier",
                    models.DecimalField(
                        decimal_places=2,
                        default=2,
                        help_text="2: twice the points.",
                        max_digits=6,
                        validators=[django.core.validators.MinValueValidator(1)],
                        verbose_name="multiplier",
                    ),
                ),
                (
                    "category",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="catalog.category",
                        verbose_name="category",
                    ),
                ),
            ],
            options={
                "verbose_name": "category bonus",
                "verbose_name_plural": "category bonuses",
                "ordering": ["category__path"],
            },
        ),
        migrations.CreateModel(
            name="LoyaltyLevel",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("key", models.SlugField(unique=True, verbose_name="key")),
                ("position", models.PositiveSmallIntegerField(verbose_name="position")),
                ("name", models.CharField(max_length=100, verbose_name="name")),
                ("name_zh", models.CharField(blank=True, max_length=100, verbose_name="name in Chinese")),
                ("benefits", models.TextField(blank=True, max_length=2000, verbose_name="benefits")),
                ("benefits_zh", models.TextField(blank=True, max_length=2000, verbose_name="benefits in Chinese")),
                (
                    "min_spend",
                    models.DecimalField(
                        decimal_places=2,
                        default=0,
                        max_digits=14,
                        validators=[django.core.validators.MinValueValidator(0)],
                        verbose_name="spend at least",
                    ),
                ),
                ("min_orders", models.PositiveIntegerField(default=0, verbose_name="orders at least")),
                ("requires_both", models.BooleanField(default=False, verbose_name="spend and orders are both needed")),
                (
                    "points_per_unit",
                    models.DecimalField(
                        decimal_places=3,
                        default=1,
                        max_digits=8,
                        validators=[django.core.validators.MinValueValidator(0)],
                        verbose_name="points per unit of currency",
                    ),
                ),
            ],
            options={
                "verbose_name": "level",
                "verbose_name_plural": "levels",
                "ordering": ["position"],
                "constraints": [
                    models.UniqueConstraint(
                        deferrable=django.db.models.constraints.Deferrable["DEFERRED"],
                        fields=("position",),
                        name="loyalty_level_position",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="LevelChange",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("at", models.DateTimeField(db_index=True, verbose_name="at")),
                (
                    "reason",
                    models.CharField(
                        choices=[
                            ("joined", "joined the program"),
                            ("upgrade", "reached the level"),
                            ("downgrade", "the validity and the grace period have ended"),
                            ("rules", "the rules were changed"),
                        ],
                        max_length=20,
                        verbose_name="reason",
                    ),
                ),
                ("spend", models.DecimalField(decimal_places=2, max_digits=16, verbose_name="spend in the period")),
                ("order_count", models.PositiveIntegerField(verbose_name="orders in the period")),
                (
                    "customer",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="identity.customer",
                        verbose_name="customer",
                    ),
                ),
                (
                    "from_level",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="loyalty.loyaltylevel",
                        verbose_name="level before",
                    ),
                ),
                (
                    "to_level",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="loyalty.loyaltylevel",
                        verbose_name="level after",
                    ),
                ),
            ],
            options={
                "verbose_name": "level change",
                "verbose_name_plural": "level changes",
                "ordering": ["-id"],
                "default_permissions": ("view",),
            },
        ),
        migrations.CreateModel(
            name="LoyaltyProgram",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("is_enabled", models.BooleanField(default=False, verbose_name="program is running")),
                ("started_at", models.DateTimeField(blank=True, null=True, verbose_name="points are earned from")),
                (
                    "period_months",
                    models.PositiveSmallIntegerField(
                        default=12,
                        help_text="0: the customer's whole history.",
                        verbose_name="period that counts towards a level, in months",
                    ),
                ),
                (
                    "validity_months",
                    models.PositiveSmallIntegerField(
                        default=12, help_text="0: a level is never lost.", verbose_name="validity of a level, in months"
                    ),
                ),
                (
                    "grace_days",
                    models.PositiveSmallIntegerField(
                        default=30,
                        help_text="Between the end of the validity period and the loss of the level.",
                        verbose_name="grace period, in days",
                    ),
                ),
                (
                    "points_per_unit",
                    models.DecimalField(
                        decimal_places=3,
                        default=1,
                        help_text="For customers without a level. Each level has its own.",
                        max_digits=8,
                        validators=[django.core.validators.MinValueValidator(0)],
                        verbose_name="points per unit of currency",
                    ),
                ),
                (
                    "point_value",
                    models.DecimalField(
                        decimal_places=4,
                        default=decimal.Decimal("0.01"),
                        help_text="In the shop's currency; for the liability.",
                        max_digits=10,
                        validators=[django.core.validators.MinValueValidator(0)],
                        verbose_name="value of a point",
                    ),
                ),
                (
                    "expiry_months",
                    models.PositiveSmallIntegerField(
                        default=12,
                        help_text="12: at the end of the 12th month after the month in which they were earned. 0: never.",
                        verbose_name="points expire at the end of month",
                    ),
                ),
                ("sign_in_points", models.PositiveIntegerField(default=0, verbose_name="points for a daily sign-in")),
                (
                    "streak_days",
                    models.PositiveSmallIntegerField(
                        default=7,
                        validators=[django.core.validators.MinValueValidator(2)],
                        verbose_name="days in a row for the bonus",
                    ),
                ),
                (
                    "streak_bonus",
                    models.PositiveIntegerField(default=0, verbose_name="bonus for signing in that many days in a row"),
                ),
                ("review_points", models.PositiveIntegerField(default=0, verbose_name="points for a review")),
                ("survey_points", models.PositiveIntegerField(default=0, verbose_name="points for a survey answer")),
                (
                    "reservation_minutes",
                    models.PositiveSmallIntegerField(
                        default=30,
                        validators=[django.core.validators.MinValueValidator(1)],
                        verbose_name="a reservation of points ends after, in minutes",
                    ),
                ),
                ("updated_at", models.DateTimeField(auto_now=True, verbose_name="updated at")),
            ],
            options={
                "verbose_name": "loyalty program",
                "verbose_name_plural": "loyalty programs",
                "default_permissions": ("view", "change"),
                "constraints": [models.CheckConstraint(condition=models.Q(("pk", 1)), name="loyalty_program_once")],
            },
        ),
        migrations.CreateModel(
            name="LoyaltyMember",
            fields=[
                (
                    "customer",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="loyalty",
                        serialize=False,
                        to="identity.customer",
                        verbose_name="customer",
                    ),
                ),
                ("level_since", models.DateTimeField(blank=True, null=True, verbose_name="level since")),
                ("level_until", models.DateField(blank=True, null=True, verbose_name="level valid until")),
                (
                    "spend",
                    models.DecimalField(
                        db_default=0, decimal_places=2, default=0, max_digits=16, verbose_name="spend in the period"
                    ),
                ),
                (
                    "order_count",
                    models.PositiveIntegerField(db_default=0, default=0, verbose_name="orders in the period"),
                ),
                ("balance", models.BigIntegerField(db_default=0, default=0, verbose_name="points")),
                ("reserved", models.BigIntegerField(db_default=0, default=0, verbose_name="reserved points")),
                ("next_expiry_on", models.DateField(blank=True, null=True, verbose_name="next points valid until")),
                ("next_expiry_at", models.DateTimeField(blank=True, null=True, verbose_name="next points expire")),
                (
                    "next_expiry_points",
                    models.BigIntegerField(db_default=0, default=0, verbose_name="points that expire next"),
                ),
                (
                    "spend_to_next",
                    models.DecimalField(
                        blank=True,
                        decimal_places=2,
                        max_digits=16,
                        null=True,
                        verbose_name="spend needed for the next level",
                    ),
                ),
                (
                    "orders_to_next",
                    models.PositiveIntegerField(blank=True, null=True, verbose_name="orders needed for the next level"),
                ),
                ("signed_in_at", models.DateTimeField(blank=True, null=True, verbose_name="last sign-in")),
                ("signed_in_on", models.DateField(blank=True, null=True, verbose_name="day of the last sign-in")),
                (
                    "streak",
                    models.PositiveIntegerField(db_default=0, default=0, verbose_name="consecutive sign-in days"),
                ),
                (
                    "level",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="members",
                        to="loyalty.loyaltylevel",
                        verbose_name="level",
                    ),
                ),
                (
                    "next_level",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="loyalty.loyaltylevel",
                        verbose_name="next level",
                    ),
                ),
            ],
            options={
                "verbose_name": "member",
                "verbose_name_plural": "members",
                "default_permissions": ("view", "change"),
                "indexes": [
                    models.Index(fields=["next_expiry_on"], name="loyalty_member_expiry"),
                    models.Index(fields=["level_until"], name="loyalty_member_until"),
                ],
            },
        ),
        migrations.CreateModel(
            name="PointEntry",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("order", "order"),
                            ("category_bonus", "category bonus"),
                            ("sign_in", "sign-in"),
                            ("streak", "sign-in streak"),
                            ("review", "review"),
                            ("survey", "survey answer"),
                            ("manual", "manual adjustment"),
                            ("redemption", "spent"),
                            ("expiry", "expired"),
                        ],
                        max_length=20,
                        verbose_name="type",
                    ),
                ),
                ("points", models.BigIntegerField(verbose_name="points")),
                ("at", models.DateTimeField(verbose_name="at")),
                ("cause", models.CharField(max_length=200, unique=True, verbose_name="cause")),
                ("order_number", models.BigIntegerField(blank=True, null=True, verbose_name="order number")),
                (
                    "rate",
                    models.DecimalField(
                        blank=True,
                        decimal_places=12,
                        max_digits=20,
                        null=True,
                        verbose_name="points per unit of currency",
                    ),
                ),
                ("expires_on", models.DateField(blank=True, null=True, verbose_name="valid until")),
                ("reference", models.CharField(blank=True, db_default="", max_length=200, verbose_name="reference")),
                ("note", models.CharField(blank=True, db_default="", max_length=500, verbose_name="reason")),
                ("by", models.CharField(blank=True, db_default="", max_length=150, verbose_name="by")),
                (
                    "customer",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="identity.customer",
                        verbose_name="customer",
                    ),
                ),
            ],
            options={
                "verbose_name": "entry of the points ledger",
                "verbose_name_plural": "points ledger",
                "ordering": ["-id"],
                "default_permissions": ("view", "add"),
                "indexes": [
                    models.Index(fields=["customer", "-id"], name="loyalty_entry_of_customer"),
                    models.Index(fields=["at"], name="loyalty_entry_at"),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("points", 0), _negated=True), name="loyalty_entry_not_zero"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="PointReservation",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("points", models.PositiveBigIntegerField(verbose_name="points")),
                ("reference", models.CharField(blank=True, max_length=200, verbose_name="reference")),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("open", "open"),
                            ("confirmed", "spent"),
                            ("cancelled", "canceled"),
                            ("expired", "timed out"),
                        ],
                        default="open",
                        max_length=10,
                        verbose_name="status",
                    ),
                ),
                ("created_at", models.DateTimeField(verbose_name="created at")),
                ("expires_at", models.DateTimeField(verbose_name="ends at")),
                ("closed_at", models.DateTimeField(blank=True, null=True, verbose_name="closed at")),
                (
                    "customer",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="identity.customer",
                        verbose_name="customer",
                    ),
                ),
            ],
            options={
                "verbose_name": "reservation of points",
                "verbose_name_plural": "reservations of points",
                "ordering": ["-id"],
                "default_permissions": ("view",),
                "indexes": [
                    models.Index(
                        condition=models.Q(("status", "open")), fields=["expires_at"], name="loyalty_reservation_open"
                    )
                ],
                "constraints": [
                    models.CheckConstraint(condition=models.Q(("points__gt", 0)), name="loyalty_reservation_positive")
                ],
            },
        ),
    ]
