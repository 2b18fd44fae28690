import django.db.models.deletion
from django.db import migrations, models

# Links that an event of a browser or app made, and no event of a server or import with the same message id. Links whose event is
# not stored any more count as proven, like those of files and the REST API.
MARK_UNPROVEN = """
WITH linking AS MATERIALIZED (
    SELECT DISTINCT linked_by FROM identity_identifier WHERE linked_by <> '' AND kind <> 'user_id'
), made AS (
    SELECT e.message_id, bool_or(s.kind IN ('server', 'import')) AS is_trusted
    FROM events_event e
    JOIN linking ON linking.linked_by = e.message_id
    JOIN events_source s ON s.id = e.source_id
    GROUP BY e.message_id
)
UPDATE identity_identifier i SET is_proven = false
FROM made
WHERE made.message_id = i.linked_by AND NOT made.is_trusted AND i.kind <> 'user_id'
"""


class Migration(migrations.Migration):
    dependencies = [
        ("identity", "0001_initial"),
        ("events", "0002_user_tokens"),
    ]

    operations = [
        migrations.CreateModel(
            name="ContactClaim",
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
                ("claimed_at", models.DateTimeField(db_index=True)),
            ],
            options={
                "verbose_name": "contact claim",
                "verbose_name_plural": "contact claims",
            },
        ),
        migrations.CreateModel(
            name="IdentifierTransfer",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("from_id", models.BigIntegerField(db_index=True, verbose_name="previous customer")),
                ("to_id", models.BigIntegerField(db_index=True, verbose_name="new customer")),
                (
                    "reason",
                    models.CharField(
                        choices=[("limit", "too many identifiers"), ("proven_claim", "claimed by a server source")],
                        max_length=20,
                        verbose_name="reason",
                    ),
                ),
                ("at", models.DateTimeField(verbose_name="at")),
                (
                    "cause",
                    models.CharField(
                        help_text="Message ID of the event, or the user who did it.",
                        max_length=100,
                        verbose_name="cause",
                    ),
                ),
                ("cleared", models.JSONField(default=dict, editable=False)),
                ("reverted_at", models.DateTimeField(blank=True, null=True, verbose_name="reverted at")),
                ("reverted_by", models.CharField(blank=True, default="", max_length=100, verbose_name="reverted by")),
            ],
            options={
                "verbose_name": "identifier transfer",
                "verbose_name_plural": "identifier transfers",
                "ordering": ["-at", "-id"],
            },
        ),
        migrations.AddField(
            model_name="identifier",
            name="is_proven",
            field=models.BooleanField(
                db_default=True,
                default=True,
                help_text="A server source, an import or a user token has linked it. Browsers and apps alone prove nothing.",
                verbose_name="proven",
            ),
        ),
        migrations.AddIndex(
            model_name="identifier",
            index=models.Index(
                condition=models.Q(("is_proven", False)),
                fields=["customer", "kind", "id"],
                name="identity_identifier_unproven",
            ),
        ),
        migrations.AddField(
            model_name="contactclaim",
            name="identifier",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="contact_claims", to="identity.identifier"
            ),
        ),
        migrations.AddField(
            model_name="identifiertransfer",
            name="identifier",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="transfers",
                to="identity.identifier",
                verbose_name="identifier",
            ),
        ),
        migrations.AddConstraint(
            model_name="contactclaim",
            constraint=models.UniqueConstraint(
                fields=("identifier", "kind", "value"), name="identity_contactclaim_unique"
            ),
        ),
        migrations.RunSQL(MARK_UNPROVEN, migrations.RunSQL.noop),
    ]
