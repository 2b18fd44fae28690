"""The page of a destination: health, counts, last deliveries, dead letters, and erasures that were passed on."""

import json
from typing import Any

from django.contrib import messages
from django.contrib.admin.views.decorators import staff_member_required
from django.db.models import Count, QuerySet, Sum
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy
from django.views.decorators.http import require_POST

from config.foundation.audit_log import record_action
from config.foundation.backoffice.pages import render_page
from config.foundation.backoffice.tables import Cell, Column, Table, build_table
from config.foundation.circuit_breakers.breaker import CircuitBreaker
from config.foundation.number_formats import format_count, format_moment
from config.foundation.valkey import ValkeyDownError
from customers.destinations.backoffice.access import CHANGE, find_destination, require_change, require_view
from customers.destinations.backoffice.list_page import describe_state
from customers.destinations.kinds.base import BatchRefusedError, DestinationError, UnreachableError
from customers.destinations.kinds.registry import DESTINATION_KINDS
from customers.destinations.models import DataStream, Destination, DestinationBatch, OutgoingRecord, RemovalRequest
from customers.destinations.outbox.access import name_breaker, open_kind
from customers.destinations.outbox.sending import NO_ERRORS, retry_dead
from customers.destinations.recipients import record_recipient

Status = OutgoingRecord.Status
FIGURES = (Status.SENT, Status.WAITING, Status.NOT_CONSENTED, Status.SKIPPED, Status.DEAD)


@staff_member_required
def show_destination(request: HttpRequest, destination_id: int) -> HttpResponse:
    """Show a destination."""
    require_view(request)
    destination = find_destination(destination_id)
    kind = DESTINATION_KINDS.get(destination.kind)
    counts = count_records(destination)
    can_change = request.user.has_perm(CHANGE)
    has_secret = can_change and destination.kind == "webhook"
    return render_page(
        request,
        "admin/destinations/destination.html",
        title=destination.name,
        destination=destination,
        kind=kind,
        risk=kind.describe_risk(destination.options) if kind else "",
        state=describe_state(destination),
        streams=[DataStream(key).label for key in destination.streams if key in DataStream.values],
        figures=[(status.label, format_count(counts.get(status.value, 0))) for status in FIGURES],
        members=format_count(destination.audience.count()) if kind and kind.has_audiences else "",
        deliveries=build_deliveries(request, destination),
        letters=build_letters(request, destination, can_change=can_change),
        dead=counts.get(Status.DEAD, 0),
        removals=build_removals(request, destination),
        can_change=can_change,
        secret=json.loads(destination.credentials or "{}").get("secret", "") if has_secret else "",
    )


def count_records(destination: Destination) -> dict[str, int]:
    """Return how many records are in each state: those that are open now, and the others of the stored deliveries."""
    open_records = destination.records.filter(status__in=(Status.WAITING, Status.DEAD)).order_by()
    counts: dict[str, int] = dict(open_records.values_list("status").annotate(Count("pk")))
    sums = destination.batches.aggregate(
        **{name: Sum(name, default=0) for name in (Status.SENT.value, Status.NOT_CONSENTED.value, Status.SKIPPED.value)}
    )
    return {**sums, **counts}


def build_deliveries(request: HttpRequest, destination: Destination) -> Table:
    """Return the last requests with their counts."""

    def format_row(row: DestinationBatch) -> dict[str, Any]:
        error = row.error or ("" if row.notice == NO_ERRORS else row.notice)
        return {
            "time": format_moment(row.finished_at or row.created_at),
            "stream": row.get_stream_display(),
            "status": Cell(describe_status(row), title=row.reference),
            "sent": format_count(row.sent),
            "not_consented": format_count(row.not_consented),
            "attempts": format_count(row.attempts),
            "error": Cell(error[:80], title=error),
        }

    columns = [
        Column(key="time", label=gettext_lazy("Time"), align="text"),
        Column(key="stream", label=gettext_lazy("Data"), align="text"),
        Column(key="status", label=gettext_lazy("Status"), align="text"),
        Column(key="sent", label=gettext_lazy("Sent")),
        Column(key="not_consented", label=gettext_lazy("Not consented")),
        Column(key="attempts", label=gettext_lazy("Attempts")),
        Column(key="error", label=gettext_lazy("Error"), align="text"),
    ]
    return build_rows(
        request, destination.batches.order_by("-id"), "deliveries", _("Last deliveries"), columns, format_row
    )


def describe_status(batch: DestinationBatch) -> str:
    """Return the status of a delivery. One whose records were all left out was not sent."""
    is_empty = batch.status == DestinationBatch.Status.SENT and not (batch.sent or batch.refused)
    return _("nothing to send") if is_empty else batch.get_status_display()


def build_letters(request: HttpRequest, destination: Destination, *, can_change: bool) -> Table:
    """Return the records that were given up, with the error and, for users who may, a link to retry each one."""

    def format_row(row: OutgoingRecord) -> dict[str, Any]:
        return {
            "time": format_moment(row.occurred_at),
            "stream": row.get_stream_display(),
            "id": row.source_id,
            "error": Cell(row.error[:160], title=row.error),
            "retry": Cell(_("Open"), reverse("destinations:letter", args=[destination.pk, row.pk]))
            if can_change
            else "",
        }

    columns = [
        Column(key="time", label=gettext_lazy("Time"), align="text"),
        Column(key="stream", label=gettext_lazy("Data"), align="text"),
        Column(key="id", label=pgettext_lazy("record", "Number")),
        Column(key="error", label=gettext_lazy("Error"), align="text"),
        Column(key="retry", label=gettext_lazy("Details"), align="text"),
    ]
    rows = destination.records.filter(status=Status.DEAD).order_by("-id")
    return build_rows(request, rows, "letters", _("Not delivered"), columns, format_row)


def build_removals(request: HttpRequest, destination: Destination) -> Table:
    """Return the erasures that were passed on; they contain no personal data."""

    def format_row(row: RemovalRequest) -> dict[str, Any]:
        return {
            "time": format_moment(row.requested_at),
            "status": row.get_status_display(),
            "outcome": Cell(row.outcome, title=row.outcome),
            "finished": format_moment(row.finished_at) if row.finished_at else "–",
        }

    columns = [
        Column(key="time", label=gettext_lazy("Requested"), align="text"),
        Column(key="status", label=gettext_lazy("Status"), align="text"),
        Column(key="outcome", label=gettext_lazy("Outcome"), align="text"),
        Column(key="finished", label=gettext_lazy("Finished"), align="text"),
    ]
    rows = destination.removals.order_by("-id")
    return build_rows(request, rows, "removals", _("Erasures passed on"), columns, format_row)


def build_rows(
    request: HttpRequest, rows: QuerySet[Any], id: str, label: str, columns: list[Column], format_row: Any
) -> Table:
    return build_table(request, rows, id=id, label=label, columns=columns, format_row=format_row, page_size=10)


@staff_member_required
def retry_letter(request: HttpRequest, destination_id: int, record_id: int) -> HttpResponse:
    """Show a record that was given up, with its error and where to fix its content; on POST, send it again."""
    require_change(request)
    destination = find_destination(destination_id)
    record = destination.records.filter(pk=record_id, status=Status.DEAD).first()
    if record is None:
        raise Http404("No such record.")
    if request.method == "POST":
        retry_dead(destination, record_id=record.pk)
        record_action("destination.letter_retried", instance=destination, label=destination.name)
        messages.success(request, _("It is sent again within seconds."))
        return HttpResponseRedirect(reverse("destinations:page", args=[destination.pk]))
    return render_page(
        request,
        "admin/destinations/letter.html",
        title=_("Not delivered: %(stream)s") % {"stream": record.get_stream_display()},
        destination=destination,
        record=record,
        order_url=reverse("admin:orders_order_change", args=[record.source_id]) if record.stream == "orders" else "",
        customer_url=reverse("admin:identity_customer_change", args=[record.customer_id]) if record.customer_id else "",
    )


@require_POST
@staff_member_required
def change_destination(request: HttpRequest, destination_id: int, action: str) -> HttpResponse:
    """Send a test event, try dead letters again, or switch a destination on or off."""
    require_change(request)
    destination = find_destination(destination_id)
    if action not in ACTIONS:
        raise Http404(f"Unknown action {action!r}.")
    ACTIONS[action](request, destination)
    return HttpResponseRedirect(reverse("destinations:page", args=[destination.pk]))


def send_test(request: HttpRequest, destination: Destination) -> None:
    record_action("destination.tested", instance=destination, label=destination.name)
    try:
        with open_kind(destination) as kind:
            answer = kind.send_test()
    except (DestinationError, BatchRefusedError, UnreachableError) as error:
        messages.error(request, str(error))
        return
    resume(destination)
    messages.success(request, _("The test event was accepted: %(answer)s") % {"answer": answer})


def resume(destination: Destination) -> None:
    """Make all waiting batches due immediately, because the destination answers again."""
    Destination.objects.filter(pk=destination.pk).update(problem="", retry_at=None)
    destination.batches.filter(status=DestinationBatch.Status.WAITING).update(next_attempt_at=timezone.now())
    try:
        CircuitBreaker(name_breaker(destination)).reset()
    except ValkeyDownError:
        return


def retry_letters(request: HttpRequest, destination: Destination) -> None:
    number = retry_dead(destination)
    record_action("destination.letters_retried", instance=destination, label=destination.name)
    messages.success(request, _("Records that are sent again: %(count)s") % {"count": format_count(number)})


def switch(request: HttpRequest, destination: Destination) -> None:
    destination.is_enabled = not destination.is_enabled
    destination.save(update_fields=["is_enabled"])
    record_recipient(destination)


ACTIONS = {"test": send_test, "retry": retry_letters, "switch": switch}
