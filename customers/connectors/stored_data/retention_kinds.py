"""How long received webhooks and the differences of runs are kept."""

from datetime import datetime

from django.db.models import Q
from django.utils.translation import gettext_lazy

from config.foundation.job_runs import JobStatus
from config.foundation.retention.aged_rows import AgedRows
from config.foundation.retention.kinds import RetentionKind, register_retention
from customers.connectors.models import SyncRun

WEBHOOKS = AgedRows("connectors.ReceivedWebhook", "received_at", ~Q(status="waiting"))
RUNS = AgedRows("connectors.SyncRun", "started_at", ~Q(status="running"))


def purge_runs(before: datetime) -> int:
    """Delete old runs with their differences; return how many."""
    return (
        SyncRun.objects.filter(started_at__lt=before)
        .exclude(status=JobStatus.RUNNING)
        .delete()[1]
        .get(SyncRun._meta.label, 0)
    )


register_retention(
    RetentionKind(
        key="shop_webhooks",
        label=gettext_lazy("Webhooks of connected shops"),
        note=gettext_lazy(
            "They detect webhooks that are sent twice. Their contents are deleted once they are processed."
        ),
        default_days=30,
        min_days=7,
        preview=WEBHOOKS.preview,
        purge=WEBHOOKS.purge,
        order=64,
    ),
    RetentionKind(
        key="shop_imports",
        label=gettext_lazy("Imports of connected shops"),
        note=gettext_lazy("With the differences that they have found."),
        default_days=90,
        min_days=7,
        preview=RUNS.preview,
        purge=purge_runs,
        order=65,
    ),
)
