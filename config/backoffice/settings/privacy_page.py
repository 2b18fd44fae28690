"""The page of privacy: where a customer's data is, who read personal data, and how long data is kept."""

from datetime import timedelta

from auditlog.models import LogEntry
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from config.access.audit.events import EXPORT, READ
from config.foundation.backoffice.pages import render_page
from config.foundation.backoffice.permissions import check_permissions
from config.foundation.number_formats import format_count
from config.foundation.retention.periods import list_retention_periods

PERMISSION = "identity.change_customer"
RETENTION_PERMISSION = "retention.change_retentionsetting"
RECENT = timedelta(days=30)
MAX_COUNT = 10_000


def show_privacy(request: HttpRequest) -> HttpResponse:
    check_permissions(request, PERMISSION)
    return render_page(
        request,
        "backoffice/settings/privacy.html",
        title=_("Privacy"),
        periods=list_retention_periods(),
        may_change_retention=request.user.has_perm(RETENTION_PERMISSION),
        access=count_access() if request.user.has_perm("auditlog.view_logentry") else None,
    )


def count_access() -> list[dict[str, str]]:
    """Return how often personal data was read and exported in the last 30 days, each with the page of its entries."""
    since = timezone.now() - RECENT
    entries = LogEntry.objects.filter(timestamp__gte=since).order_by()
    page = reverse("admin:auditlog_logentry_changelist")
    return [
        {
            "label": str(label),
            "value": format_capped_count(
                entries.filter(additional_data__event=event).values("pk")[: MAX_COUNT + 1].count()
            ),
            "url": f"{page}?event={event}",
        }
        for event, label in ((READ, _("Personal data read")), (EXPORT, _("Data exported")))
    ]


def format_capped_count(count: int) -> str:
    return format_count(count) if count <= MAX_COUNT else _("over %(count)s") % {"count": format_count(MAX_COUNT)}
