"""The page of privacy: where a customer's data is, who read personal data, and how long data is kept."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from auditlog.models import LogEntry
from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from config.access.audit.events import EXPORT, READ
from config.foundation import uploads
from config.foundation.backoffice.pages import render_page
from config.foundation.number_formats import format_count
from config.jobs import recording
from customers.events.models import Source
from customers.events.tasks import RECEIPT_DAYS, REJECTED_DAYS
from customers.imports.undo import UNDO_PERIOD

PERMISSION = "identity.change_customer"
RECENT = timedelta(days=30)
MAX_COUNT = 10_000


@dataclass(frozen=True)
class KeptData:
    """A kind of data with the time it is kept, what happens then, and the page where the time is changed."""

    name: str | Promise
    days: int
    note: str | Promise
    url: str = ""

    @property
    def duration(self) -> str:
        return ngettext("%(days)s day", "%(days)s days", self.days) % {"days": format_count(self.days)}


def show_privacy(request: HttpRequest) -> HttpResponse:
    if not request.user.has_perm(PERMISSION):
        raise PermissionDenied
    return render_page(
        request,
        "backoffice/settings/privacy.html",
        title=_("Privacy"),
        kept=list(list_kept_data(may_change=request.user.has_perm("events.change_source"))),
        access=count_access() if request.user.has_perm("auditlog.view_logentry") else None,
    )


def list_kept_data(*, may_change: bool) -> Iterator[KeptData]:
    """Yield each source with the retention of its events, then what has a fixed time."""
    for source in Source.objects.order_by("name").only("pk", "name", "retention_days"):
        yield KeptData(
            _("Events from %(source)s") % {"source": source.name},
            source.retention_days,
            gettext_lazy("Older events are deleted every night. Orders, profiles and daily figures remain."),
            reverse("admin:events_source_change", args=[source.pk]) if may_change else "",
        )
    yield KeptData(
        gettext_lazy("Rejected events"), REJECTED_DAYS, gettext_lazy("Deleted unless they are corrected before.")
    )
    yield KeptData(
        gettext_lazy("Receipts of events"), RECEIPT_DAYS, gettext_lazy("They detect events that are sent twice.")
    )
    yield KeptData(
        gettext_lazy("Impressions and clicks of recommendations"),
        settings.IMPRESSION_RETENTION_DAYS,
        gettext_lazy("Set with IMPRESSION_RETENTION_DAYS. Daily figures remain."),
    )
    yield KeptData(
        gettext_lazy("Exposures to experiments"),
        settings.IMPRESSION_RETENTION_DAYS,
        gettext_lazy(
            "After the end of the experiment, the identifiers of visitors are removed. Which customer was in which group stays, so that "
            "the result can be computed again."
        ),
    )
    yield KeptData(
        gettext_lazy("Exposures to on-site offers"),
        settings.IMPRESSION_RETENTION_DAYS,
        gettext_lazy(
            "Then all but the first of each customer are deleted, and after the end of an offer those of unknown visitors."
        ),
    )
    yield KeptData(gettext_lazy("Uploaded files of imports"), uploads.RETENTION.days, gettext_lazy("Then deleted."))
    yield KeptData(
        gettext_lazy("What undoing an import needs"),
        UNDO_PERIOD.days,
        gettext_lazy("After that, the import cannot be undone."),
    )
    yield KeptData(gettext_lazy("Records of job runs"), recording.RETENTION.days, gettext_lazy("Then deleted."))


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
