import django.contrib.postgres.fields
import django.contrib.postgres.indexes
import django.db.models.deletion
from django.db import migrations, models

import customers.identity.personal_data.encrypted_field


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Customer",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="created at")),
                ("first_seen_at", models.DateTimeField(blank=True, null=True, verbose_name="first seen at")),
                ("last_seen_at", models.DateTimeField(blank=True, null=True, verbose_name="last seen at")),
                (
                    "name",
                    customers.identity.personal_data.encrypted_field.EncryptedTextField(
                        blank=True, default="", verbose_name="name"
                    ),
                ),
                (
                    "email",
                    customers.identity.personal_data.encrypted_field.EncryptedTextField(
                        blank=True, default="", verbose_name="email"
                    ),
                ),
                (
                    "phone",
                    customers.identity.personal_data.encrypted_field.EncryptedTextField(
                        blank=True, default="", verbose_name="phone"
                    ),
                ),
                (
                    "birthday",
                    customers.identity.personal_data.encrypted_field.EncryptedTextField(
                        blank=True, default="", help_text="ISO date, such as 1990-05-17.", verbose_name="birthday"
                    ),
                ),
                ("language", models.CharField(blank=True, max_length=20, verbose_name="language")),
                ("country", models.CharField(blank=True, max_length=100, verbose_name="country")),
                (
                    "traits",
                    models.JSONField(
                        blank=True,
                        default=dict,
                        help_text="Attributes provided by the shop, such as household size.",
                        verbose_name="traits",
                    ),
                ),
                (
                    "field_updated_at",
                    models.JSONField(
                        blank=True,
                        db_default=models.Value({}, models.JSONField()),
                        default=dict,
                        editable=False,
                        help_text="Field or trait to the microseconds since 1970 when it was last set; older values cannot overwrite it.",
                    ),
                ),
                ("erased_at", models.DateTimeField(blank=True, null=True, verbose_name="erased at")),
            ],
            options={
                "verbose_name": "customer",
                "verbose_name_plural": "customers",
                "ordering": ["id"],
                "permissions": [("view_personal", "Can view names, email addresses, phone numbers and birthdays")],
            },
        ),
        migrations.CreateModel(
            name="ConsentDenial",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("user_id", "user ID"),
                            ("anonymous_id", "anonymous ID"),
                            ("email_hash", "email hash"),
                            ("phone_hash", "phone hash"),
                            ("device_id", "device ID"),
                        ],
                        max_length=20,
                    ),
                ),
                ("value", models.CharField(max_length=255)),
                (
                    "purpose",
                    models.CharField(
                        choices=[
                            ("analytics", "analytics"),
                            ("personalisation", "personalization"),
                            ("email", "email"),
                            ("sms", "SMS"),
                            ("push", "push"),
                            ("sharing", "sharing"),
                        ],
                        max_length=20,
                    ),
                ),
            ],
            options={
                "verbose_name": "consent denial",
                "verbose_name_plural": "consent denials",
                "constraints": [
                    models.UniqueConstraint(fields=("kind", "value", "purpose"), name="identity_refusal_unique")
                ],
            },
        ),
        migrations.CreateModel(
            name="IdentityConflict",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("fingerprint", models.CharField(editable=False, max_length=64, unique=True)),
                (
                    "reason",
                    models.CharField(
                        choices=[
                            ("two_user_ids", "two user IDs"),
                            ("limit", "too many identifiers"),
                            ("blocked", "placeholder instead of an ID"),
                            ("undone", "merge undone earlier"),
                        ],
                        max_length=20,
                        verbose_name="reason",
                    ),
                ),
                ("at", models.DateTimeField(verbose_name="first occurred at")),
                ("last_at", models.DateTimeField(verbose_name="last occurred at")),
                (
                    "cause",
                    models.CharField(
                        help_text="The message ID of the first event.", max_length=100, verbose_name="cause"
                    ),
                ),
                ("identifiers", models.JSONField(default=list, verbose_name="identifiers")),
                (
                    "customer_ids",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.BigIntegerField(), default=list, size=None, verbose_name="customers"
                    ),
                ),
                (
                    "status",
                    models.CharField(
                        choices=[("open", "open"), ("resolved", "resolved")],
                        default="open",
                        max_length=10,
                        verbose_name="status",
                    ),
                ),
                (
                    "resolution",
                    models.CharField(
                        blank=True,
                        choices=[("merged", "merged"), ("kept_apart", "kept separate"), ("settled", "dismissed")],
                        default="",
                        max_length=20,
                        verbose_name="decision",
                    ),
                ),
                ("resolved_at", models.DateTimeField(blank=True, null=True, verbose_name="resolved at")),
                ("resolved_by", models.CharField(blank=True, default="", max_length=100, verbose_name="resolved by")),
            ],
            options={
                "verbose_name": "identity conflict",
                "verbose_name_plural": "identity conflicts",
                "ordering": ["-last_at", "-id"],
                "indexes": [
                    models.Index(fields=["status", "-last_at"], name="identity_conflict_latest"),
                    django.contrib.postgres.indexes.GinIndex(
                        fields=["customer_ids"], name="identity_conflict_customers"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Consent",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "purpose",
                    models.CharField(
                        choices=[
                            ("analytics", "analytics"),
                            ("personalisation", "personalization"),
                            ("email", "email"),
                            ("sms", "SMS"),
                            ("push", "push"),
                            ("sharing", "sharing"),
                        ],
                        max_length=20,
                        verbose_name="purpose",
                    ),
                ),
                (
                    "status",
                    models.CharField(
                        choices=[("granted", "granted"), ("withdrawn", "withdrawn")],
                        max_length=20,
                        verbose_name="status",
                    ),
                ),
                ("policy_version", models.CharField(blank=True, max_length=50, verbose_name="policy version")),
                ("source", models.CharField(blank=True, max_length=100, verbose_name="source")),
                ("recorded_at", models.DateTimeField(verbose_name="recorded at")),
                (
                    "customer",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="consents",
                        to="identity.customer",
                        verbose_name="customer",
                    ),
                ),
            ],
            options={
                "verbose_name": "consent",
                "verbose_name_plural": "consents",
                "ordering": ["-recorded_at", "-id"],
                "indexes": [
                    models.Index(fields=["customer", "purpose", "-recorded_at"], name="identity_consent_latest")
                ],
            },
        ),
        migrations.CreateModel(
            name="Identifier",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("user_id", "user ID"),
                            ("anonymous_id", "anonymous ID"),
                            ("email_hash", "email hash"),
                            ("phone_hash", "phone hash"),
                            ("device_id", "device ID"),
                        ],
                        max_length=20,
                        verbose_name="kind",
                    ),
                ),
                ("value", models.CharField(max_length=255, verbose_name="value")),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="created at")),
                (
                    "linked_by",
                    models.CharField(
                        blank=True,
                        db_default="",
                        help_text="Message ID of the event, or the user who did it.",
                        max_length=100,
                        verbose_name="linked by",
                    ),
                ),
                (
                    "customer",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="identifiers",
                        to="identity.customer",
                        verbose_name="customer",
                    ),
                ),
            ],
            options={
                "verbose_name": "identifier",
                "verbose_name_plural": "identifiers",
                "constraints": [
                    models.UniqueConstraint(fields=("kind", "value"), name="identity_identifier_unique"),
                    models.CheckConstraint(
                        condition=models.Q(("value", ""), _negated=True), name="identity_identifier_not_empty"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="IdentityMerge",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("merged_id", models.BigIntegerField(verbose_name="merged customer")),
                ("at", models.DateTimeField(verbose_name="at")),
                (
                    "cause",
                    models.CharField(
                        help_text="Message ID of the event, or the user who did it.",
                        max_length=100,
                        verbose_name="cause",
                    ),
                ),
                ("moved", models.JSONField(blank=True, default=dict, verbose_name="moved data")),
                ("reverted_at", models.DateTimeField(blank=True, null=True, verbose_name="reverted at")),
                ("reverted_by", models.CharField(blank=True, default="", max_length=100, verbose_name="reverted by")),
                (
                    "kept",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="merges",
                        to="identity.customer",
                        verbose_name="customer to keep",
                    ),
                ),
            ],
            options={
                "verbose_name": "identity merge",
                "verbose_name_plural": "identity merges",
                "ordering": ["-at", "-id"],
                "indexes": [models.Index(fields=["merged_id"], name="identity_merge_folded")],
            },
        ),
    ]
