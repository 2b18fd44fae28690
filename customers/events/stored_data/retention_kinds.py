"""How long events, receipts and rejected events are kept."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from config.foundation.database.partitions import EVENTS
from config.foundation.retention.aged_rows import (
    AgedRows,
    SeveralParts,
    list_dropped_partitions,
    preview_moments,
)
from config.foundation.retention.kinds import (
    RetentionKind,
    RetentionPreview,
    register_retention,
    register_retention_provider,
)
from customers.events import retention
from customers.events.models import Source

FIND_EVENTS = "SELECT received_at FROM events_event WHERE source_id = %(source)s AND received_at < %(before)s"
REJECTED = AgedRows("events.RejectedEvent", "received_at")
RECEIPTS = AgedRows("events.EventReceipt", "received_at")
SANDBOX = SeveralParts(
    (
        AgedRows("events.SandboxEvent", "received_at"),
        AgedRows("events.RejectedEvent", "received_at", condition=Q(source__is_sandbox=True)),
    )
)
AGENT_ACTIVITY = AgedRows("events.AgentActivity", "last_at")


def list_source_kinds() -> Iterator[RetentionKind]:
    """Yield the events of each source, whose period is stored with the source."""
    for source in Source.objects.filter(is_sandbox=False).order_by("name").only("pk", "key", "name", "retention_days"):
        yield RetentionKind(
            key=f"events:{source.key}",
            label=_("Events from %(source)s") % {"source": source.name},
            note=gettext_lazy(
                "Counted from the day on which an event is received, for imported events from the day of the import. Events are deleted, "
                "also in the warehouse. Orders, profiles and daily figures remain; numbers of events in profiles and segments cover only "
                "the remaining events once they are recounted."
            ),
            default_days=730,
            preview=partial(preview_events, source.pk),
            purge=partial(purge_source_events, source.pk, source.retention_days),
            order=10,
            read_days=partial(int, source.retention_days),
            write_days=partial(write_source_days, source.pk),
        )


def preview_events(source_id: int, before: datetime) -> RetentionPreview:
    """Return the old events of a source, and the months in which no source keeps events."""
    others = Source.objects.exclude(pk=source_id).values_list("retention_days", flat=True)
    limits = [timezone.now() - timedelta(days=days) for days in others]
    dropped = list_dropped_partitions(EVENTS, min([before, *limits]))
    return replace(preview_moments(FIND_EVENTS, {"source": source_id, "before": before}), partitions=dropped)


def purge_source_events(source_id: int, days: int, before: datetime) -> int:
    """Delete the old events of a source, and drop the months in which no source keeps events."""
    return retention.purge_events(as_of=before + timedelta(days=days), only_source=source_id)[1]


def write_source_days(source_id: int, days: int) -> None:
    Source.objects.filter(pk=source_id).update(retention_days=days)


register_retention_provider(list_source_kinds)
register_retention(
    RetentionKind(
        key="rejected_events",
        label=gettext_lazy("Rejected events"),
        note=gettext_lazy("Deleted unless they are corrected before."),
        default_days=90,
        preview=REJECTED.preview,
        purge=REJECTED.purge,
        order=20,
    ),
    RetentionKind(
        key="sandbox_events",
        label=gettext_lazy("Events of sandboxes"),
        note=gettext_lazy("Events and rejected events of sandbox sources. They are used for nothing else."),
        default_days=3,
        max_days=30,
        preview=SANDBOX.preview,
        purge=SANDBOX.purge,
        order=22,
    ),
    RetentionKind(
        key="event_receipts",
        label=gettext_lazy("Event receipts"),
        note=gettext_lazy(
            "They are used to detect events that are sent twice. An event that is sent again after its receipt is deleted "
            "is stored again."
        ),
        default_days=30,
        min_days=7,
        preview=RECEIPTS.preview,
        purge=lambda before: retention.purge_receipts(before=before),
        order=21,
    ),
    RetentionKind(
        key="agent_activity",
        label=gettext_lazy("Activity of shopping agents and crawlers"),
        note=gettext_lazy("Counts by day; they contain nothing about people."),
        default_days=730,
        preview=AGENT_ACTIVITY.preview,
        purge=AGENT_ACTIVITY.purge,
        order=22,
    ),
)
