"""The database refuses to change the ledger of consents, and settings say what silence means.

A shop that already has customers keeps what silence meant before: its privacy officer decides when to ask for consent to analytics and
personalization. A new shop asks customers from the EU, the EEA, the United Kingdom, Switzerland and China.
"""

import django.contrib.postgres.fields
from django.db import migrations, models
from django.db.models import Value

PURPOSES = [
    ("analytics", "analytics"),
    ("personalisation", "personalization"),
    ("email", "email"),
    ("sms", "SMS"),
    ("push", "push"),
    ("sharing", "sharing"),
    ("automated_marketing", "automated marketing"),
    ("cross_border", "transfer abroad"),
    ("sensitive_data", "sensitive data"),
]
BASES = [
    ("consent", "consent"),
    ("contract", "contract"),
    ("legitimate_interest", "legitimate interest"),
    ("legal_obligation", "legal obligation"),
    ("vital_interest", "vital interest"),
    ("public_task", "public task"),
]
# merging customers moves entries to the customer who stays: nothing else of an entry may change
REFUSE = """
CREATE FUNCTION refuse_consent_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('perennial.consent_ledger', true) = 'on' THEN
        IF TG_OP = 'TRUNCATE' THEN
            RETURN NULL;
        END IF;
        RETURN CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
    END IF;
    IF TG_OP = 'UPDATE' AND to_jsonb(NEW) - 'customer_id' = to_jsonb(OLD) - 'customer_id' THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'The ledger of consents is append-only: % of % is refused.', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege', HINT = 'Add a new entry. Erasing a customer removes the entries.';
END $$;
CREATE TRIGGER consent_append_only BEFORE UPDATE OR DELETE ON identity_consent
    FOR EACH ROW EXECUTE FUNCTION refuse_consent_change();
CREATE TRIGGER consent_no_truncate BEFORE TRUNCATE ON identity_consent
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_consent_change();
"""
ALLOW = """
DROP TRIGGER consent_append_only ON identity_consent;
DROP TRIGGER consent_no_truncate ON identity_consent;
DROP FUNCTION refuse_consent_change();
"""
MESSAGES = ["email", "sms", "push", "sharing", "sensitive_data"]


def keep_meaning_of_silence(apps, schema_editor):
    """Let a shop with customers go on as before."""
    if apps.get_model("identity", "Customer").objects.exists():
        opt_in = {"europe": MESSAGES, "china": MESSAGES, "other": MESSAGES}
        apps.get_model("identity", "ConsentSettings").objects.create(pk=1, opt_in=opt_in)


class Migration(migrations.Migration):
    dependencies = [("identity", "0005_erased_customers")]

    operations = [
        migrations.CreateModel(
            name="ConsentSettings",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("opt_in", models.JSONField(blank=True, default=dict)),
                ("countries", models.JSONField(blank=True, default=dict)),
                ("unknown_region", models.CharField(default="other", max_length=20)),
                ("renewal_since", models.DateTimeField(blank=True, null=True)),
                (
                    "renewal_purposes",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(choices=PURPOSES, max_length=20),
                        blank=True,
                        default=list,
                        size=None,
                    ),
                ),
                ("updated_at", models.DateTimeField(auto_now=True, verbose_name="updated at")),
            ],
            options={
                "verbose_name": "consent settings",
                "verbose_name_plural": "consent settings",
                "default_permissions": ("view", "change"),
                "constraints": [
                    models.CheckConstraint(condition=models.Q(("pk", 1)), name="identity_consent_settings_once")
                ],
            },
        ),
        migrations.AddField(
            model_name="consent",
            name="lawful_basis",
            field=models.CharField(
                choices=BASES, db_default="consent", default="consent", max_length=20, verbose_name="lawful basis"
            ),
        ),
        migrations.AddField(
            model_name="consent",
            name="proof",
            field=models.JSONField(
                blank=True,
                db_default=Value({}, models.JSONField()),
                default=dict,
                help_text="How it was given: form, event or message, the wording shown, and a hash of the network address.",
                verbose_name="proof",
            ),
        ),
        migrations.AddField(
            model_name="consentdenial",
            name="is_silent",
            field=models.BooleanField(
                db_default=False,
                default=False,
                help_text="Nobody has refused: the customer's region needs a consent that is missing or has to be renewed.",
            ),
        ),
        migrations.AlterField(
            model_name="consent",
            name="purpose",
            field=models.CharField(choices=PURPOSES, max_length=20, verbose_name="purpose"),
        ),
        migrations.AlterField(
            model_name="consentdenial",
            name="purpose",
            field=models.CharField(choices=PURPOSES, max_length=20),
        ),
        migrations.RunPython(keep_meaning_of_silence, migrations.RunPython.noop),
        migrations.RunSQL(REFUSE, ALLOW),
    ]
