"""Erased people are taken out of entries of the audit log: one function may blank what an entry is about, and nothing else."""

from django.db import migrations, models

# An update is let through only if it leaves who, when and what kind of act, and blanks the rest, whoever turned the setting on.
REFUSE = """
CREATE OR REPLACE FUNCTION refuse_audit_log_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' AND TG_TABLE_NAME = 'auditlog_logentry'
       AND current_setting('perennial.audit_log_purge', true) = 'on' THEN
        RETURN OLD;
    END IF;
    IF TG_OP = 'UPDATE' AND TG_TABLE_NAME = 'auditlog_logentry'
       AND current_setting('perennial.audit_log_redaction', true) = 'on' THEN
        IF NEW.object_pk = 'erased' AND NEW.object_id IS NULL AND NEW.object_repr = 'erased' AND NEW.serialized_data IS NULL
           AND NEW.changes_text = '' AND NEW.changes = '{}'
           AND COALESCE(NEW.additional_data - ARRAY['event', 'actor', 'redacted'], '{}') = '{}'
           AND (NEW.additional_data -> 'actor') IS NOT DISTINCT FROM (OLD.additional_data -> 'actor')
           AND (NEW.additional_data -> 'event') IS NOT DISTINCT FROM (OLD.additional_data -> 'event')
           AND (NEW.id, NEW.content_type_id, NEW.action, NEW.timestamp) = (OLD.id, OLD.content_type_id, OLD.action, OLD.timestamp)
           AND (NEW.actor_id, NEW.actor_email, NEW.cid, NEW.remote_addr, NEW.remote_port)
               IS NOT DISTINCT FROM (OLD.actor_id, OLD.actor_email, OLD.cid, OLD.remote_addr, OLD.remote_port) THEN
            RETURN NEW;
        END IF;
    END IF;
    RAISE EXCEPTION 'The audit log is append-only: % of % is refused.', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege',
              HINT = 'Deactivate users instead of deleting them. manage.py purge_audit_log deletes entries after the retention period.';
END $$;
"""
REDACT = """
CREATE FUNCTION redact_audit_log(ids bigint[]) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT SET "perennial.audit_log_redaction" = 'on' AS $$
DECLARE
    changed bigint;
BEGIN
    UPDATE auditlog_logentry
    SET object_pk = 'erased', object_id = NULL, object_repr = 'erased', serialized_data = NULL, changes_text = '', changes = '{}',
        additional_data = CASE WHEN jsonb_typeof(additional_data) = 'object' THEN COALESCE((
            SELECT jsonb_object_agg(key, value) FROM jsonb_each(additional_data) WHERE key IN ('event', 'actor')
        ), '{}') || '{"redacted": true}' END
    WHERE id = ANY(ids) AND object_pk <> 'erased';
    GET DIAGNOSTICS changed = ROW_COUNT;
    RETURN changed;
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("access", "0004_sessions_and_two_factor"),
    ]

    operations = [
        migrations.CreateModel(
            name="AuditRedaction",
            fields=[
                ("entry_id", models.BigIntegerField(primary_key=True, serialize=False)),
                ("entry_hash", models.BinaryField()),
                ("redacted_at", models.DateTimeField()),
            ],
            options={
                "verbose_name": "redacted audit log entry",
                "verbose_name_plural": "redacted audit log entries",
                "default_permissions": (),
            },
        ),
        migrations.RunSQL(REFUSE, migrations.RunSQL.noop),
        migrations.RunSQL(REDACT, "DROP FUNCTION redact_audit_log(bigint[])"),
    ]
