import datetime

import django.contrib.postgres.fields
import django.core.validators
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


def end_launched_campaigns(apps, schema_editor):
    """Nothing could be launched before; a campaign with the old status has been exported."""
    apps.get_model("campaigns", "Campaign").objects.filter(status="launched").update(status="ended")


class Migration(migrations.Migration):
    dependencies = [
        ("campaigns", "0001_initial"),
        ("segments", "0004_pending_event_counts"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="CampaignRun",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("number", models.PositiveIntegerField(verbose_name="number")),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("sending", "sending"),
                            ("paused", "paused"),
                            ("finished", "finished"),
                            ("canceled", "canceled"),
                        ],
                        default="sending",
                        max_length=20,
                        verbose_name="status",
                    ),
                ),
                ("scheduled_for", models.DateTimeField(verbose_name="scheduled for")),
                ("started_at", models.DateTimeField(verbose_name="started at")),
                ("finished_at", models.DateTimeField(blank=True, null=True, verbose_name="finished at")),
                ("segment_key", models.CharField(max_length=100, verbose_name="segment")),
                ("segment_condition", models.JSONField(null=True, verbose_name="condition")),
                ("exclusions", models.JSONField(default=list, verbose_name="exclusions")),
                ("holdout_share", models.DecimalField(decimal_places=4, max_digits=5, verbose_name="holdout share")),
                ("counts", models.JSONField(default=dict, verbose_name="audience")),
            ],
            options={
                "verbose_name": "campaign run",
                "verbose_name_plural": "campaign runs",
                "ordering": ["-started_at", "-id"],
            },
        ),
        migrations.CreateModel(
            name="CampaignSettings",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "requires_approval",
                    models.BooleanField(
                        default=False,
                        help_text="A campaign is sent only after someone other than its author has approved it.",
                        verbose_name="second person approves",
                    ),
                ),
            ],
            options={
                "verbose_name": "campaign settings",
                "verbose_name_plural": "campaign settings",
            },
        ),
        migrations.AlterModelOptions(
            name="campaign",
            options={
                "ordering": ["-created_at", "-id"],
                "permissions": [("approve_campaign", "Can approve campaigns of others")],
                "verbose_name": "campaign",
                "verbose_name_plural": "campaigns",
            },
        ),
        migrations.AddField(
            model_name="audienceexport",
            name="segment_condition",
            field=models.JSONField(null=True, verbose_name="condition"),
        ),
        migrations.AddField(
            model_name="campaign",
            name="approved_at",
            field=models.DateTimeField(blank=True, editable=False, null=True, verbose_name="approved at"),
        ),
        migrations.AddField(
            model_name="campaign",
            name="approved_by",
            field=models.ForeignKey(
                blank=True,
                editable=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
                verbose_name="approved by",
            ),
        ),
        migrations.AddField(
            model_name="campaign",
            name="attribution_days",
            field=models.PositiveSmallIntegerField(
                default=7,
                help_text="Orders and other goals count if they happen within this many days after the start of a run.",
                validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(90)],
                verbose_name="attribution window in days",
            ),
        ),
        migrations.AddField(
            model_name="campaign",
            name="created_by",
            field=models.ForeignKey(
                blank=True,
                editable=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
                verbose_name="created by",
            ),
        ),
        migrations.AddField(
            model_name="campaign",
            name="ends_on",
            field=models.DateField(blank=True, null=True, verbose_name="last day"),
        ),
        migrations.AddField(
            model_name="campaign",
            name="excluded_segments",
            field=models.ManyToManyField(
                blank=True,
                help_text="Customers of these segments do not get the message.",
                related_name="excluding_campaigns",
                to="segments.segment",
                verbose_name="excluded segments",
            ),
        ),
        migrations.AddField(
            model_name="campaign",
            name="frequency",
            field=models.CharField(
                choices=[("weekly", "weekly"), ("monthly", "monthly")],
                default="weekly",
                max_length=10,
                verbose_name="frequency",
            ),
        ),
        migrations.AddField(
            model_name="campaign",
            name="goal",
            field=models.CharField(
                choices=[
                    ("order", "an order"),
                    ("started_checkout", "a started checkout"),
                    ("added", "a product added to the cart"),
                    ("viewed", "a viewed product"),
                    ("reviewed", "a review"),
                ],
                default="order",
                max_length=30,
                verbose_name="goal",
            ),
        ),
        migrations.AddField(
            model_name="campaign",
            name="is_simulated",
            field=models.BooleanField(
                default=False,
                editable=False,
                help_text="The deliveries are simulated.",
                verbose_name="simulated",
            ),
        ),
        migrations.AddField(
            model_name="campaign",
            name="is_transactional",
            field=models.BooleanField(
                default=False,
                help_text="For messages that customers need, such as a recall. Frequency caps and quiet hours do not apply. Never for advertising.",
                verbose_name="transactional",
            ),
        ),
        migrations.AddField(
            model_name="campaign",
            name="kind",
            field=models.CharField(
                choices=[("once", "once"), ("recurring", "recurring")],
                default="once",
                max_length=10,
                verbose_name="type",
            ),
        ),
        migrations.AddField(
            model_name="campaign",
            name="month_day",
            field=models.PositiveSmallIntegerField(
                default=1,
                help_text="In shorter months, the last day of the month.",
                validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(31)],
                verbose_name="day of the month",
            ),
        ),
        migrations.AddField(
            model_name="campaign",
            name="next_run_at",
            field=models.DateTimeField(blank=True, editable=False, null=True, verbose_name="next run"),
        ),
        migrations.AddField(
            model_name="campaign",
            name="next_scheduled_for",
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
        migrations.AddField(
            model_name="campaign",
            name="priority",
            field=models.SmallIntegerField(
                choices=[(-1, "low"), (0, "normal"), (1, "high")],
                default=0,
                help_text="Messages of high priority are sent first.",
                verbose_name="priority",
            ),
        ),
        migrations.AddField(
            model_name="campaign",
            name="problem",
            field=models.TextField(blank=True, editable=False, verbose_name="problem"),
        ),
        migrations.AddField(
            model_name="campaign",
            name="send_time",
            field=models.TimeField(default=datetime.time(10, 0), verbose_name="time of day"),
        ),
        migrations.AddField(
            model_name="campaign",
            name="starts_at",
            field=models.DateTimeField(
                blank=True,
                help_text="Leave empty to send as soon as the campaign is launched.",
                null=True,
                verbose_name="start",
            ),
        ),
        migrations.AddField(
            model_name="campaign",
            name="submitted_by",
            field=models.ForeignKey(
                blank=True,
                editable=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
                verbose_name="submitted by",
            ),
        ),
        migrations.AddField(
            model_name="campaign",
            name="uses_customer_time",
            field=models.BooleanField(
                default=False,
                help_text="Customers whose time zone is unknown get the message at the shop's time.",
                verbose_name="at the customer's local time",
            ),
        ),
        migrations.AddField(
            model_name="campaign",
            name="weekdays",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.PositiveSmallIntegerField(
                    validators=[
                        django.core.validators.MinValueValidator(1),
                        django.core.validators.MaxValueValidator(7),
                    ]
                ),
                blank=True,
                default=list,
                help_text="1 is Monday, 7 is Sunday.",
                size=None,
                verbose_name="days of the week",
            ),
        ),
        migrations.AlterField(
            model_name="campaign",
            name="channel",
            field=models.CharField(
                choices=[
                    ("export", "CSV export"),
                    ("email", "email"),
                    ("sms", "SMS"),
                    ("whatsapp", "WhatsApp"),
                    ("wecom", "WeCom"),
                    ("push", "push"),
                    ("webhook", "webhook"),
                    ("on_site", "on-site offer"),
                ],
                default="export",
                max_length=20,
                verbose_name="channel",
            ),
        ),
        migrations.AlterField(
            model_name="campaign",
            name="status",
            field=models.CharField(
                choices=[
                    ("draft", "draft"),
                    ("waiting_for_approval", "waiting for approval"),
                    ("scheduled", "scheduled"),
                    ("running", "running"),
                    ("paused", "paused"),
                    ("ended", "ended"),
                    ("canceled", "canceled"),
                ],
                default="draft",
                max_length=30,
                verbose_name="status",
            ),
        ),
        migrations.AddIndex(
            model_name="campaign",
            index=models.Index(
                condition=models.Q(("next_run_at__isnull", False)), fields=["next_run_at"], name="campaigns_next_run"
            ),
        ),
        migrations.AddField(
            model_name="campaignrun",
            name="campaign",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="runs",
                to="campaigns.campaign",
                verbose_name="campaign",
            ),
        ),
        migrations.AddIndex(
            model_name="campaignrun",
            index=models.Index(
                condition=models.Q(("status__in", ["sending", "paused"])),
                fields=["status"],
                name="campaigns_run_unfinished",
            ),
        ),
        migrations.AddConstraint(
            model_name="campaignrun",
            constraint=models.UniqueConstraint(fields=("campaign", "number"), name="campaigns_run_number_unique"),
        ),
        migrations.AddConstraint(
            model_name="campaignrun",
            constraint=models.UniqueConstraint(fields=("campaign", "scheduled_for"), name="campaigns_run_time_unique"),
        ),
        migrations.RunPython(end_launched_campaigns, migrations.RunPython.noop),
    ]
