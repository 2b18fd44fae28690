"""The page with the results of a flow, and the form of its holdout group."""

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from config.foundation.backoffice.pages import render_page
from config.foundation.csv_cells import mark_encoding
from config.foundation.number_formats import format_percent
from config.foundation.slow_figures import get_figures_soon
from customers.events.event_labels import LABELS_BY_MEANING
from customers.events.event_taxonomy import Meaning
from customers.identity.personal_data.masking import may_see_personal
from customers.lifecycle.facts.amounts import get_amount_currency
from recommendations.flows.backoffice.access import CHANGE, EXPORT_PEOPLE, get_flow
from recommendations.flows.execution.holdout_export import stream_held_out
from recommendations.flows.models import Flow
from recommendations.flows.results import FlowResults, compute_flow_results
from recommendations.measurement.presentation.sentences import describe_comparison, describe_conversion
from recommendations.measurement.presentation.tables import build_comparison_context


class FlowHoldoutForm(forms.ModelForm):
    """The share of customers who are kept out of the flow, and how long outcomes count."""

    class Meta:
        model = Flow
        fields = ("holdout_share", "attribution_days")


def show_results(request: HttpRequest, flow_id: int) -> HttpResponse:
    """Show what a flow caused; a POST changes its holdout group."""
    flow = get_flow(request, flow_id, CHANGE) if request.method == "POST" else get_flow(request, flow_id)
    form = FlowHoldoutForm(request.POST or None, instance=flow)
    if request.method == "POST" and form.is_valid():
        # no other fields, so that a flow that was paused or ended meanwhile does not become live again
        flow.save(update_fields=FlowHoldoutForm.Meta.fields)
        messages.success(request, _("The holdout group was saved. It applies to customers who enter from now on."))
        return HttpResponseRedirect(reverse("flows:results", args=[flow.pk]))
    if form.errors:
        flow.refresh_from_db()
    now, currency = timezone.now(), get_amount_currency()
    results = get_figures_soon(
        f"flow.results:{flow.pk}:{flow.status}:{flow.attribution_days}:{flow.holdout_share}",
        FlowResults,
        lambda: compute_flow_results(flow, as_of=now),
    )
    return render_page(
        request,
        "admin/flows/results.html",
        title=_("Results: %(name)s") % {"name": flow.name},
        verdict=describe_flow_results(flow, results, currency) if results else "",
        as_of=results.as_of if results else None,
        flow=flow,
        form=form,
        may_change=request.user.has_perm(CHANGE) and flow.status not in (Flow.Status.ENDING, Flow.Status.ENDED),
        is_counting=results is None,
        download_url=find_download_url(request, flow, results),
        **(build_context(flow, results, currency) if results else {}),
    )


def find_download_url(request: HttpRequest, flow: Flow, results: FlowResults | None) -> str:
    """Return the link to the list of held-out customers; "" without any or without the permission."""
    if results is None or not results.comparison.control.customers or not request.user.has_perm(EXPORT_PEOPLE):
        return ""
    return reverse("flows:holdout", args=[flow.pk])


@require_safe
def download_held_out(request: HttpRequest, flow_id: int) -> StreamingHttpResponse:
    """Download who is held out of a flow; every download is recorded."""
    flow = get_flow(request, flow_id, EXPORT_PEOPLE)
    lines = stream_held_out(flow, with_personal=may_see_personal(request))
    response = StreamingHttpResponse(mark_encoding(lines), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="holdout-{flow.key}.csv"'
    return response


def build_context(flow: Flow, results: FlowResults, currency: str) -> dict[str, Any]:
    comparison = results.comparison
    goal = str(LABELS_BY_MEANING[Meaning(results.goal)])
    return {
        **build_comparison_context(comparison, currency, recommended=results.recommended, days=flow.attribution_days),
        "conversion_text": describe_conversion(comparison, goal),
        "has_results": comparison.treated.customers + comparison.control.customers > 0,
    }


def describe_flow_results(flow: Flow, results: FlowResults, currency: str) -> str:
    """Return the headline, or what to do to get results."""
    comparison = results.comparison
    if comparison.verdict == "no_runs":
        return _("Nobody has entered since the holdout group was set. %(share)s of the customers will be held out.") % {
            "share": format_percent(float(flow.holdout_share))
        }
    if comparison.revenue is None and not flow.holdout_share:
        return _("This flow has no holdout group, so its effect is unknown. Set a share below to measure it.")
    if comparison.revenue is None:
        return _("Too few customers to compare yet: the flow needs at least two in each group.")
    return describe_comparison(comparison, currency)
