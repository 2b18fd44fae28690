"""The page of one customer: a header with three sentences, and tabs of which only the chosen one is computed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.utils.translation import gettext as _

from config.foundation.audit_log import record_access
from config.foundation.backoffice.pages import render_page
from config.foundation.number_formats import NO_VALUE, format_full_day, format_whole_money, format_whole_percent
from customers.identity.consent.ledger import apply_rules, read_latest_consents
from customers.identity.customer_upsert import PERSONAL_FIELDS
from customers.identity.models import Consent, Customer, Identifier
from customers.identity.personal_data.encrypted_field import UnreadableFieldError
from customers.identity.personal_data.masking import may_see_personal
from customers.lifecycle.backoffice.customer_names import get_customer_name
from customers.lifecycle.backoffice.customer_tabs import CustomerView, find_tab, list_tabs
from customers.lifecycle.backoffice.labels.customer_sentences import describe_customer
from customers.lifecycle.backoffice.labels.next_order_labels import describe_date_interval
from customers.lifecycle.backoffice.panels.predictions_panel import describe_target
from customers.lifecycle.models import ScoreModel
from customers.lifecycle.portrait.customer_profile import build_customer_profile, list_order_times
from customers.lifecycle.portrait.portrait import CustomerPortrait, find_withheld_reason
from customers.lifecycle.refresh.score_models import load_latest_score_models


def render_customer_page(request: HttpRequest, *, model_admin: ModelAdmin, customer_id: int) -> HttpResponse:
    """Render the header and the chosen tab of one customer, and record the access in the audit log."""
    if not model_admin.has_view_permission(request):
        raise PermissionDenied
    with_personal = may_see_personal(request)
    customer = get_object_or_404(Customer.objects.defer(*PERSONAL_FIELDS), pk=customer_id)
    record_access(model=Customer, pks=[customer_id], details={"personal": with_personal})
    tab = find_tab(request)
    view = read_customer(request, customer, with_reasons=tab.key == "predictions")
    return render_page(
        request,
        "admin/lifecycle/customer.html",
        title=make_title(customer, with_personal=with_personal),
        as_of=view.profile["computed_at"] if view.profile else None,
        opts=model_admin.opts,
        customer=customer,
        portrait=view.profile,
        withheld=view.withheld,
        sentences=make_sentences(view, with_consents=request.user.has_perm("identity.view_consent")),
        figures=make_figures(view.profile) if view.profile else [],
        consents=view.consents,
        tabs=list_tabs(request, current=tab),
        tab=tab,
        **tab.build(view),
    )


def read_customer(request: HttpRequest, customer: Customer, *, with_reasons: bool) -> CustomerView:
    """Return what the header shows of a customer."""
    now = timezone.now()
    score_models = load_latest_score_models()
    stored = build_customer_profile(
        customer_id=customer.pk, score_models=score_models, as_of=now, with_reasons=with_reasons
    )
    # Consent also covers the stored predictions, so the empty values of withheld fields replace those of the profile.
    withheld = CustomerPortrait(now, withheld="" if customer.erased_at else find_withheld_reason(customer.pk))
    return CustomerView(
        request=request,
        customer=customer,
        as_of=now,
        with_personal=may_see_personal(request),
        score_models=score_models,
        profile=stored and stored | withheld.make_withheld_fields(),
        withheld=withheld,
        order_times=list_order_times(customer_id=customer.pk),
        consents=read_latest_consents(customer=customer),
    )


def make_title(customer: Customer, *, with_personal: bool) -> str:
    """Return the name of the customer or, without a name that the reader may see, the user ID or customer number."""
    name = read_personal_name(customer) if with_personal else ""
    if name:
        return name
    identifiers = Identifier.objects.filter(customer=customer, kind=Identifier.Kind.USER_ID).order_by("pk")
    return _("Customer %(name)s") % {"name": get_customer_name(customer, identifiers, with_personal=with_personal)}


def read_personal_name(customer: Customer) -> str:
    """Return the name, or "" without one or without the key that encrypted it."""
    try:
        return str(Customer.objects.values_list("name", flat=True).get(pk=customer.pk))
    except UnreadableFieldError:
        return ""


def make_sentences(view: CustomerView, *, with_consents: bool) -> list[str]:
    """Return the three sentences; none without a profile."""
    if view.profile is None:
        return []
    effective = apply_rules(view.consents, country=view.customer.country, purposes=Consent.Purpose.values)
    granted = {purpose for purpose, consent in effective.items() if consent.is_allowed}
    return describe_customer(
        view.profile,
        order_times=view.order_times,
        granted=granted if with_consents else None,
        withheld_name=view.withheld.withheld_name,
        as_of=view.as_of,
    )


@dataclass(frozen=True)
class Figure:
    label: str
    value: str
    note: str
    url: str


def make_figures(profile: Mapping[str, Any]) -> list[Figure]:
    """Return the figures of the header: stage, predicted value, churn risk, next order. A note says why a value is missing."""
    stage, value, next_order = profile["stage"], profile["value"], profile["next_order"]
    churn: Mapping[str, Any] = next((row for row in profile["propensities"] if row["key"] == ScoreModel.Kind.CHURN), {})
    return [
        Figure(_("stage"), stage["name"], stage["reason_name"], "?tab=overview"),
        Figure(
            _("predicted value, next 12 months"),
            format_whole_money(value["value"], profile["currency"]),
            describe_spend_interval(value, profile["currency"]) or value["reason_name"],
            "?tab=predictions",
        ),
        Figure(
            _("churn risk"),
            format_whole_percent(churn.get("probability")) or NO_VALUE,
            describe_target(churn["key"], churn["horizon_days"])
            if churn.get("probability") is not None
            else churn.get("reason_name", ""),
            "?tab=predictions",
        ),
        Figure(
            _("next order"),
            format_full_day(next_order["likeliest"]),
            describe_date_interval(next_order) or next_order["reason_name"],
            "?tab=predictions",
        ),
    ]


def describe_spend_interval(value: Mapping[str, Any], currency: str) -> str:
    if value["spend_high"] is None:
        return ""
    return _("spend, 80%% interval: %(low)s to %(high)s") % {
        "low": format_whole_money(value["spend_low"], currency),
        "high": format_whole_money(value["spend_high"], currency),
    }
