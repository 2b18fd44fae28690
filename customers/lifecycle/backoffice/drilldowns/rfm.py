"""Customers of an RFM cell or group, and customers who changed group."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from django.utils.formats import date_format, number_format
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from config.foundation.number_formats import join_label
from customers.lifecycle.backoffice.drilldowns.drilldown import (
    Drilldown,
    DrilldownError,
    make_comparison,
    make_condition,
)
from customers.lifecycle.models import CustomerProfile, RfmGroup
from customers.lifecycle.rfm.months import list_month_ends
from customers.lifecycle.rfm.queries import (
    ALL_TIME,
    BASES,
    CELLS_BY_GROUP,
    RfmBasis,
    get_profiles_run,
    get_window_days,
    make_cell_expression,
)
from customers.lifecycle.scoring.rfm.rfm_scores import BINS, RFM_CELLS

NO_GROUP = "none"  # URL value for customers without an RFM group
ANY_GROUP = "any"  # URL value for customers of all groups before, or after


@dataclass(frozen=True)
class MonthEnd:
    """A month end with known RFM groups. months_back: counted from the last month end."""

    key: str
    name: str
    months_back: int


def parse_rfm_cell(parameters: Mapping[str, str]) -> Drilldown:
    basis = parse_basis(parameters)
    scores = {name: parameters.get(name, "") for name in ("r", "f")}
    if not all(score in {str(number) for number in range(1, BINS + 1)} for score in scores.values()):
        raise DrilldownError([_("R and F must be between 1 and 5.")])
    r, f = int(scores["r"]), int(scores["f"])
    return Drilldown(
        title=join_label(f"R {r} · F {f}", get_group_label(RFM_CELLS[r - 1][f - 1], basis)),
        note=get_basis_label(basis),
        customers=CustomerProfile.objects.filter(**{basis.r: r, basis.f: f}),
        parameters={"figure": "rfm-cell", "basis": basis.key, **scores},
        condition=make_condition(make_comparison(basis.r, "eq", r), make_comparison(basis.f, "eq", f)),
    )


def parse_rfm_group(parameters: Mapping[str, str]) -> Drilldown:
    basis, group = parse_basis(parameters), parse_group_key(parameters.get("group", ""))
    if not group:
        raise DrilldownError([_("The link has no valid RFM group. Choose one on the Lifecycle page.")])
    return Drilldown(
        title=capfirst(get_group_label(group, basis)),
        note=get_basis_label(basis),
        customers=CustomerProfile.objects.filter(**{basis.group: group}),
        parameters={"figure": "rfm-group", "basis": basis.key, "group": group},
        condition=make_condition(make_comparison(basis.group, "in", [group])),
    )


def parse_rfm_flow(parameters: Mapping[str, str]) -> Drilldown:
    """Parse a change between two RFM groups from one month end to another, or all customers of a group at one of them.

    Customers without a group at both month ends are left out, as in the table.
    """
    basis = parse_basis(parameters)
    old, new = (parse_group_or_any(parameters.get(name, "")) for name in ("from", "to"))
    months = {month.key: month for month in list_known_months()}
    since, until = months.get(parameters.get("since", "")), months.get(parameters.get("until", ""))
    if since is None or until is None or (old, new) in {("", ""), (None, None)}:
        raise DrilldownError([_("The link has no valid groups or months. Choose a number on the Lifecycle page.")])
    period = {"rfm": basis.key, "rfm_since": since.key, "rfm_until": until.key}
    return Drilldown(
        title=capfirst(" → ".join(get_group_label(group, basis) for group in (old, new) if group is not None)),
        note=f"{describe_months(old, new, since, until)}, {get_basis_label(basis)}",
        customers=CustomerProfile.objects.annotate(
            cell_before=make_cell_expression(basis=basis, months_back=since.months_back),
            cell_after=make_cell_expression(basis=basis, months_back=until.months_back),
        ).filter(cell_before__in=list_cells(old, other=new), cell_after__in=list_cells(new, other=old)),
        parameters={
            "figure": "rfm-flow",
            "basis": basis.key,
            "since": since.key,
            "until": until.key,
            "from": ANY_GROUP if old is None else old or NO_GROUP,
            "to": ANY_GROUP if new is None else new or NO_GROUP,
        },
        period=period,
        now={"figure": "rfm-group", "basis": basis.key, "group": new} if old is None and new else {},
    )


def describe_months(old: str | None, new: str | None, since: MonthEnd, until: MonthEnd) -> str:
    """Return the month ends of a change; for all customers of one group, the month end at which they had it."""
    if old is None:
        return until.name
    return since.name if new is None else f"{since.name} – {until.name}"


def list_cells(group: str | None, *, other: str | None) -> list[int]:
    """Return the RFM cells of a group; of all groups if it is None.

    All groups include customers without a group, unless they have no group at the other month end either.
    """
    if group is not None:
        return CELLS_BY_GROUP[group]
    return [cell for name, cells in CELLS_BY_GROUP.items() if name or other for cell in cells]


def parse_basis(parameters: Mapping[str, str]) -> RfmBasis:
    basis = BASES.get(parameters.get("basis", ALL_TIME.key))
    if basis is None:
        raise DrilldownError([_("The basis must be all or window.")])
    return basis


def parse_group_key(group: str) -> str:
    """Return the RFM group of a URL; "" for customers without one."""
    if group not in {NO_GROUP, *RfmGroup.values}:
        raise DrilldownError([_("The link has no valid RFM group. Choose one on the Lifecycle page.")])
    return "" if group == NO_GROUP else group


def parse_group_or_any(group: str) -> str | None:
    """Return the RFM group of a URL; None for any group."""
    return None if group == ANY_GROUP else parse_group_key(group)


def get_group_label(group: str, basis: RfmBasis) -> str:
    if group:
        return str(RfmGroup(group).label)
    return _("no order yet") if basis is ALL_TIME else _("no order in the window")


def get_basis_label(basis: RfmBasis) -> str:
    """Return the label of the period: all time, or the days of the window."""
    if basis is ALL_TIME:
        return _("all time")
    run = get_profiles_run()
    days = get_window_days(run) if run else None
    if days is None:
        return _("the RFM window")
    return _("the last %(days)s days") % {"days": number_format(days, force_grouping=True)}


def list_known_months() -> list[MonthEnd]:
    """Return the month ends with RFM groups in the profiles, latest first.

    There are none before the first refresh.
    """
    run = get_profiles_run()
    if run is None or get_window_days(run) is None:
        return []
    ends = [end - timedelta(days=1) for end in reversed(list_month_ends(as_of=run.as_of))]
    return [
        MonthEnd(
            key=f"{day:%Y-%m}",
            name=_("end of %(month)s") % {"month": date_format(day.date(), "YEAR_MONTH_FORMAT")},
            months_back=months_back,
        )
        for months_back, day in enumerate(ends)
    ]
