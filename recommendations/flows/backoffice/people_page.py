"""The people at a step of a flow, page by page; they can be saved as a static segment."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format, number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext_lazy
from django.views.decorators.http import require_POST

from config.foundation.backoffice.pages import render_page
from config.foundation.backoffice.tables import Cell
from customers.identity.models import Identifier
from customers.identity.personal_data.masking import mask_id, may_see_personal
from customers.lifecycle.models import CustomerProfile
from customers.segments.editing import NameTakenError
from customers.segments.saved_customers import save_customers
from recommendations.flows.backoffice.access import VIEW_PEOPLE, get_flow
from recommendations.flows.backoffice.flow_labels import describe_step, label_outcome
from recommendations.flows.backoffice.reference_names import load_reference_names
from recommendations.flows.machine.graph import build_graph
from recommendations.flows.models import LEFT_STATUSES, Flow, FlowEntry, FlowStepRun, FlowVersion
from recommendations.sending.models import Delivery

PAGE_SIZE = 50
STATES = {
    "waiting": pgettext_lazy("people of a step", "Waiting here"),
    "passed": pgettext_lazy("people of a step", "Passed"),
    "left": pgettext_lazy("people of a step", "Left the flow here"),
    "failed": pgettext_lazy("people of a step", "Failed"),
    "skipped": pgettext_lazy("people of a step", "Message skipped"),
}
FAILED_DELIVERIES = (Delivery.Status.FAILED, Delivery.Status.UNCERTAIN)


def show_people(request: HttpRequest, flow_id: int) -> HttpResponse:
    """Show the people of a step: ``?version=``, ``?step=`` and ``?state=`` waiting, passed, left, failed or skipped."""
    flow = get_flow(request, flow_id, VIEW_PEOPLE)
    version, step, state = parse_choice(request, flow)
    cursor = request.GET.get("before", "")
    before = int(cursor) if cursor.isdecimal() and len(cursor) < 19 else None
    rows = list(select_page(version, step, state, before))
    shown = rows[:PAGE_SIZE]
    user_ids = read_user_ids([row["customer"] for row in shown])
    with_personal = may_see_personal(request)
    definition = build_graph(version.definition)
    return render_page(
        request,
        "admin/flows/people.html",
        title=_("Customers: %(step)s")
        % {"step": describe_step(definition.steps[step].settings, load_reference_names())},
        flow=flow,
        version=version,
        step=step,
        state=state,
        states=STATES,
        people=[
            {
                "customer": Cell(
                    mask_id(user_ids.get(row["customer"], ""), with_personal=with_personal, mask="")
                    or f"#{row['customer']}",
                    url=reverse("admin:lifecycle_customer", args=[row["customer"]]),
                ),
                "at": date_format(timezone.localtime(row["at"]), "DATETIME_FORMAT"),
                "text": row["text"],
            }
            for row in shown
        ],
        next=rows[PAGE_SIZE - 1]["cursor"] if len(rows) > PAGE_SIZE else None,
        may_save=request.user.has_perm("segments.add_segment"),
    )


def parse_choice(request: HttpRequest, flow: Flow) -> tuple[FlowVersion, str, str]:
    """Return the version, the key of the step and the state of a request."""
    values = request.POST if request.method == "POST" else request.GET
    number, step, state = values.get("version", ""), values.get("step", ""), values.get("state", "waiting")
    version = (
        flow.versions.filter(number=number, published_at__isnull=False).first()
        if number.isdecimal() and len(number) < 9
        else None
    )
    if version is None or step not in build_graph(version.definition).steps or state not in STATES:
        raise PermissionDenied  # no page makes such a link
    return version, step, state


def select_entries(version: FlowVersion, step: str, state: str) -> QuerySet[FlowEntry]:
    """Return the entries that wait at a step, or ended at it."""
    statuses = ("active",) if state == "waiting" else LEFT_STATUSES
    return FlowEntry.objects.filter(version=version, step_key=step, status__in=statuses)


def select_runs(version: FlowVersion, step: str, state: str) -> list[QuerySet[FlowStepRun]]:
    """Return the runs of a step that it passed or failed, or whose message failed or was skipped.

    There is a query set for each index, because PostgreSQL uses none of them for both conditions at once.
    """
    runs = FlowStepRun.objects.filter(version=version, step_key=step)
    deliveries = Delivery.objects.filter(origin_kind=Delivery.Kind.FLOW)
    if state == "passed":
        return [runs.exclude(outcome="failed")]
    if state == "skipped":
        skipped = deliveries.filter(status=Delivery.Status.SKIPPED).exclude(skip_reason="")  # a small index
        return [runs.filter(Exists(skipped.filter(origin_id=OuterRef("pk"))))]
    failed = deliveries.filter(status__in=FAILED_DELIVERIES)  # a small index
    return [runs.filter(outcome="failed"), runs.filter(pk__in=failed.values("origin_id")).exclude(outcome="failed")]


def select_page(version: FlowVersion, step: str, state: str, before: int | None) -> list[dict[str, Any]]:
    """Return the rows of a page and one more, newest first."""
    if state in ("waiting", "left"):
        entries = select_entries(version, step, state).order_by("-pk")
        entries = entries.filter(pk__lt=before) if before else entries
        return [
            {
                "cursor": entry.pk,
                "customer": entry.customer_id,
                "at": entry.due_at if state == "waiting" else entry.finished_at,
                "text": entry.get_status_display(),
            }
            for entry in entries[: PAGE_SIZE + 1]
        ]
    found: list[FlowStepRun] = []
    for runs in select_runs(version, step, state):
        ordered = runs.select_related("entry").order_by("-pk")
        found += (ordered.filter(pk__lt=before) if before else ordered)[: PAGE_SIZE + 1]
    shown = sorted(found, key=lambda run: -run.pk)[: PAGE_SIZE + 1]
    texts = describe_deliveries([run.pk for run in shown]) if state in ("failed", "skipped") else {}
    return [
        {
            "cursor": run.pk,
            "customer": run.entry.customer_id,
            "at": run.at,
            "text": texts.get(run.pk) or label_outcome(run.outcome),
        }
        for run in shown
    ]


def describe_deliveries(run_ids: list[int]) -> dict[int, str]:
    """Return why the messages of step runs were skipped or failed."""
    deliveries = Delivery.objects.filter(origin_kind=Delivery.Kind.FLOW, origin_id__in=run_ids)
    return {
        delivery.origin_id: str(delivery.get_skip_reason_display() or delivery.error or delivery.get_status_display())
        for delivery in deliveries
    }


def read_user_ids(customer_ids: list[int]) -> dict[int, str]:
    rows = Identifier.objects.filter(customer__in=customer_ids, kind=Identifier.Kind.USER_ID).order_by("-pk")
    return dict(rows.values_list("customer_id", "value"))


@require_POST
def save_people(request: HttpRequest, flow_id: int) -> HttpResponse:
    """Save the people of a step as a static segment, by one statement."""
    flow = get_flow(request, flow_id, VIEW_PEOPLE, "segments.add_segment")
    version, step, state = parse_choice(request, flow)
    name = request.POST.get("name", "").strip()[:200]
    if not name:
        messages.error(request, _("Enter a name for the segment."))
        return HttpResponseRedirect(
            f"{reverse('flows:people', args=[flow.pk])}?version={version.number}&step={step}&state={state}"
        )
    ids: Any  # a query set of either model
    if state in ("waiting", "left"):
        ids = select_entries(version, step, state).values("customer_id")
    else:
        first, *others = (runs.values("entry__customer_id") for runs in select_runs(version, step, state))
        ids = first.union(*others) if others else first
    try:
        segment = save_customers(
            name=name,
            description=_("Saved from the flow %(name)s.") % {"name": flow.name},
            customers=CustomerProfile.objects.filter(pk__in=ids),
            condition=None,
            as_of=timezone.now(),
        )
    except NameTakenError as error:
        messages.error(request, str(error))
        return HttpResponseRedirect(
            f"{reverse('flows:people', args=[flow.pk])}?version={version.number}&step={step}&state={state}"
        )
    size = segment.size or 0
    text = ngettext("Segment saved with %(count)s customer.", "Segment saved with %(count)s customers.", size)
    messages.success(request, text % {"count": number_format(size, force_grouping=True)})
    return HttpResponseRedirect(reverse("admin:segments_segment_members", args=[segment.pk]))
