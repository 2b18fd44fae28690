"""The page of one customer."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.defaultfilters import floatformat
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.formats import date_format, number_format
from django.utils.timezone import localtime
from django.utils.translation import gettext as _

from config.foundation.audit_log import record_access
from config.foundation.charts import ChartSpec, build_probability_history
from customers.identity.backoffice.identity_graph import build_identity_graph
from customers.identity.consent.ledger import read_latest_consents
from customers.identity.customer_upsert import PERSONAL_FIELDS
from customers.identity.models import Customer, Identifier
from customers.identity.personal_data.masking import may_see_personal
from customers.lifecycle.backoffice.customer_names import get_customer_name
from customers.lifecycle.backoffice.labels.clv_labels import describe_value
from customers.lifecycle.backoffice.panels.predictions_panel import build_predictions_panel
from customers.lifecycle.backoffice.panels.registry import build_customer_panels
from customers.lifecycle.clv.active_history import ActiveHistory, compute_active_history
from customers.lifecycle.models import Stage
from customers.lifecycle.portrait import build_portrait
from customers.lifecycle.portrait.customer_profile import (
    build_customer_profile,
    list_latest_orders,
    list_order_times,
    list_stage_changes,
)
from customers.lifecycle.portrait.preferences import ACTION_WEIGHTS, HALF_LIFE_DAYS
from customers.lifecycle.portrait.queries import MAX_EVENTS, MAX_ORDERS
from customers.lifecycle.portrait.timeline import MAX_PAGES, build_timeline
from customers.lifecycle.refresh.columns import PROFILE_COLUMNS, LineFormat
from customers.lifecycle.refresh.score_models import load_latest_score_models

MAX_STAGE_CHANGES = 200


def render_customer_page(request: HttpRequest, *, model_admin: ModelAdmin, customer_id: int) -> HttpResponse:
    """Render the page of one customer and record the access in the audit log."""
    if not model_admin.has_view_permission(request):
        raise PermissionDenied
    with_personal = may_see_personal(request)
    customer = get_object_or_404(Customer.objects.defer(*PERSONAL_FIELDS), pk=customer_id)
    record_access(model=Customer, pks=[customer_id], details={"personal": with_personal})
    identity = build_identity_graph(customer_id=customer_id, with_personal=with_personal)
    now = timezone.now()
    changes = list_stage_changes(customer_id=customer_id, limit=MAX_STAGE_CHANGES)
    score_models = load_latest_score_models()
    customer_portrait = build_portrait(customer_id=customer_id, as_of=now, with_personal=with_personal)
    stored_profile = build_customer_profile(customer_id=customer_id, score_models=score_models, as_of=now)
    # Consent also covers the stored predictions, so the fields that it withholds replace those of the profile.
    profile = stored_profile and stored_profile | customer_portrait.make_withheld_fields()
    active_history = (
        None
        if customer_portrait.withheld
        else compute_active_history(customer_id=customer_id, as_of=now, score_models=score_models)
    )
    return TemplateResponse(
        request,
        "admin/lifecycle/customer.html",
        {
            **model_admin.admin_site.each_context(request),
            "title": _("Customer %(name)s")
            % {"name": get_customer_name(customer, identity.identifiers, with_personal=with_personal)},
            "opts": model_admin.opts,
            "customer": customer,
            "identity": identity,
            "identity_kinds": Identifier.Kind.choices,
            "portrait": profile,
            "customer_portrait": customer_portrait,
            "half_life_days": HALF_LIFE_DAYS,
            "weights": ACTION_WEIGHTS,
            "max_orders": MAX_ORDERS,
            "max_events": MAX_EVENTS,
            "profile_lines": make_profile_lines(profile["counters"]) if profile else [],
            "value_labels": describe_value(profile["value"], score_models) if profile else {},
            "predictions": build_predictions_panel(profile, score_models) if profile else [],
            "stage_changes": changes,
            "max_stage_changes": MAX_STAGE_CHANGES,
            "orders": list_latest_orders(customer_id=customer_id),
            "chart": make_stage_chart(changes, list_order_times(customer_id=customer_id)),
            "active_chart": make_active_chart(active_history),
            "timeline": build_timeline(
                customer_id=customer_id,
                as_of=now,
                page=parse_page(request),
                with_events=request.user.has_perm("events.view_event"),
                with_personal=with_personal,
            ),
            "consents": read_latest_consents(customer=customer),
            "panels": build_customer_panels(customer=customer, user=request.user, as_of=now),
        },
    )


def make_profile_lines(counters: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the lines of the profile table that `PROFILE_COLUMNS` declares."""
    return [
        {
            "name": column.field.verbose_name,
            "value": LINE_FORMATS[column.line.format](counters[column.name]),
            "source": column.line.source,
            "newest": counters[column.line.newest] if column.line.newest else None,
        }
        for column in PROFILE_COLUMNS
        if column.line
    ]


LINE_FORMATS: Mapping[LineFormat, Callable[[Any], str]] = {
    "integer": lambda value: number_format(value, force_grouping=True),
    "quantity": lambda value: floatformat(value, "-3g"),
    "money": lambda value: floatformat(value, "2g") or "–",
    "date": lambda value: date_format(localtime(value), "DATE_FORMAT") if value else "–",
}


def parse_page(request: HttpRequest) -> int:
    """Return the page number of the URL, or 1 if it is missing or invalid."""
    page = request.GET.get("page", "")
    return int(page) if page.isascii() and page.isdigit() and len(page) <= len(str(MAX_PAGES)) else 1


def make_active_chart(history: ActiveHistory | None) -> ChartSpec | None:
    """Return the chart of the probability active in percent; None with fewer than two points."""
    if history is None or len(history.at) < 2:
        return None
    return build_probability_history(
        times=[to_chart_time(moment) for moment in history.at],
        percentages=[round(100 * probability, 1) for probability in history.p_alive],
        name=_("probability active"),
        marks=[to_chart_time(moment) for moment in history.ordered],
        marks_name=_("orders"),
    )


def make_stage_chart(changes: list[dict[str, Any]], orders: list[datetime]) -> dict[str, Any]:
    """Return the stages over time, oldest first, and the orders since the first stage change."""
    oldest_first = changes[::-1]
    return {
        "stages": [str(stage.label) for stage in Stage],
        "at": [to_chart_time(change["at"]) for change in oldest_first],
        "values": [change["to_name"] for change in oldest_first],
        "reasons": [change["reason_name"] for change in oldest_first],
        "orders": [to_chart_time(moment) for moment in orders if changes and moment >= changes[-1]["at"]],
        "orders_label": _("orders"),
        "stage_label": _("stage"),
    }


def to_chart_time(moment: datetime) -> str:
    """Return the local time of the reader, because Plotly has no time zones."""
    return localtime(moment).strftime("%Y-%m-%d %H:%M:%S")
