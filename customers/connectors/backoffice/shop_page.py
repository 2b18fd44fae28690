"""The page of a connected shop: progress, health, webhooks, errors, and the differences of the last reconciliation."""

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.admin.views.decorators import staff_member_required
from django.db.models import Count
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST
from kombu.exceptions import OperationalError

from config.foundation.audit_log import record_action
from config.foundation.backoffice.pages import render_page
from config.foundation.backoffice.tables import Cell, Column, Table, build_table
from config.foundation.job_runs import JobStatus
from config.foundation.number_formats import format_count, format_moment
from customers.connectors import tasks
from customers.connectors.backoffice.access import CHANGE, find_shop, require_change, require_view
from customers.connectors.backoffice.detail_texts import translate_detail
from customers.connectors.backoffice.first_import import (
    ImportStep,
    MissingConsents,
    build_import_steps,
    count_missing_consents,
    find_first_import,
    find_result,
)
from customers.connectors.backoffice.steps import build_steps
from customers.connectors.follow_ups.preparation import repeat_preparation, warm_up_follow_ups
from customers.connectors.models import ReceivedWebhook, ShopConnection, ShopRecordKind, SyncDifference, SyncRun
from customers.connectors.platforms.base import PlatformError
from customers.connectors.platforms.registry import CONNECTORS
from customers.connectors.sync.access import open_connector
from customers.connectors.sync.runs import cancel_run, find_next_run, start_run
from customers.connectors.webhooks.processing import retry_failed
from customers.identity.personal_data.masking import mask_id, may_see_personal

COUNTED = {
    "seen": gettext_lazy("read"),
    "created": gettext_lazy("added"),
    "updated": gettext_lazy("updated"),
    "unchanged": gettext_lazy("unchanged"),
    "adjusted": gettext_lazy("adjusted"),
    "rejected": gettext_lazy("rejected"),
    "deleted": gettext_lazy("deleted"),
}


@staff_member_required
def show_shop(request: HttpRequest, shop_id: int) -> HttpResponse:
    """Show a shop; htmx asks for the progress only."""
    require_view(request)
    shop = find_shop(shop_id)
    run, now = shop.runs.first(), timezone.now()
    first_import = find_first_import(shop, at=now)
    missing = count_missing_consents(first_import) if first_import else MissingConsents(0, 0)
    import_steps = build_import_steps(first_import, request.user) if first_import else []
    compared = shop.runs.filter(kind=SyncRun.Kind.RECONCILIATION, status=JobStatus.DONE).first()
    webhooks = dict(shop.deliveries.order_by().values_list("status").annotate(Count("pk")))
    return render_page(
        request,
        "admin/connectors/shop.html",
        title=shop.name,
        partial="admin/connectors/run_state.html",
        shop=shop,
        platform=CONNECTORS[shop.platform],
        run=run,
        progress=describe_progress(run) if run and run != first_import else [],
        first_import=first_import,
        import_steps=import_steps,
        import_failed=any(step.state == "failed" for step in import_steps),
        missing_consents=missing,
        result=find_result(first_import, request.user) if first_import else None,
        is_busy=is_busy(run, first_import, import_steps),
        problems=describe_problems(run) if run else [],
        compared=compared,
        differences=build_differences(request, compared) if compared else None,
        rejected=build_rejected(request, run) if run and has_rejected(run) else None,
        events=build_events(request, shop) if CONNECTORS[shop.platform].has_webhooks else None,
        webhook_url=build_webhook_url(shop),
        failed_webhooks=webhooks.get(ReceivedWebhook.Status.FAILED, 0),
        waiting_webhooks=webhooks.get(ReceivedWebhook.Status.WAITING, 0),
        can_change=request.user.has_perm(CHANGE),
        steps=build_steps(find_step(shop, run), with_webhooks=CONNECTORS[shop.platform].has_webhooks),
    )


def is_busy(run: SyncRun | None, first_import: SyncRun | None, steps: Sequence[ImportStep]) -> bool:
    """Return whether the page is about to change without an action of the user."""
    if run is not None and run.status == JobStatus.RUNNING:
        return True
    is_prepared = first_import is None or first_import.prepared_at is not None
    return not is_prepared and all(step.state != "failed" for step in steps)


def find_step(shop: ShopConnection, run: SyncRun | None) -> str:
    """Return the first step that is not done; empty if all are."""
    if run is None:
        return "preview"
    is_first = run.kind == SyncRun.Kind.BACKFILL and run.status != JobStatus.DONE
    if is_first or not shop.watermarks:
        return "history"
    return "" if shop.webhooks else "webhooks"


def build_webhook_url(shop: ShopConnection) -> str:
    return f"{settings.PUBLIC_URL}{reverse('connector_webhooks:receive', args=[shop.webhook_token])}"


def describe_progress(run: SyncRun) -> list[dict[str, Any]]:
    """Return the counts of each kind, and its share of the total if that is known."""
    current = run.cursor.get("kind", ShopRecordKind.PRODUCTS.value)
    rows = []
    for kind in ShopRecordKind:
        counts = run.counts.get(kind.value, {})
        seen, total = counts.get("seen", 0), counts.get("total") or 0
        is_current = run.status == JobStatus.RUNNING and kind.value == current
        rows.append(
            {
                "label": kind.label,
                "is_current": is_current,
                "percent": min(100, seen * 100 // total) if total else None,
                "text": " · ".join(
                    f"{label} {format_count(counts[name])}" for name, label in COUNTED.items() if counts.get(name)
                ),
            }
        )
    return rows


def describe_problems(run: SyncRun) -> list[str]:
    """Return the warnings of a run that are not about single records."""
    return [
        _(
            "%(count)s %(kind)s from the last import are missing in the shop. Because this is more than half, nothing was deleted."
        )
        % {"count": format_count(number), "kind": ShopRecordKind(name.partition(":")[0]).label}
        for name, number in run.problems.items()
        if name.endswith("too_many_missing")
    ]


def has_rejected(run: SyncRun) -> bool:
    return any(counts.get("rejected") for counts in run.counts.values())


def build_rejected(request: HttpRequest, run: SyncRun) -> Table:
    rows = run.differences.filter(code=SyncDifference.Code.REJECTED)
    return build_difference_table(request, rows, id="rejected", label=_("Records that could not be imported"))


def build_differences(request: HttpRequest, run: SyncRun) -> Table:
    rows = run.differences.exclude(code=SyncDifference.Code.REJECTED)
    return build_difference_table(request, rows, id="differences", label=_("Differences"))


def build_difference_table(request: HttpRequest, rows: Any, *, id: str, label: str) -> Table:
    with_personal = may_see_personal(request)

    def format_row(row: SyncDifference) -> dict[str, Any]:
        is_customer = row.kind == ShopRecordKind.CUSTOMERS
        return {
            "kind": row.get_kind_display(),
            "id": mask_id(row.external_id, with_personal=with_personal) if is_customer else row.external_id,
            "code": row.get_code_display(),
            "detail": Cell((detail := translate_detail(row.detail))[:120], title=detail),
            "repaired": _("yes") if row.is_repaired else _("no"),
        }

    columns = [
        Column(key="kind", label=gettext_lazy("Record"), sort="kind", align="text"),
        Column(key="id", label=gettext_lazy("ID in the shop"), align="text"),
        Column(key="code", label=gettext_lazy("Difference"), sort="code", align="text"),
        Column(key="detail", label=gettext_lazy("Details"), align="text"),
        Column(key="repaired", label=gettext_lazy("Repaired"), align="text"),
    ]
    return build_table(request, rows, id=id, label=label, columns=columns, format_row=format_row, page_size=20)


def build_events(request: HttpRequest, shop: ShopConnection) -> Table:
    """Return the last webhooks; those of customers do not name them."""

    def format_row(row: ReceivedWebhook) -> dict[str, Any]:
        return {
            "time": format_moment(row.received_at),
            "topic": Cell(row.topic),
            "id": "–" if row.kind == ShopRecordKind.CUSTOMERS else row.external_id,
            "status": Cell(row.get_status_display(), title=row.error),
        }

    columns = [
        Column(key="time", label=gettext_lazy("Time"), align="text"),
        Column(key="topic", label=gettext_lazy("Event"), align="text"),
        Column(key="id", label=gettext_lazy("ID in the shop"), align="text"),
        Column(key="status", label=gettext_lazy("Status"), align="text"),
    ]
    rows = shop.deliveries.order_by("-received_at", "-pk")
    return build_table(
        request, rows, id="events", label=_("Last webhooks"), columns=columns, format_row=format_row, page_size=10
    )


@require_POST
@staff_member_required
def change_shop(request: HttpRequest, shop_id: int, action: str) -> HttpResponse:
    """Start or cancel a run, register webhooks, try failed ones again, or switch a shop on or off."""
    require_change(request)
    shop = find_shop(shop_id)
    if action not in ACTIONS:
        raise Http404(f"Unknown action {action!r}.")
    ACTIONS[action](request, shop)
    return HttpResponseRedirect(reverse("connectors:shop", args=[shop.pk]))


def start_backfill(request: HttpRequest, shop: ShopConnection) -> None:
    begin(request, shop, SyncRun.Kind.BACKFILL)
    warm_up_follow_ups()


def start_reconciliation(request: HttpRequest, shop: ShopConnection) -> None:
    begin(request, shop, SyncRun.Kind.RECONCILIATION)


def begin(request: HttpRequest, shop: ShopConnection, kind: str) -> None:
    """Start a run. If the queue cannot be reached, the run starts within the next minute."""
    now = timezone.now()
    if not shop.is_enabled:
        messages.warning(request, _("Enable the connector first."))
        return
    if start_run(shop, kind, at=now) is None:
        messages.warning(request, _("An import of this shop is running already."))
        return
    shop.next_run_at = find_next_run(now, has_webhooks=bool(shop.webhooks))
    shop.problem = ""
    shop.save(update_fields=["next_run_at", "problem"])
    try:
        tasks.synchronize_shops.delay()
    except OperationalError as error:
        messages.warning(request, _("No worker is available: %(reason)s. Try again.") % {"reason": error})


def cancel_import(request: HttpRequest, shop: ShopConnection) -> None:
    for run in shop.runs.filter(status=JobStatus.RUNNING):
        cancel_run(run)


def resume_import(request: HttpRequest, shop: ShopConnection) -> None:
    """Continue the last run that failed where it stopped."""
    run = shop.runs.first()
    if run is None or run.status != JobStatus.FAILED:
        return
    if not shop.is_enabled:
        messages.warning(request, _("Enable the connector first."))
        return
    SyncRun.objects.filter(pk=run.pk).update(
        status=JobStatus.RUNNING, error="", attempts=0, retry_at=None, is_cancelled=False, finished_at=None
    )
    ShopConnection.objects.filter(pk=shop.pk).update(problem="")
    try:
        tasks.synchronize_shops.delay()
    except OperationalError as error:
        messages.warning(request, _("No worker is available: %(reason)s. Try again.") % {"reason": error})


def repeat_follow_up(request: HttpRequest, shop: ShopConnection) -> None:
    """Restart the step after the import that has failed."""
    run = find_first_import(shop, at=timezone.now())
    if run is not None and run.status == JobStatus.DONE:
        repeat_preparation(run, at=timezone.now())


def register_webhooks(request: HttpRequest, shop: ShopConnection) -> None:
    try:
        with open_connector(shop) as connector:
            shop.webhooks = connector.subscribe(build_webhook_url(shop), shop.webhooks)
    except PlatformError as error:
        messages.error(request, str(error))
        return
    shop.next_run_at = find_next_run(timezone.now(), has_webhooks=True)
    shop.save(update_fields=["webhooks", "next_run_at"])
    record_action("connector.webhooks_registered", instance=shop, label=shop.name)
    messages.success(request, _("The shop sends changes from now on."))


def retry_webhooks(request: HttpRequest, shop: ShopConnection) -> None:
    retry_failed(shop, at=timezone.now())
    messages.success(request, _("The webhooks are processed again within seconds."))


def switch(request: HttpRequest, shop: ShopConnection) -> None:
    shop.is_enabled = not shop.is_enabled
    shop.save(update_fields=["is_enabled"])


ACTIONS = {
    "import": start_backfill,
    "compare": start_reconciliation,
    "cancel": cancel_import,
    "resume": resume_import,
    "prepare": repeat_follow_up,
    "webhooks": register_webhooks,
    "retry": retry_webhooks,
    "switch": switch,
}
