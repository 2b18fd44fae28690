"""Entries of the audit log can only be added, and seals show whether someone changed them in the database nevertheless.

Superusers of PostgreSQL and the owner of the tables can remove these triggers; the seals then show what they did.
"""

import django.contrib.postgres.fields
from django.db import migrations, models

REFUSE = """
CREATE FUNCTION refuse_audit_log_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' AND TG_TABLE_NAME = 'auditlog_logentry'
       AND current_setting('perennial.audit_log_purge', true) = 'on' THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'The audit log is append-only: % of % is refused.', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege',
              HINT = 'Deactivate users instead of deleting them. manage.py purge_audit_log deletes entries after the retention period.';
END $$;

CREATE TRIGGER audit_log_append_only BEFORE UPDATE OR DELETE ON auditlog_logentry
    FOR EACH ROW EXECUTE FUNCTION refuse_audit_log_change();
CREATE TRIGGER audit_log_no_truncate BEFORE TRUNCATE ON auditlog_logentry
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_log_change();
CREATE TRIGGER audit_log_append_only BEFORE UPDATE OR DELETE ON access_auditseal
    FOR EACH ROW EXECUTE FUNCTION refuse_audit_log_change();
CREATE TRIGGER audit_log_no_truncate BEFORE TRUNCATE ON access_auditseal
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_log_change();
-- ALWAYS: session_replication_role = replica does not turn them off
ALTER TABLE auditlog_logentry ENABLE ALWAYS TRIGGER audit_log_append_only;
ALTER TABLE auditlog_logentry ENABLE ALWAYS TRIGGER audit_log_no_truncate;
ALTER TABLE access_auditseal ENABLE ALWAYS TRIGGER audit_log_append_only;
ALTER TABLE access_auditseal ENABLE ALWAYS TRIGGER audit_log_no_truncate;
"""
QUEUE = """
CREATE FUNCTION queue_audit_log_entry() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO access_unsealedentry (entry_id) VALUES (NEW.id);
    RETURN NULL;
END $$;

INSERT INTO access_unsealedentry (entry_id) SELECT id FROM auditlog_logentry;
CREATE TRIGGER audit_log_queue AFTER INSERT ON auditlog_logentry
    FOR EACH ROW EXECUTE FUNCTION queue_audit_log_entry();
"""
# The setting is in effect during the call only. SECURITY DEFINER: the role of the application needs no DELETE on the table.
PURGE = """
CREATE FUNCTION purge_audit_log(until_seal bigint, entry_data jsonb) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT SET "perennial.audit_log_purge" = 'on' AS $$
DECLARE
    deleted bigint;
BEGIN
    IF EXISTS (
        SELECT 1 FROM access_auditseal WHERE number <= until_seal AND created_at > now() - interval '30 days'
    ) THEN
        RAISE EXCEPTION 'Entries of the last 30 days cannot be deleted from the audit log.'
            USING ERRCODE = 'insufficient_privilege', HINT = 'Use a longer retention period.';
    END IF;
    DELETE FROM auditlog_logentry WHERE id IN (
        SELECT unnest(entry_ids) FROM access_auditseal WHERE number <= until_seal
    );
    GET DIAGNOSTICS deleted = ROW_COUNT;
    INSERT INTO auditlog_logentry
        (content_type_id, object_pk, object_repr, action, changes_text, "timestamp", actor_id, additional_data)
    SELECT id, '', '', 2, '', now(), NULL,
           entry_data || jsonb_build_object(
               'event', 'audit_log.purged', 'details', jsonb_build_object('until_seal', until_seal, 'count', deleted))
    FROM django_content_type WHERE app_label = 'auditlog' AND model = 'logentry';
    RETURN deleted;
END $$;
"""
REVERSE = """
DROP FUNCTION purge_audit_log(bigint, jsonb);
DROP TRIGGER audit_log_queue ON auditlog_logentry;
DROP FUNCTION queue_audit_log_entry();
DROP TRIGGER audit_log_append_only ON auditlog_logentry;
DROP TRIGGER audit_log_no_truncate ON auditlog_logentry;
DROP FUNCTION refuse_audit_log_change() CASCADE;
"""
# the expressions that Django writes for the filters of the audit log page
INDEXES = """
CREATE INDEX access_audit_event ON auditlog_logentry ((additional_data -> 'event'), id);
CREATE INDEX access_audit_actor ON auditlog_logentry ((additional_data #> '{actor,name}'), id);
CREATE INDEX access_audit_user ON auditlog_logentry (actor_id, id);
CREATE INDEX access_audit_type ON auditlog_logentry (content_type_id, id);
"""


class Migration(migrations.Migration):
    dependencies = [("access", "0003_api_key_allowed_origins"), ("auditlog", "0017_add_actor_email")]

    operations = [
        migrations.CreateModel(
            "AuditSeal",
            [
                ("number", models.BigIntegerField(primary_key=True, serialize=False)),
                ("created_at", models.DateTimeField()),
                ("entry_ids", django.contrib.postgres.fields.ArrayField(models.BigIntegerField(), size=None)),
                (
                    "entry_hashes",
                    models.BinaryField(help_text="16 bytes for each entry, in the order of entry_ids."),
                ),
                ("seal", models.BinaryField()),
            ],
            {"verbose_name": "audit log seal", "verbose_name_plural": "audit log seals"},
        ),
        migrations.CreateModel(
            "UnsealedEntry",
            [("entry_id", models.BigIntegerField(primary_key=True, serialize=False))],
            {"verbose_name": "unsealed audit log entry", "verbose_name_plural": "unsealed audit log entries"},
        ),
        migrations.RunSQL(
            INDEXES, "DROP INDEX access_audit_event, access_audit_actor, access_audit_user, access_audit_type"
        ),
        migrations.RunSQL(REFUSE + QUEUE + PURGE, REVERSE),
    ]
