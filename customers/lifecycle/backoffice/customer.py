"""The page of one customer."""

from datetime import datetime
from typing import Any

from auditlog.signals import accessed
from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.timezone import localtime
from django.utils.translation import gettext as _

from customers.identity.backoffice.identity_graph import identity_graph
from customers.identity.consent.ledger import latest_consents
from customers.identity.customer_upsert import PERSONAL_FIELDS
from customers.identity.models import Customer, Identifier
from customers.lifecycle.backoffice.labels.clv_labels import value_words
from customers.lifecycle.backoffice.panels.predictions_panel import coming_section
from customers.lifecycle.backoffice.panels.registry import sections_of
from customers.lifecycle.clv.active_history import AliveHistory, alive_history
from customers.lifecycle.models import Stage
from customers.lifecycle.portrait import portrait_lines
from customers.lifecycle.portrait.customer_profile import latest_orders, order_moments, portrait, stage_history
from customers.lifecycle.portrait.preferences import HALF_LIFE_DAYS, WEIGHTS
from customers.lifecycle.portrait.queries import MOST_EVENTS, MOST_ORDERS
from customers.lifecycle.portrait.timeline import MOST_PAGES, timeline
from customers.lifecycle.refresh.score_models import latest_cards

MOVES = 200
MAY_SEE_PERSONAL = "identity.view_personal"


def customer_page(request: HttpRequest, *, model_admin: ModelAdmin, customer_id: int) -> HttpResponse:
    """Every opening is recorded in the audit log."""
    if not model_admin.has_view_permission(request):
        raise PermissionDenied
    with_personal = request.user.has_perm(MAY_SEE_PERSONAL)
    customer = get_object_or_404(Customer.objects.defer(*PERSONAL_FIELDS), pk=customer_id)
    accessed.send(Customer, instance=customer)
    identity = identity_graph(customer_id=customer_id, with_personal=with_personal)
    names = [one.value for one in identity.identifiers if one.kind == Identifier.Kind.USER_ID]
    now = timezone.now()
    moves = stage_history(customer_id=customer_id, most=MOVES)
    cards = latest_cards()
    lines = portrait_lines(customer_id=customer_id, as_of=now, with_personal=with_personal)
    told = portrait(customer_id=customer_id, cards=cards)
    found = told and told | lines.withheld()
    alive = None if lines.left_out else alive_history(customer_id=customer_id, as_of=now, cards=cards)
    return TemplateResponse(
        request,
        "admin/lifecycle/customer.html",
        {
            **model_admin.admin_site.each_context(request),
            "title": _("Customer %(name)s") % {"name": names[0] if names else customer},
            "opts": model_admin.opts,
            "customer": customer,
            "identity": identity,
            "identity_kinds": Identifier.Kind.choices,
            "portrait": found,
            "lines": lines,
            "half_life_days": HALF_LIFE_DAYS,
            "weights": WEIGHTS,
            "most_orders": MOST_ORDERS,
            "most_events": MOST_EVENTS,
            "value_words": value_words(found["value"], cards) if found else {},
            "coming": coming_section(found, cards) if found else [],
            "moves": moves,
            "moves_shown": MOVES,
            "orders": latest_orders(customer_id=customer_id),
            "chart": stage_chart(moves, order_moments(customer_id=customer_id)),
            "alive_chart": alive_chart(alive),
            "timeline": timeline(
                customer_id=customer_id,
                as_of=now,
                page=asked_page(request),
                with_events=request.user.has_perm("events.view_event"),
            ),
            "consents": latest_consents(customer=customer),
            "sections": sections_of(customer=customer, user=request.user, as_of=now),
        },
    )


def asked_page(request: HttpRequest) -> int:
    """The first where the address names none, or nonsense."""
    asked = request.GET.get("page", "")
    return int(asked) if asked.isascii() and asked.isdigit() and len(asked) <= len(str(MOST_PAGES)) else 1


def alive_chart(told: AliveHistory | None) -> dict[str, Any] | None:
    """In percent, with the orders below; None where there is nothing to draw."""
    if told is None or len(told.at) < 2:
        return None
    return {
        "kind": "curve",
        "at": [chart_moment(moment) for moment in told.at],
        "values": [round(100 * alive, 1) for alive in told.alive],
        "marks": [chart_moment(moment) for moment in told.ordered],
        "name": _("still a customer"),
        "marks_name": _("orders"),
    }


def stage_chart(moves: list[dict[str, Any]], orders: list[datetime]) -> dict[str, Any]:
    """The stages over time, oldest first, and the orders since the first of them; labels in the reader's language."""
    oldest_first = moves[::-1]
    return {
        "stages": [str(stage.label) for stage in Stage],
        "at": [chart_moment(move["at"]) for move in oldest_first],
        "values": [move["to_name"] for move in oldest_first],
        "reasons": [move["reason_name"] for move in oldest_first],
        "orders": [chart_moment(moment) for moment in orders if moves and moment >= moves[-1]["at"]],
        "orders_label": _("orders"),
        "stage_label": _("stage"),
    }


def chart_moment(moment: datetime) -> str:
    """Plotly knows no time zones: the wall clock of the reader's."""
    return localtime(moment).strftime("%Y-%m-%d %H:%M:%S")
