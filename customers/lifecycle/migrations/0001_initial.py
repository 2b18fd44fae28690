import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("identity", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="CountedSession",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "customer_id", "session_id", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("customer_id", models.BigIntegerField()),
                ("session_id", models.CharField(max_length=100)),
            ],
            options={
                "verbose_name": "counted session",
                "verbose_name_plural": "counted sessions",
            },
        ),
        migrations.CreateModel(
            name="PendingRecount",
            fields=[
                ("customer_id", models.BigIntegerField(primary_key=True, serialize=False)),
            ],
            options={
                "verbose_name": "pending recount",
                "verbose_name_plural": "pending recounts",
            },
        ),
        migrations.CreateModel(
            name="CustomerProfile",
            fields=[
                (
                    "customer",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="profile",
                        serialize=False,
                        to="identity.customer",
                        verbose_name="customer",
                    ),
                ),
                ("first_order_at", models.DateTimeField(blank=True, null=True, verbose_name="first order at")),
                ("last_order_at", models.DateTimeField(blank=True, null=True, verbose_name="last order at")),
                ("orders", models.PositiveIntegerField(default=0, verbose_name="orders")),
                ("returns", models.PositiveIntegerField(default=0, verbose_name="returns")),
                ("units", models.DecimalField(decimal_places=3, default=0, max_digits=14, verbose_name="units")),
                (
                    "revenue",
                    models.DecimalField(
                        decimal_places=2,
                        default=0,
                        help_text="Sales minus returns and refunds.",
                        max_digits=14,
                        verbose_name="revenue",
                    ),
                ),
                (
                    "discounts",
                    models.DecimalField(decimal_places=2, default=0, max_digits=14, verbose_name="discounts"),
                ),
                (
                    "average_order_value",
                    models.DecimalField(
                        blank=True, decimal_places=2, max_digits=14, null=True, verbose_name="average order value"
                    ),
                ),
                ("average_gap_days", models.FloatField(blank=True, null=True, verbose_name="average gap in days")),
                ("events", models.PositiveIntegerField(default=0, verbose_name="events")),
                ("sessions", models.PositiveIntegerField(default=0, verbose_name="sessions")),
                ("last_event_at", models.DateTimeField(blank=True, null=True, verbose_name="last event at")),
                (
                    "favorite_categories",
                    models.JSONField(
                        blank=True,
                        default=list,
                        help_text="Category and share of order lines.",
                        verbose_name="favorite categories",
                    ),
                ),
                (
                    "favorite_brands",
                    models.JSONField(
                        blank=True,
                        default=list,
                        help_text="Brand and share of order lines.",
                        verbose_name="favorite brands",
                    ),
                ),
                (
                    "favorite_hours",
                    models.JSONField(
                        blank=True, default=list, help_text="Hour and share of orders.", verbose_name="favorite hours"
                    ),
                ),
                ("r", models.PositiveSmallIntegerField(blank=True, null=True, verbose_name="R")),
                ("f", models.PositiveSmallIntegerField(blank=True, null=True, verbose_name="F")),
                ("m", models.PositiveSmallIntegerField(blank=True, null=True, verbose_name="M")),
                (
                    "rfm_group",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("champions", "champions"),
                            ("loyal", "loyal customers"),
                            ("potential_loyalists", "potential loyalists"),
                            ("new", "new customers"),
                            ("promising", "promising"),
                            ("need_attention", "need attention"),
                            ("about_to_sleep", "about to sleep"),
                            ("cant_lose", "can't lose them"),
                            ("at_risk", "at risk (RFM)"),
                            ("hibernating", "hibernating"),
                        ],
                        max_length=30,
                        verbose_name="RFM group",
                    ),
                ),
                (
                    "r_window",
                    models.PositiveSmallIntegerField(
                        blank=True,
                        help_text="Based on orders in the RFM window before the last refresh; RFM_WINDOW_DAYS sets its length.",
                        null=True,
                        verbose_name="R in the window",
                    ),
                ),
                (
                    "f_window",
                    models.PositiveSmallIntegerField(
                        blank=True,
                        help_text="Based on orders in the RFM window before the last refresh; RFM_WINDOW_DAYS sets its length.",
                        null=True,
                        verbose_name="F in the window",
                    ),
                ),
                (
                    "m_window",
                    models.PositiveSmallIntegerField(
                        blank=True,
                        help_text="Based on orders in the RFM window before the last refresh; RFM_WINDOW_DAYS sets its length.",
                        null=True,
                        verbose_name="M in the window",
                    ),
                ),
                (
                    "rfm_group_window",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("champions", "champions"),
                            ("loyal", "loyal customers"),
                            ("potential_loyalists", "potential loyalists"),
                            ("new", "new customers"),
                            ("promising", "promising"),
                            ("need_attention", "need attention"),
                            ("about_to_sleep", "about to sleep"),
                            ("cant_lose", "can't lose them"),
                            ("at_risk", "at risk (RFM)"),
                            ("hibernating", "hibernating"),
                        ],
                        default="",
                        help_text="Based on orders in the RFM window before the last refresh; RFM_WINDOW_DAYS sets its length.",
                        max_length=30,
                        verbose_name="RFM group in the window",
                    ),
                ),
                (
                    "orders_window",
                    models.PositiveIntegerField(
                        default=0,
                        help_text="Based on orders in the RFM window before the last refresh; RFM_WINDOW_DAYS sets its length.",
                        verbose_name="orders in the window",
                    ),
                ),
                (
                    "revenue_window",
                    models.DecimalField(
                        decimal_places=2,
                        default=0,
                        help_text="Based on orders in the RFM window before the last refresh; RFM_WINDOW_DAYS sets its length.",
                        max_digits=14,
                        verbose_name="revenue in the window",
                    ),
                ),
                (
                    "rfm_months",
                    models.BigIntegerField(
                        default=0,
                        editable=False,
                        help_text="Cells at the last month ends, five bits each.",
                        verbose_name="RFM cells by month",
                    ),
                ),
                (
                    "rfm_months_window",
                    models.BigIntegerField(
                        default=0,
                        editable=False,
                        help_text="Cells at the last month ends, five bits each.",
                        verbose_name="RFM cells in the window by month",
                    ),
                ),
                (
                    "p_alive",
                    models.FloatField(
                        blank=True, help_text="As of the last refresh.", null=True, verbose_name="probability active"
                    ),
                ),
                (
                    "expected_orders",
                    models.FloatField(
                        blank=True,
                        help_text="Expected days with an order in the next 12 months.",
                        null=True,
                        verbose_name="expected orders",
                    ),
                ),
                (
                    "expected_orders_low",
                    models.PositiveIntegerField(blank=True, null=True, verbose_name="expected orders, lower bound"),
                ),
                (
                    "expected_orders_high",
                    models.PositiveIntegerField(blank=True, null=True, verbose_name="expected orders, upper bound"),
                ),
                (
                    "expected_order_value",
                    models.DecimalField(
                        blank=True, decimal_places=2, max_digits=14, null=True, verbose_name="expected order value"
                    ),
                ),
                (
                    "value",
                    models.DecimalField(
                        blank=True,
                        decimal_places=2,
                        help_text="Expected spend in the next 12 months, times the margin, discounted.",
                        max_digits=14,
                        null=True,
                        verbose_name="predicted value",
                    ),
                ),
                (
                    "spend_low",
                    models.DecimalField(
                        blank=True,
                        decimal_places=2,
                        max_digits=14,
                        null=True,
                        verbose_name="expected spend, lower bound",
                    ),
                ),
                (
                    "spend_high",
                    models.DecimalField(
                        blank=True,
                        decimal_places=2,
                        max_digits=14,
                        null=True,
                        verbose_name="expected spend, upper bound",
                    ),
                ),
                (
                    "interval_probability",
                    models.FloatField(
                        blank=True,
                        help_text="Probability that the spend in the next 12 months is between the bounds.",
                        null=True,
                        verbose_name="interval probability",
                    ),
                ),
                (
                    "next_order_from",
                    models.DateField(
                        blank=True,
                        help_text="50% interval of the date, if the customer orders again.",
                        null=True,
                        verbose_name="next order, earliest",
                    ),
                ),
                ("next_order_likely", models.DateField(blank=True, null=True, verbose_name="next order, most likely")),
                ("next_order_to", models.DateField(blank=True, null=True, verbose_name="next order, latest")),
                (
                    "next_order_reason",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("never_ordered", "no order yet"),
                            ("long_overdue", "overdue for too long to predict a date"),
                            ("left", "has probably churned"),
                            ("too_uncertain", "orders too irregularly: the interval would be longer than a year"),
                        ],
                        default="",
                        max_length=20,
                        verbose_name="why there is no date",
                    ),
                ),
                (
                    "cluster",
                    models.PositiveIntegerField(
                        blank=True, help_text="Number of the customer's cluster.", null=True, verbose_name="cluster"
                    ),
                ),
                (
                    "churn",
                    models.FloatField(
                        blank=True,
                        help_text="Probability of no order within the churn horizon.",
                        null=True,
                        verbose_name="churn risk",
                    ),
                ),
                (
                    "purchase_7",
                    models.FloatField(blank=True, null=True, verbose_name="probability of a purchase within 7 days"),
                ),
                (
                    "purchase_30",
                    models.FloatField(blank=True, null=True, verbose_name="probability of a purchase within 30 days"),
                ),
                (
                    "purchase_90",
                    models.FloatField(blank=True, null=True, verbose_name="probability of a purchase within 90 days"),
                ),
                (
                    "next_category",
                    models.CharField(
                        blank=True,
                        default="",
                        help_text="Most likely top-level category of the next order.",
                        max_length=1000,
                        verbose_name="most likely next category",
                    ),
                ),
                (
                    "next_category_probability",
                    models.FloatField(
                        blank=True,
                        help_text="If the customer orders again.",
                        null=True,
                        verbose_name="probability of the next category",
                    ),
                ),
                (
                    "stage",
                    models.CharField(
                        choices=[
                            ("visitor", "visitor"),
                            ("prospect", "prospect"),
                            ("new", "new"),
                            ("active", "active"),
                            ("loyal", "loyal"),
                            ("at_risk", "at risk"),
                            ("dormant", "dormant"),
                            ("churned", "churned"),
                            ("reactivated", "won back"),
                        ],
                        default="visitor",
                        max_length=20,
                        verbose_name="stage",
                    ),
                ),
                ("stage_since", models.DateTimeField(blank=True, null=True, verbose_name="in this stage since")),
                (
                    "next_stage_change_at",
                    models.DateTimeField(
                        blank=True,
                        help_text="When the stage changes if the customer does not order.",
                        null=True,
                        verbose_name="next stage change at",
                    ),
                ),
                ("computed_at", models.DateTimeField(blank=True, null=True, verbose_name="computed as of")),
                (
                    "valued_at",
                    models.DateTimeField(
                        blank=True,
                        help_text="Scores are updated within minutes of an order.",
                        null=True,
                        verbose_name="scored as of",
                    ),
                ),
            ],
            options={
                "verbose_name": "customer profile",
                "verbose_name_plural": "customer profiles",
                "ordering": ["customer_id"],
                "indexes": [
                    models.Index(fields=["stage"], name="lifecycle_profile_stage"),
                    models.Index(fields=["next_stage_change_at"], name="lifecycle_profile_flip"),
                    models.Index(fields=["r", "f"], name="lifecycle_profile_rf"),
                    models.Index(fields=["value"], name="lifecycle_profile_value"),
                    models.Index(fields=["cluster"], name="lifecycle_profile_cluster"),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "stage__in",
                                [
                                    "visitor",
                                    "prospect",
                                    "new",
                                    "active",
                                    "loyal",
                                    "at_risk",
                                    "dormant",
                                    "churned",
                                    "reactivated",
                                ],
                            )
                        ),
                        name="lifecycle_profile_stage_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("f__isnull", True), ("m__isnull", True), ("r__isnull", True)),
                            models.Q(("f__range", (1, 5)), ("m__range", (1, 5)), ("r__range", (1, 5))),
                            _connector="OR",
                        ),
                        name="lifecycle_profile_rfm_1_to_5",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("f_window__isnull", True), ("m_window__isnull", True), ("r_window__isnull", True)
                            ),
                            models.Q(
                                ("f_window__range", (1, 5)), ("m_window__range", (1, 5)), ("r_window__range", (1, 5))
                            ),
                            _connector="OR",
                        ),
                        name="lifecycle_profile_rfm_window_1_to_5",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("p_alive__isnull", True), ("p_alive__range", (0, 1)), _connector="OR"),
                        name="lifecycle_profile_p_alive",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("churn__isnull", True), ("churn__range", (0, 1)), _connector="OR"),
                        name="lifecycle_profile_churn",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("purchase_7__isnull", True), ("purchase_7__range", (0, 1)), _connector="OR"
                        ),
                        name="lifecycle_profile_purchase_7",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("purchase_30__isnull", True), ("purchase_30__range", (0, 1)), _connector="OR"
                        ),
                        name="lifecycle_profile_purchase_30",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("purchase_90__isnull", True), ("purchase_90__range", (0, 1)), _connector="OR"
                        ),
                        name="lifecycle_profile_purchase_90",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="StageRules",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("version", models.PositiveIntegerField(unique=True, verbose_name="version")),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="created at")),
                (
                    "measured_at",
                    models.DateTimeField(
                        blank=True,
                        help_text="Empty when a user entered the values.",
                        null=True,
                        verbose_name="measured as of",
                    ),
                ),
                (
                    "second_gap_days",
                    models.FloatField(
                        help_text="Median gap between a customer's first and second order.",
                        verbose_name="median days to second order",
                    ),
                ),
                (
                    "median_gap_days",
                    models.FloatField(
                        help_text="Median gap between consecutive orders of a customer.",
                        verbose_name="median gap in days",
                    ),
                ),
                (
                    "active_gap_days",
                    models.FloatField(
                        help_text="75th percentile of gaps. A customer is at risk after a longer gap.",
                        verbose_name="active gap in days",
                    ),
                ),
                (
                    "dormant_gap_days",
                    models.FloatField(
                        help_text="90th percentile of gaps. A customer is dormant after a longer gap.",
                        verbose_name="dormant gap in days",
                    ),
                ),
                (
                    "churned_multiple",
                    models.FloatField(
                        default=2.0,
                        help_text="A customer has churned after this multiple of the dormant gap.",
                        verbose_name="churned multiple",
                    ),
                ),
                (
                    "own_gaps_from_orders",
                    models.PositiveIntegerField(
                        default=4,
                        help_text="A customer with at least this many orders is compared with their own gaps.",
                        verbose_name="orders for personal gaps",
                    ),
                ),
                ("loyal_orders", models.PositiveIntegerField(default=5, verbose_name="orders to be loyal")),
                (
                    "loyal_revenue_quantile",
                    models.FloatField(
                        default=0.8,
                        help_text="The revenue threshold is measured at this quantile. With 0.8, the top fifth of customers by revenue is loyal.",
                        verbose_name="loyal revenue quantile",
                    ),
                ),
                (
                    "loyal_revenue",
                    models.DecimalField(
                        blank=True,
                        decimal_places=2,
                        help_text="An active customer with at least this revenue is loyal. If empty, only the number of orders counts.",
                        max_digits=14,
                        null=True,
                        verbose_name="revenue to be loyal",
                    ),
                ),
                (
                    "min_p_alive",
                    models.FloatField(
                        default=0.2,
                        help_text="A dormant customer has churned when their probability active falls below this value. If 0, only gaps count.",
                        verbose_name="churned below probability active",
                    ),
                ),
                (
                    "purchase_model",
                    models.JSONField(
                        blank=True,
                        default=dict,
                        editable=False,
                        help_text="Parameters of the probability active, measured together with the gaps; times in days.",
                        verbose_name="purchase model",
                    ),
                ),
                (
                    "category_gaps",
                    models.JSONField(
                        blank=True,
                        default=dict,
                        editable=False,
                        help_text="Active and dormant gap in days, for customers who mostly order from a category with enough measured gaps.",
                        verbose_name="gaps by category",
                    ),
                ),
                (
                    "effective_from",
                    models.DateTimeField(
                        blank=True,
                        help_text="Stage changes before this time keep the rules that were active then. If empty, the whole history is recalculated with these rules.",
                        null=True,
                        verbose_name="effective from",
                    ),
                ),
                ("is_active", models.BooleanField(default=False, verbose_name="active")),
            ],
            options={
                "verbose_name": "stage rules",
                "verbose_name_plural": "stage rules",
                "ordering": ["-version"],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("is_active", True)),
                        fields=("is_active",),
                        name="lifecycle_one_active_rules",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("active_gap_days__gt", 0),
                            ("median_gap_days__gt", 0),
                            ("second_gap_days__gt", 0),
                            ("dormant_gap_days__gte", models.F("active_gap_days")),
                            ("churned_multiple__gte", 1),
                            ("loyal_revenue_quantile__gt", 0),
                            ("loyal_revenue_quantile__lt", 1),
                            ("min_p_alive__gte", 0),
                            ("min_p_alive__lt", 1),
                        ),
                        name="lifecycle_rules_consistent",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="LifecycleRun",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("started_at", models.DateTimeField(verbose_name="started at")),
                ("finished_at", models.DateTimeField(blank=True, null=True, verbose_name="finished at")),
                ("error", models.TextField(blank=True, verbose_name="error")),
                (
                    "status",
                    models.CharField(
                        choices=[("running", "running"), ("done", "done"), ("failed", "failed")],
                        default="running",
                        max_length=10,
                        verbose_name="status",
                    ),
                ),
                ("as_of", models.DateTimeField(verbose_name="as of")),
                ("customers", models.PositiveBigIntegerField(default=0, verbose_name="customers")),
                ("transitions", models.PositiveBigIntegerField(default=0, verbose_name="stage changes")),
                ("counts", models.JSONField(blank=True, default=dict, verbose_name="customers per stage")),
                ("quality", models.JSONField(blank=True, default=dict, verbose_name="data quality")),
                (
                    "rules",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="runs",
                        to="lifecycle.stagerules",
                        verbose_name="stage rules",
                    ),
                ),
            ],
            options={
                "verbose_name": "lifecycle run",
                "verbose_name_plural": "lifecycle runs",
                "ordering": ["-started_at", "-id"],
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="ScoreModel",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("purchase_model", "purchase model"),
                            ("spend", "spend per order"),
                            ("next_order", "next order"),
                            ("clusters", "clusters"),
                            ("churn", "churn"),
                            ("purchase_7", "purchase within 7 days"),
                            ("purchase_30", "purchase within 30 days"),
                            ("purchase_90", "purchase within 90 days"),
                            ("next_category", "next category"),
                        ],
                        max_length=20,
                        verbose_name="type",
                    ),
                ),
                ("algorithm", models.CharField(blank=True, max_length=40, verbose_name="algorithm")),
                ("parameters", models.JSONField(blank=True, default=dict, verbose_name="parameters")),
                ("figures", models.JSONField(blank=True, default=dict, verbose_name="metrics")),
                (
                    "reason",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("no_customers", "no customer has ordered yet"),
                            ("no_time", "all orders are from one day"),
                            ("no_repeats", "no customer has ordered on two different days"),
                            ("few_repeat_buyers", "fewer than 30 customers have ordered on two different days"),
                            ("no_paid_repeats", "all repeat orders have a total of 0"),
                            ("few_paid_repeats", "fewer than 30 customers have a paid repeat order"),
                            ("too_few_customers", "fewer than 30 customers have ordered"),
                            ("no_feature_varies", "all customers have the same values"),
                            ("too_few_different", "there are fewer than three distinct customers"),
                            ("history_too_short", "the order history is too short to train a model"),
                            ("few_customers", "no customer ordered early enough to train a model"),
                            ("few_positives", "fewer than 50 positive examples"),
                            ("few_negatives", "fewer than 50 negative examples"),
                            ("no_categories", "no ordered product has a category"),
                            ("few_next_orders", "fewer than 50 customers have ordered again recently"),
                        ],
                        max_length=40,
                        verbose_name="reason",
                    ),
                ),
                (
                    "arrays",
                    models.BinaryField(
                        blank=True,
                        help_text="Arrays of a model trained by this run, as a compressed npz file.",
                        null=True,
                        verbose_name="arrays",
                    ),
                ),
                (
                    "run",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="score_models",
                        to="lifecycle.lifecyclerun",
                        verbose_name="lifecycle run",
                    ),
                ),
                (
                    "trained_by",
                    models.ForeignKey(
                        blank=True,
                        help_text="Earlier score model that this run uses; empty if the run trained its own.",
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="reused_by",
                        to="lifecycle.scoremodel",
                        verbose_name="trained by",
                    ),
                ),
            ],
            options={
                "verbose_name": "score model",
                "verbose_name_plural": "score models",
                "ordering": ["-run_id", "kind"],
                "constraints": [models.UniqueConstraint(fields=("run", "kind"), name="lifecycle_score_model_once")],
            },
        ),
        migrations.CreateModel(
            name="StageTransition",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "from_stage",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("visitor", "visitor"),
                            ("prospect", "prospect"),
                            ("new", "new"),
                            ("active", "active"),
                            ("loyal", "loyal"),
                            ("at_risk", "at risk"),
                            ("dormant", "dormant"),
                            ("churned", "churned"),
                            ("reactivated", "won back"),
                        ],
                        max_length=20,
                        verbose_name="from",
                    ),
                ),
                (
                    "to_stage",
                    models.CharField(
                        choices=[
                            ("visitor", "visitor"),
                            ("prospect", "prospect"),
                            ("new", "new"),
                            ("active", "active"),
                            ("loyal", "loyal"),
                            ("at_risk", "at risk"),
                            ("dormant", "dormant"),
                            ("churned", "churned"),
                            ("reactivated", "won back"),
                        ],
                        max_length=20,
                        verbose_name="to",
                    ),
                ),
                ("at", models.DateTimeField(verbose_name="at")),
                (
                    "reason",
                    models.CharField(
                        choices=[
                            ("first_seen", "first seen"),
                            ("identified", "identified without an order"),
                            ("first_order", "placed the first order"),
                            ("ordered", "ordered again"),
                            ("loyal_orders", "reached the number of orders for loyal customers"),
                            ("loyal_revenue", "reached the revenue for loyal customers"),
                            ("returned", "ordered again after being dormant or churned"),
                            ("gap_active", "the time since the last order is within the usual gap"),
                            ("gap_long", "the time since the last order exceeds the usual gap"),
                            ("gap_dormant", "the time since the last order exceeds 90% of gaps"),
                            ("gap_churned", "the time since the last order far exceeds the usual gap"),
                            ("rules", "the stage rules changed"),
                            ("orders_changed", "orders were canceled or corrected"),
                            ("alive_low", "the probability active is low"),
                        ],
                        max_length=20,
                        verbose_name="reason",
                    ),
                ),
                (
                    "customer",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="stage_transitions",
                        to="identity.customer",
                        verbose_name="customer",
                    ),
                ),
                (
                    "rules",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="transitions",
                        to="lifecycle.stagerules",
                        verbose_name="stage rules",
                    ),
                ),
            ],
            options={
                "verbose_name": "stage change",
                "verbose_name_plural": "stage changes",
                "ordering": ["-at", "-id"],
                "indexes": [models.Index(fields=["at"], name="lifecycle_transition_at")],
                "constraints": [
                    models.UniqueConstraint(fields=("customer", "at", "to_stage"), name="lifecycle_transition_once")
                ],
            },
        ),
    ]
