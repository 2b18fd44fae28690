"""How long the audit log, logins and stored responses are kept."""

from datetime import datetime

from django.db.models import Min
from django.utils.translation import gettext_lazy

from config.access.audit.retention import purge_entries
from config.access.models import AuditSeal
from config.foundation.retention.aged_rows import AgedRows, SeveralParts
from config.foundation.retention.kinds import RetentionKind, RetentionPreview, register_retention

LOGINS = SeveralParts(
    (
        AgedRows("axes.AccessAttempt", "attempt_time"),
        AgedRows("axes.AccessFailureLog", "attempt_time"),
        AgedRows("axes.AccessLog", "attempt_time"),
    )
)
RESPONSES = AgedRows("access.IdempotentResponse", "created_at")
HALF_A_YEAR = 183


def preview_audit_log(before: datetime) -> RetentionPreview:
    """Count the entries of whole seals, which are deleted together."""
    seals = AuditSeal.objects.filter(created_at__lt=before)
    entries = sum(len(ids) for ids in seals.values_list("entry_ids", flat=True).iterator())
    return RetentionPreview(entries, seals.aggregate(oldest=Min("created_at"))["oldest"])


register_retention(
    RetentionKind(
        key="audit_log",
        label=gettext_lazy("Audit log"),
        note=gettext_lazy("Entries are deleted in complete sealed batches, and the deletion itself is recorded."),
        default_days=None,
        min_days=HALF_A_YEAR,
        preview=preview_audit_log,
        purge=lambda before: purge_entries(before=before),
        legal_hint=gettext_lazy("China's Cybersecurity Law requires logs to be kept for at least six months."),
        order=80,
    ),
    RetentionKind(
        key="logins",
        label=gettext_lazy("Logins and failed logins"),
        note=gettext_lazy("Includes the user names and IP addresses of team members."),
        default_days=365,
        min_days=HALF_A_YEAR,
        preview=LOGINS.preview,
        purge=LOGINS.purge,
        legal_hint=gettext_lazy("China's Cybersecurity Law requires logs to be kept for at least six months."),
        order=81,
    ),
    RetentionKind(
        key="idempotent_responses",
        label=gettext_lazy("Stored responses of the REST API"),
        note=gettext_lazy("They are returned when a request is repeated with the same Idempotency-Key."),
        default_days=1,
        max_days=30,
        preview=RESPONSES.preview,
        purge=RESPONSES.purge,
        order=82,
    ),
)
