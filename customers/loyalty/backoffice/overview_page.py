"""The overview of the loyalty program."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from config.foundation.backoffice.pages import render_page
from config.foundation.backoffice.permissions import check_permissions
from config.foundation.backoffice.tables import Cell, Column, build_table
from config.foundation.number_formats import format_count, format_money, format_whole_percent
from customers.identity.backoffice.customer_links import make_customers_url
from customers.lifecycle.facts.amounts import get_amount_currency
from customers.loyalty.backoffice.access import CHANGE_RULES, VIEW, VIEW_COUPONS, VIEW_CUSTOMERS, VIEW_LEDGER
from customers.loyalty.models import LoyaltyLevel, LoyaltyProgram
from customers.loyalty.overview import MonthOfPoints, ProgramFigures, get_program_figures, is_uncounted
from customers.loyalty.program import load_program

LEVEL_COLUMNS = (
    Column(key="level", label=gettext_lazy("Level"), align="text"),
    Column(key="members", label=gettext_lazy("Loyalty members")),
    Column(key="share", label=gettext_lazy("Share")),
    Column(key="points", label=gettext_lazy("Points")),
)
MONTH_COLUMNS = (
    Column(key="month", label=gettext_lazy("Month"), align="text"),
    Column(key="issued", label=gettext_lazy("Issued")),
    Column(key="spent", label=gettext_lazy("Spent")),
    Column(key="expired", label=gettext_lazy("Expired")),
    Column(key="reversed", label=gettext_lazy("Taken back")),
)


def show_overview(request: HttpRequest) -> HttpResponse:
    """Show members by level, points by month and the liability."""
    check_permissions(request, VIEW)
    program, currency = load_program(), get_amount_currency()
    figures = get_program_figures(now=timezone.now())
    liability = format_money(figures.outstanding * program.point_value, currency)
    levels: list[LoyaltyLevel | None] = [*LoyaltyLevel.objects.order_by("-position"), None]
    sees_customers, sees_ledger = map(request.user.has_perm, (VIEW_CUSTOMERS, VIEW_LEDGER))

    def format_level(level: LoyaltyLevel | None) -> dict[str, Any]:
        row = figures.count_level(level.pk if level else None)
        return {
            "level": level.label if level else _("No level"),
            "members": Cell(
                format_count(row.members),
                # there is no condition for members without a level
                url=make_level_url(level) if sees_customers and row.members and level else "",
            ),
            "share": format_whole_percent(row.members / figures.members if figures.members else None),
            "points": format_count(row.points),
        }

    return render_page(
        request,
        "admin/loyalty/overview.html",
        title=_("Loyalty"),
        verdict=describe_program(program, figures, liability),
        as_of=figures.as_of,
        program=program,
        figures=figures,
        liability=liability,
        point_value=format_money(program.point_value, currency),
        may_change=request.user.has_perm(CHANGE_RULES),
        balance_url=make_balance_url("gt") if sees_customers and figures.outstanding else "",
        negative_url=make_balance_url("lt") if sees_customers else "",
        ledger_url=reverse("loyalty:ledger") if sees_ledger else "",
        coupons_url=reverse("message_templates:coupons") if request.user.has_perm(VIEW_COUPONS) else "",
        levels=build_table(
            request, levels, id="levels", label=_("Levels"), columns=LEVEL_COLUMNS, format_row=format_level
        ),
        months=build_table(
            request,
            figures.months,
            id="months",
            label=_("Points by month"),
            columns=MONTH_COLUMNS,
            format_row=format_month,
        ),
    )


def make_level_url(level: LoyaltyLevel) -> str:
    """Return the URL of the customers of a level."""
    return make_customers_url({"all": [{"field": "loyalty_level", "op": "eq", "value": level.key}]})


def make_balance_url(operator: str) -> str:
    """Return the URL of the customers whose points are more ("gt") or less ("lt") than 0."""
    return make_customers_url({"all": [{"field": "loyalty_points", "op": operator, "value": 0}]})


def format_month(row: MonthOfPoints) -> dict[str, Any]:
    values = {name: format_count(getattr(row, name)) for name in ("issued", "spent", "expired", "reversed")}
    return {"month": date_format(row.month, "YEAR_MONTH_FORMAT"), **values}


def describe_program(program: LoyaltyProgram, figures: ProgramFigures, liability: str) -> str:
    """Return the state of the program in one sentence."""
    if not program.is_enabled:
        return _("The program is not running: no points are posted and no levels change.") if figures.members else ""
    if is_uncounted(program):
        return _(
            "The levels and points of customers are still being calculated in the background. Reload this page later."
        )
    text = ngettext(
        "%(members)s member holds points worth %(liability)s.",
        "%(members)s members hold points worth %(liability)s.",
        figures.holders,
    )
    return text % {
        "members": format_count(figures.holders),
        "liability": liability,
    }
