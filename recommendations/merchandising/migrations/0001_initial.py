from decimal import Decimal

import django.contrib.postgres.fields
import django.core.validators
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("segments", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="Rule",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=200, verbose_name="name")),
                ("enabled", models.BooleanField(default=True, verbose_name="enabled")),
                (
                    "priority",
                    models.SmallIntegerField(
                        default=0,
                        help_text="If rules conflict, the one with the higher priority wins.",
                        validators=[
                            django.core.validators.MinValueValidator(-1000),
                            django.core.validators.MaxValueValidator(1000),
                        ],
                        verbose_name="priority",
                    ),
                ),
                (
                    "action",
                    models.CharField(
                        choices=[
                            ("pin", "pin"),
                            ("boost", "boost"),
                            ("bury", "bury"),
                            ("hide", "hide"),
                            ("only", "only"),
                        ],
                        max_length=10,
                        verbose_name="action",
                    ),
                ),
                (
                    "position",
                    models.PositiveSmallIntegerField(
                        blank=True,
                        help_text="Only for pin. 1 is the first position. Several products take consecutive positions from there.",
                        null=True,
                        validators=[
                            django.core.validators.MinValueValidator(1),
                            django.core.validators.MaxValueValidator(100),
                        ],
                        verbose_name="position",
                    ),
                ),
                (
                    "factor",
                    models.DecimalField(
                        blank=True,
                        decimal_places=2,
                        help_text="Factor for the score: 1.01 to 100 for boost, 0.01 to 0.99 for bury.",
                        max_digits=5,
                        null=True,
                        verbose_name="factor",
                    ),
                ),
                (
                    "scenarios",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(
                            choices=[
                                ("for-you", "For you"),
                                ("similar", "Similar products"),
                                ("bought-together", "Bought together"),
                                ("cart", "Goes with your cart"),
                                ("buy-again", "Buy again"),
                                ("trending", "Trending"),
                                ("popular", "Popular"),
                                ("new", "New products"),
                                ("recently-viewed", "Recently viewed"),
                                ("categories", "Categories for you"),
                                ("search", "Search"),
                            ],
                            max_length=20,
                        ),
                        blank=True,
                        default=list,
                        help_text="Leave empty for all placements.",
                        size=None,
                        verbose_name="placements",
                    ),
                ),
                (
                    "category",
                    models.CharField(
                        blank=True,
                        help_text="Includes all subcategories.",
                        max_length=1000,
                        verbose_name="category path",
                    ),
                ),
                ("brand", models.CharField(blank=True, max_length=200, verbose_name="brand")),
                (
                    "product_ids",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=200),
                        blank=True,
                        default=list,
                        size=10000,
                        verbose_name="product IDs",
                    ),
                ),
                ("attribute_name", models.CharField(blank=True, max_length=200, verbose_name="attribute")),
                ("attribute_value", models.CharField(blank=True, max_length=500, verbose_name="attribute value")),
                ("tag", models.CharField(blank=True, max_length=100, verbose_name="tag")),
                (
                    "price_from",
                    models.DecimalField(
                        blank=True, decimal_places=2, max_digits=14, null=True, verbose_name="price from"
                    ),
                ),
                (
                    "price_to",
                    models.DecimalField(
                        blank=True, decimal_places=2, max_digits=14, null=True, verbose_name="price to"
                    ),
                ),
                (
                    "margin_from",
                    models.DecimalField(
                        blank=True,
                        decimal_places=4,
                        help_text="As a share of the price: 0.3 means 30%. Products without a cost do not match.",
                        max_digits=7,
                        null=True,
                        validators=[django.core.validators.MaxValueValidator(Decimal("1"))],
                        verbose_name="margin from",
                    ),
                ),
                (
                    "margin_to",
                    models.DecimalField(
                        blank=True,
                        decimal_places=4,
                        max_digits=7,
                        null=True,
                        validators=[django.core.validators.MaxValueValidator(Decimal("1"))],
                        verbose_name="margin to",
                    ),
                ),
                (
                    "stock_from",
                    models.IntegerField(
                        blank=True,
                        help_text="Products without stock tracking do not match.",
                        null=True,
                        verbose_name="stock from",
                    ),
                ),
                ("stock_to", models.IntegerField(blank=True, null=True, verbose_name="stock to")),
                (
                    "new_within_days",
                    models.PositiveSmallIntegerField(
                        blank=True,
                        null=True,
                        validators=[
                            django.core.validators.MinValueValidator(1),
                            django.core.validators.MaxValueValidator(3650),
                        ],
                        verbose_name="published within days",
                    ),
                ),
                ("starts_at", models.DateTimeField(blank=True, null=True, verbose_name="starts at")),
                ("ends_at", models.DateTimeField(blank=True, null=True, verbose_name="ends at")),
                (
                    "weekdays",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.PositiveSmallIntegerField(
                            choices=[
                                (1, "Monday"),
                                (2, "Tuesday"),
                                (3, "Wednesday"),
                                (4, "Thursday"),
                                (5, "Friday"),
                                (6, "Saturday"),
                                (7, "Sunday"),
                            ]
                        ),
                        blank=True,
                        default=list,
                        help_text="Leave empty for every day. Days start at midnight in the shop's time zone.",
                        size=None,
                        verbose_name="weekdays",
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="created at")),
                ("updated_at", models.DateTimeField(auto_now=True, verbose_name="updated at")),
                (
                    "segment",
                    models.ForeignKey(
                        blank=True,
                        help_text="Leave empty for all visitors.",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="rules",
                        to="segments.segment",
                        verbose_name="segment",
                    ),
                ),
            ],
            options={
                "verbose_name": "rule",
                "verbose_name_plural": "rules",
                "ordering": ["-priority", "id"],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("name", ""), _negated=True), name="merchandising_rule_has_name"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("action__in", ["pin", "boost", "bury", "hide", "only"])),
                        name="merchandising_rule_action_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "scenarios__contained_by",
                                [
                                    "for-you",
                                    "similar",
                                    "bought-together",
                                    "cart",
                                    "buy-again",
                                    "trending",
                                    "popular",
                                    "new",
                                    "recently-viewed",
                                    "categories",
                                    "search",
                                ],
                            )
                        ),
                        name="merchandising_rule_scenarios_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("weekdays__contained_by", [1, 2, 3, 4, 5, 6, 7])),
                        name="merchandising_rule_weekdays_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("priority__gte", -1000), ("priority__lte", 1000)),
                        name="merchandising_rule_priority_range",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("action", "pin"),
                                ("position__gte", 1),
                                ("position__isnull", False),
                                ("position__lte", 100),
                                models.Q(("product_ids", []), _negated=True),
                            ),
                            models.Q(models.Q(("action", "pin"), _negated=True), ("position__isnull", True)),
                            _connector="OR",
                        ),
                        name="merchandising_rule_pin_has_place_and_products",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                models.Q(("action__in", ["boost", "bury"]), _negated=True), ("factor__isnull", True)
                            ),
                            models.Q(
                                ("action", "boost"),
                                ("factor__gte", Decimal("1.01")),
                                ("factor__isnull", False),
                                ("factor__lte", Decimal("100")),
                            ),
                            models.Q(
                                ("action", "bury"),
                                ("factor__gte", Decimal("0.01")),
                                ("factor__isnull", False),
                                ("factor__lte", Decimal("0.99")),
                            ),
                            _connector="OR",
                        ),
                        name="merchandising_rule_factor_fits_action",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("category", ""), _negated=True),
                            models.Q(("brand", ""), _negated=True),
                            models.Q(("attribute_name", ""), _negated=True),
                            models.Q(("tag", ""), _negated=True),
                            models.Q(("product_ids", []), _negated=True),
                            ("price_from__isnull", False),
                            ("price_to__isnull", False),
                            ("margin_from__isnull", False),
                            ("margin_to__isnull", False),
                            ("stock_from__isnull", False),
                            ("stock_to__isnull", False),
                            ("new_within_days__isnull", False),
                            _connector="OR",
                        ),
                        name="merchandising_rule_names_products",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("attribute_name", ""), ("attribute_value", "")),
                            models.Q(
                                models.Q(("attribute_name", ""), _negated=True),
                                models.Q(("attribute_value", ""), _negated=True),
                            ),
                            _connector="OR",
                        ),
                        name="merchandising_rule_attribute_has_value",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("starts_at__isnull", True),
                            ("ends_at__isnull", True),
                            ("starts_at__lt", models.F("ends_at")),
                            _connector="OR",
                        ),
                        name="merchandising_rule_starts_before_it_ends",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("price_from__isnull", True),
                            ("price_to__isnull", True),
                            ("price_from__lte", models.F("price_to")),
                            _connector="OR",
                        ),
                        name="merchandising_rule_price_from_to",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("margin_from__isnull", True),
                            ("margin_to__isnull", True),
                            ("margin_from__lte", models.F("margin_to")),
                            _connector="OR",
                        ),
                        name="merchandising_rule_margin_from_to",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("stock_from__isnull", True),
                            ("stock_to__isnull", True),
                            ("stock_from__lte", models.F("stock_to")),
                            _connector="OR",
                        ),
                        name="merchandising_rule_stock_from_to",
                    ),
                ],
            },
        ),
    ]
