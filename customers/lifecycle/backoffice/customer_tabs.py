"""The tabs of the customer page, each with its own queries."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.http import HttpRequest
from django.template.defaultfilters import floatformat
from django.utils.formats import date_format, number_format
from django.utils.functional import Promise
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from config.foundation.charts import ChartSpec, build_probability_history, build_state_history
from config.foundation.number_formats import format_money
from customers.identity.backoffice.identity_graph import build_identity_graph
from customers.identity.backoffice.trait_forms import make_trait_forms
from customers.identity.models import Consent, Customer, Identifier
from customers.lifecycle.backoffice.labels.amount_labels import describe_left_out
from customers.lifecycle.backoffice.labels.clv_labels import describe_value
from customers.lifecycle.backoffice.labels.consent_labels import label_consent_source
from customers.lifecycle.backoffice.labels.next_order_labels import describe_date_interval
from customers.lifecycle.backoffice.panels.predictions_panel import build_predictions_panel
from customers.lifecycle.backoffice.panels.registry import build_customer_panels, list_visible_panels
from customers.lifecycle.clv.active_history import ActiveHistory, compute_active_history
from customers.lifecycle.models import Stage
from customers.lifecycle.portrait import build_portrait
from customers.lifecycle.portrait.customer_profile import (
    count_orders_in_other_currencies,
    list_latest_orders,
    list_stage_changes,
)
from customers.lifecycle.portrait.portrait import CustomerPortrait
from customers.lifecycle.portrait.preferences import ACTION_WEIGHTS, HALF_LIFE_DAYS
from customers.lifecycle.portrait.queries import MAX_EVENTS, MAX_ORDERS
from customers.lifecycle.portrait.timeline import MAX_PAGES, build_timeline
from customers.lifecycle.refresh.columns import PROFILE_COLUMNS, LineFormat
from customers.lifecycle.refresh.score_models import ScoreModelsByKind

MAX_STAGE_CHANGES = 200
type Context = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class CustomerView:
    """What every tab shows of a customer.

    profile: of `build_customer_profile`, without data withheld for lack of consent; None without one. withheld: a portrait without lines.
    """

    request: HttpRequest
    customer: Customer
    as_of: datetime
    with_personal: bool
    score_models: ScoreModelsByKind
    profile: Context | None
    withheld: CustomerPortrait
    order_times: list[datetime]
    consents: list[Consent]


@dataclass(frozen=True, kw_only=True)
class CustomerTab:
    """A tab. needs_panel: it consists of panels and is hidden from users who may view none of them."""

    key: str
    label: str | Promise
    template: str
    build: Callable[[CustomerView], Context]
    permission: str = ""
    needs_panel: bool = False

    def is_visible(self, request: HttpRequest) -> bool:
        if self.permission and not request.user.has_perm(self.permission):
            return False
        return not self.needs_panel or bool(list_visible_panels(user=request.user, tab=self.key))


@dataclass(frozen=True)
class TabLink:
    label: str | Promise
    url: str
    is_current: bool


def find_tab(request: HttpRequest) -> CustomerTab:
    """Return the tab of the URL, or the first one if it is unknown or the user may not view it."""
    key = request.GET.get("tab", "")
    return next((tab for tab in TABS if tab.key == key and tab.is_visible(request)), TABS[0])


def list_tabs(request: HttpRequest, *, current: CustomerTab) -> list[TabLink]:
    return [TabLink(tab.label, f"?tab={tab.key}", tab.key == current.key) for tab in TABS if tab.is_visible(request)]


def build_overview(view: CustomerView) -> Context:
    """Return counters, stage history, latest orders and the panels of the overview."""
    changes = list_stage_changes(customer_id=view.customer.pk, limit=MAX_STAGE_CHANGES)
    return {
        "stage_changes": changes,
        "max_stage_changes": MAX_STAGE_CHANGES,
        "orders": list_latest_orders(customer_id=view.customer.pk),
        "left_out": describe_left_out(
            count_orders_in_other_currencies(customer_id=view.customer.pk, currency=view.profile["currency"]),
            view.profile["currency"],
        )
        if view.profile
        else "",
        "chart": make_stage_chart(
            changes, view.order_times, end=view.profile["computed_at"] if view.profile else view.as_of
        ),
        "panels": build_panels(view, "overview"),
    }


def build_timeline_tab(view: CustomerView) -> Context:
    return {
        "timeline": build_timeline(
            customer_id=view.customer.pk,
            as_of=view.as_of,
            page=parse_page(view.request),
            with_events=view.request.user.has_perm("events.view_event"),
            with_personal=view.with_personal,
        )
    }


def build_profile_tab(view: CustomerView) -> Context:
    """Return the portrait, the counters with their sources, and the identifiers."""
    portrait = build_portrait(customer_id=view.customer.pk, as_of=view.as_of, with_personal=view.with_personal)
    may_edit = view.request.user.has_perm("identity.change_customer") and not view.customer.erased_at
    return {
        "trait_forms": make_trait_forms(view.customer, with_personal=view.with_personal) if may_edit else None,
        "identity": build_identity_graph(customer_id=view.customer.pk, with_personal=view.with_personal),
        "identity_kinds": Identifier.Kind.choices,
        "customer_portrait": portrait,
        "half_life_days": HALF_LIFE_DAYS,
        "weights": ACTION_WEIGHTS,
        "max_orders": MAX_ORDERS,
        "max_events": MAX_EVENTS,
        "profile_lines": make_profile_lines(view.profile["counters"], view.profile["currency"]) if view.profile else [],
        "panels": build_panels(view, "profile"),
    }


def build_predictions_tab(view: CustomerView) -> Context:
    """Return the predictions and the probability active over time; neither if they are withheld for lack of consent."""
    if view.profile is None or view.withheld.withheld:
        return {"predictions": [], "active_chart": None, "value_labels": {}, "next_order_label": ""}
    history = compute_active_history(customer_id=view.customer.pk, as_of=view.as_of, score_models=view.score_models)
    return {
        "predictions": build_predictions_panel(view.profile, view.score_models),
        "active_chart": make_active_chart(history),
        "value_labels": describe_value(view.profile["value"], view.score_models),
        "next_order_label": describe_date_interval(view.profile["next_order"]),
    }


def build_recommendations_tab(view: CustomerView) -> Context:
    return {"panels": build_panels(view, "recommendations")}


def build_messages_tab(view: CustomerView) -> Context:
    return {"panels": build_panels(view, "messages")}


def build_loyalty_tab(view: CustomerView) -> Context:
    return {"panels": build_panels(view, "loyalty")}


def build_privacy_tab(view: CustomerView) -> Context:
    return {
        "consent_lines": [(entry, label_consent_source(entry.source)) for entry in view.consents],
        "panels": build_panels(view, "privacy"),
    }


def build_panels(view: CustomerView, tab: str) -> list[Any]:
    return build_customer_panels(customer=view.customer, user=view.request.user, as_of=view.as_of, tab=tab)


TABS = (
    CustomerTab(
        key="overview",
        label=gettext_lazy("Overview"),
        template="admin/lifecycle/customer/overview.html",
        build=build_overview,
    ),
    CustomerTab(
        key="timeline",
        label=gettext_lazy("Timeline"),
        template="admin/lifecycle/timeline.html",
        build=build_timeline_tab,
    ),
    CustomerTab(
        key="profile",
        label=gettext_lazy("Profile"),
        template="admin/lifecycle/customer/profile.html",
        build=build_profile_tab,
    ),
    CustomerTab(
        key="predictions",
        label=gettext_lazy("Predictions"),
        template="admin/lifecycle/customer/predictions.html",
        build=build_predictions_tab,
    ),
    CustomerTab(
        key="recommendations",
        label=gettext_lazy("Recommendations"),
        template="admin/lifecycle/customer/panels.html",
        build=build_recommendations_tab,
        needs_panel=True,
    ),
    CustomerTab(
        key="messages",
        label=gettext_lazy("Messages"),
        template="admin/lifecycle/customer/panels.html",
        build=build_messages_tab,
        needs_panel=True,
    ),
    CustomerTab(
        key="loyalty",
        label=gettext_lazy("Loyalty"),
        template="admin/lifecycle/customer/panels.html",
        build=build_loyalty_tab,
        needs_panel=True,
    ),
    CustomerTab(
        key="privacy",
        label=pgettext_lazy("customer", "Privacy"),
        template="admin/lifecycle/customer/privacy.html",
        build=build_privacy_tab,
        permission="identity.view_consent",
    ),
)


def make_profile_lines(counters: Mapping[str, Any], currency: str) -> list[dict[str, Any]]:
    """Return the lines of the profile table that `PROFILE_COLUMNS` declares."""
    return [
        {
            "name": column.field.verbose_name,
            "value": LINE_FORMATS[column.line.format](counters[column.name], currency),
            "source": column.line.source,
            "newest": counters[column.line.newest] if column.line.newest else None,
        }
        for column in PROFILE_COLUMNS
        if column.line
    ]


LINE_FORMATS: Mapping[LineFormat, Callable[[Any, str], str]] = {
    "integer": lambda value, _currency: number_format(value, force_grouping=True),
    "quantity": lambda value, _currency: floatformat(value, "-3g"),
    "money": format_money,
    "date": lambda value, _currency: date_format(localtime(value), "DATE_FORMAT") if value else "–",
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


def make_stage_chart(changes: list[dict[str, Any]], orders: list[datetime], *, end: datetime) -> ChartSpec | None:
    """Return the stages over time and the orders since the first stage change; None without a stage change."""
    if not changes:
        return None
    oldest_first = changes[::-1]
    return build_state_history(
        states=[str(stage.label) for stage in Stage],
        times=[to_chart_time(change["at"]) for change in oldest_first],
        values=[change["to_name"] for change in oldest_first],
        texts=[f"{change['reason_name']} (v{change['rules_version']})" for change in oldest_first],
        end=to_chart_time(end),
        name=_("stage"),
        marks=[to_chart_time(moment) for moment in orders if moment >= changes[-1]["at"]],
        marks_name=_("orders"),
    )


def to_chart_time(moment: datetime) -> str:
    """Return the local time of the reader, because Plotly has no time zones."""
    return localtime(moment).strftime("%Y-%m-%d %H:%M:%S")
