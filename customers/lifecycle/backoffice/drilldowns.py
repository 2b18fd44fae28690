"""The people behind a figure of the Lifecycle page, named by the parameters of an address; how a segment would say who they are."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import urlencode

from django.db.models import QuerySet
from django.urls import reverse
from django.utils.formats import date_format, number_format
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import pgettext_lazy

from customers.lifecycle.backoffice.date_range import Range, RangeForm
from customers.lifecycle.backoffice.labels.cluster_labels import cluster_names
from customers.lifecycle.models import CustomerProfile, RfmGroup, ScoreModel, Stage
from customers.lifecycle.propensity.models import KINDS as PROPENSITIES
from customers.lifecycle.refresh.score_models import latest_cards
from customers.lifecycle.rfm.months import month_ends
from customers.lifecycle.rfm.queries import ALL_TIME, BASES, CELLS_OF, Basis, cell_at, profiles_run, window_days
from customers.lifecycle.scoring.rfm.rfm_scores import BINS, CELLS
from customers.lifecycle.stages.flows import people_who_moved

UNKNOWN = "unknown"  # what an address calls those who were not known then
NONE = "none"  # and those who had no RFM group
UNKNOWN_NAME = pgettext_lazy("stage", "not known yet")
LARGEST = Decimal(10) ** 11  # that a condition of a segment takes
OPERATORS = {"low": "gte", "high": "lte", "below": "lt"}
SIGNS = {"low": "≥", "high": "≤", "below": "<"}

type Tree = dict[str, Any]


class SelectionError(ValueError):
    """An address that names nobody. problems: what is wrong, in words."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


@dataclass(frozen=True)
class Selection:
    """Some customers. condition: the tree of a segment that holds for exactly them, now and later; None where there is none.

    title and note say who they are; asked: the parameters of the address; days: of the movement, for the way back.
    """

    title: str
    note: str
    people: QuerySet[CustomerProfile]
    asked: dict[str, str]
    condition: Tree | None = None
    days: dict[str, str] = field(default_factory=dict)

    @property
    def address(self) -> str:
        return urlencode(self.asked)


def people_link(of: str, **asked: Any) -> str:
    """The page of a selection."""
    return f"{reverse('admin:lifecycle_people')}?{urlencode({'of': of, **asked})}"


def read_selection(asked: Mapping[str, str]) -> Selection:
    """The people that an address names. Errors: SelectionError."""
    read = KINDS.get(asked.get("of", ""))
    if read is None:
        raise SelectionError([_("The address names no figure. Choose one on the lifecycle page.")])
    return read(asked)


def read_moved(asked: Mapping[str, str]) -> Selection:
    """Between two stages; who moved is known of two days only, so no condition tells it."""
    old, new = asked.get("from", ""), asked.get("to", "")
    if old not in {UNKNOWN, *Stage.values} or new not in Stage.values:
        raise SelectionError(
            [_("The address names no stage to come from or to go to. Choose a cell on the lifecycle page.")]
        )
    form = RangeForm.asked(asked)
    if not form.is_valid():
        raise SelectionError(
            [
                f"{capfirst(str(form.fields[name].label))}: {text}"
                for name, texts in form.errors.items()
                for text in texts
            ]
        )
    found, stage = Range.of(form), "" if old == UNKNOWN else old
    return Selection(
        title=f"{capfirst(stage_name(stage))} → {stage_name(new)}",
        note=" – ".join(date_format(form.cleaned_data[name], "DATE_FORMAT") for name in ("since", "until")),
        people=people_who_moved(since=found.since, until=found.until, from_stage=stage, to_stage=new),
        asked={"of": "moved", "from": old, "to": new, **form.days()},
        days=form.days(),
    )


def read_stage(asked: Mapping[str, str]) -> Selection:
    stage = asked.get("stage", "")
    if stage not in Stage.values:
        raise SelectionError([_("The address names no stage. Choose one on the lifecycle page.")])
    return Selection(
        title=capfirst(stage_name(stage)),
        note=_("stage now"),
        people=CustomerProfile.objects.filter(stage=stage),
        asked={"of": "stage", "stage": stage},
        condition=all_of(compared("stage", "in", [stage])),
    )


def read_cell(asked: Mapping[str, str]) -> Selection:
    basis = basis_of(asked)
    scores = {name: asked.get(name, "") for name in ("r", "f")}
    if not all(score in {str(number) for number in range(1, BINS + 1)} for score in scores.values()):
        raise SelectionError([_("Give R and F from 1 to 5.")])
    r, f = int(scores["r"]), int(scores["f"])
    return Selection(
        title=f"R {r} · F {f}: {group_name(CELLS[r - 1][f - 1], basis)}",
        note=basis_name(basis),
        people=CustomerProfile.objects.filter(**{basis.r: r, basis.f: f}),
        asked={"of": "rfm-cell", "basis": basis.key, **scores},
        condition=all_of(compared(basis.r, "eq", r), compared(basis.f, "eq", f)),
    )


def read_group(asked: Mapping[str, str]) -> Selection:
    basis, group = basis_of(asked), group_of_address(asked.get("group", ""))
    if not group:
        raise SelectionError([_("The address names no RFM group. Choose one on the lifecycle page.")])
    return Selection(
        title=capfirst(group_name(group, basis)),
        note=basis_name(basis),
        people=CustomerProfile.objects.filter(**{basis.group: group}),
        asked={"of": "rfm-group", "basis": basis.key, "group": group},
        condition=all_of(compared(basis.group, "in", [group])),
    )


def read_group_moved(asked: Mapping[str, str]) -> Selection:
    """Between two RFM groups from one month end to another."""
    basis = basis_of(asked)
    old, new = group_of_address(asked.get("from", "")), group_of_address(asked.get("to", ""))
    months = {month.key: month for month in known_months()}
    since, until = months.get(asked.get("since", "")), months.get(asked.get("until", ""))
    if since is None or until is None or (not old and not new):
        raise SelectionError(
            [
                _(
                    "The address does not name two groups and two of the last twelve months. Choose a cell on the lifecycle page."
                )
            ]
        )
    days = {"rfm": basis.key, "rfm_since": since.key, "rfm_until": until.key}
    return Selection(
        title=f"{capfirst(group_name(old, basis))} → {group_name(new, basis)}",
        note=f"{since.name} – {until.name}, {basis_name(basis)}",
        people=CustomerProfile.objects.annotate(
            was=cell_at(basis=basis, back=since.back), became=cell_at(basis=basis, back=until.back)
        ).filter(was__in=CELLS_OF[old], became__in=CELLS_OF[new]),
        asked={
            "of": "rfm-moved",
            "basis": basis.key,
            "since": since.key,
            "until": until.key,
            "from": old or NONE,
            "to": new or NONE,
        },
        days=days,
    )


def read_value(asked: Mapping[str, str]) -> Selection:
    """Of a value from ``low`` to ``high``, to which ``below`` does not belong where it is given instead."""
    amounts = amounts_of(asked)
    if not amounts or not all(abs(amount) < LARGEST for amount in amounts.values()):
        raise SelectionError([_("Give amounts such as 12.50.")])
    return between(
        "value", amounts, asked={"of": "value"}, title=_("Value of the coming twelve months"), shown=shown_amount
    )


def read_chance(asked: Mapping[str, str]) -> Selection:
    """Of a probability of churn or of a purchase; its ends as of a value, from 0 to 1."""
    kind, chances = asked.get("kind", ""), amounts_of(asked)
    if kind not in PROPENSITIES or not chances or not all(0 <= chance <= 1 for chance in chances.values()):
        raise SelectionError([_("The address names no probability. Choose a bar on the lifecycle page.")])
    title = capfirst(str(ScoreModel.Kind(kind).label))
    return between(kind, chances, asked={"of": "chance", "kind": kind}, title=title, shown=shown_percent)


def amounts_of(asked: Mapping[str, str]) -> dict[str, Decimal]:
    """The ends of a range; empty where one of them is no number."""
    try:
        amounts = {name: Decimal(asked[name]) for name in OPERATORS if asked.get(name)}
    except InvalidOperation:
        return {}
    return amounts if all(amount.is_finite() for amount in amounts.values()) else {}


def between(
    column: str, ends: Mapping[str, Decimal], *, asked: dict[str, str], title: str, shown: Callable[[Decimal], str]
) -> Selection:
    return Selection(
        title=title,
        note=", ".join(f"{SIGNS[name]} {shown(end)}" for name, end in ends.items()),
        people=CustomerProfile.objects.filter(
            **{
                f"{column}__{OPERATORS[name]}": float(end) if column in PROPENSITIES else end
                for name, end in ends.items()
            }
        ),
        asked={**asked, **{name: str(end) for name, end in ends.items()}},
        condition=all_of(*(compared(column, OPERATORS[name], float(end)) for name, end in ends.items())),
    )


def shown_amount(amount: Decimal) -> str:
    return number_format(amount, force_grouping=True)


def shown_percent(chance: Decimal) -> str:
    return f"{number_format((100 * chance).normalize())} %"


def read_cluster(asked: Mapping[str, str]) -> Selection:
    number = asked.get("cluster", "")
    if not (number.isascii() and number.isdecimal() and len(number) < 10):
        raise SelectionError([_("The address names no group. Choose one on the lifecycle page.")])
    card = latest_cards().get(ScoreModel.Kind.CLUSTERS)
    name = cluster_names(card).get(int(number), "") if card else ""
    return Selection(
        title=_("Group %(number)s") % {"number": int(number)},
        note=name,
        people=CustomerProfile.objects.filter(cluster=int(number)),
        asked={"of": "cluster", "cluster": number},
        condition=all_of(compared("cluster", "eq", int(number))),
    )


KINDS: Mapping[str, Callable[[Mapping[str, str]], Selection]] = {
    "moved": read_moved,
    "stage": read_stage,
    "rfm-cell": read_cell,
    "rfm-group": read_group,
    "rfm-moved": read_group_moved,
    "value": read_value,
    "chance": read_chance,
    "cluster": read_cluster,
}


def compared(name: str, op: str, value: Any) -> Tree:
    return {"field": name, "op": op, "value": value}


def all_of(*comparisons: Tree) -> Tree:
    return {"all": list(comparisons)}


def basis_of(asked: Mapping[str, str]) -> Basis:
    basis = BASES.get(asked.get("basis", ALL_TIME.key))
    if basis is None:
        raise SelectionError([_("Give all or window as the basis.")])
    return basis


def group_of_address(group: str) -> str:
    """ "" for those who had none."""
    if group not in {NONE, *RfmGroup.values}:
        raise SelectionError([_("The address names no RFM group. Choose one on the lifecycle page.")])
    return "" if group == NONE else group


def stage_name(stage: str) -> str:
    return str(Stage(stage).label if stage else UNKNOWN_NAME)


def group_name(group: str, basis: Basis) -> str:
    if group:
        return str(RfmGroup(group).label)
    return _("no order yet") if basis is ALL_TIME else _("no order in the window")


def basis_name(basis: Basis) -> str:
    """All time, or the days of the window."""
    if basis is ALL_TIME:
        return _("all time")
    run = profiles_run()
    days = window_days(run) if run else None
    if days is None:
        return _("a window of days")
    return _("the last %(days)s days") % {"days": number_format(days, force_grouping=True)}


@dataclass(frozen=True)
class Month:
    """A month whose end is known. back: how many month ends before the last one."""

    key: str
    name: str
    back: int


def known_months() -> list[Month]:
    """Those at whose ends the profiles tell the RFM groups, the newest first; none where no refresh has told them yet."""
    run = profiles_run()
    if run is None or window_days(run) is None:
        return []
    ends = [end - timedelta(days=1) for end in reversed(month_ends(as_of=run.as_of))]
    return [
        Month(
            key=f"{day:%Y-%m}",
            name=_("end of %(month)s") % {"month": date_format(day.date(), "YEAR_MONTH_FORMAT")},
            back=back,
        )
        for back, day in enumerate(ends)
    ]
