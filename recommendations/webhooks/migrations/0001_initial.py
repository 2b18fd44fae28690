import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models

import customers.identity.personal_data.encrypted_field
import recommendations.webhooks.models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="WebhookCursor",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("delivery_event_id", models.BigIntegerField(default=0)),
            ],
            options={
                "verbose_name": "webhook cursor",
                "verbose_name_plural": "webhook cursors",
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="WebhookEndpoint",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=100, verbose_name="name")),
                ("url", models.URLField(max_length=1000, verbose_name="URL")),
                (
                    "secret",
                    customers.identity.personal_data.encrypted_field.EncryptedTextField(
                        default=recommendations.webhooks.models.make_secret, editable=False, verbose_name="secret"
                    ),
                ),
                (
                    "event_types",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=50), size=None, verbose_name="events"
                    ),
                ),
                ("is_active", models.BooleanField(default=True, verbose_name="active")),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="created at")),
            ],
            options={
                "verbose_name": "webhook endpoint",
                "verbose_name_plural": "webhook endpoints",
                "ordering": ["name", "id"],
            },
        ),
        migrations.CreateModel(
            name="WebhookNotification",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("key", models.CharField(max_length=100, verbose_name="key")),
                ("type", models.CharField(max_length=50, verbose_name="event")),
                ("payload", models.JSONField(verbose_name="content")),
                ("created_at", models.DateTimeField(verbose_name="created at")),
                (
                    "status",
                    models.CharField(
                        choices=[("pending", "waiting"), ("delivered", "delivered"), ("dead", "given up")],
                        db_default="pending",
                        default="pending",
                        max_length=10,
                        verbose_name="status",
                    ),
                ),
                ("attempts", models.PositiveSmallIntegerField(db_default=0, default=0, verbose_name="attempts")),
                ("next_attempt_at", models.DateTimeField(verbose_name="next attempt")),
                ("delivered_at", models.DateTimeField(blank=True, null=True, verbose_name="delivered at")),
                ("error", models.CharField(blank=True, db_default="", max_length=300, verbose_name="error")),
                (
                    "endpoint",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="notifications",
                        to="webhooks.webhookendpoint",
                        verbose_name="webhook endpoint",
                    ),
                ),
            ],
            options={
                "verbose_name": "webhook notification",
                "verbose_name_plural": "webhook notifications",
                "ordering": ["-id"],
                "indexes": [
                    models.Index(
                        condition=models.Q(("status", "pending")),
                        fields=["next_attempt_at"],
                        name="webhooks_notification_due",
                    )
                ],
                "constraints": [models.UniqueConstraint(fields=("endpoint", "key"), name="webhooks_notification_once")],
            },
        ),
    ]
