"""What marketing or recommendations caused per month and in total, with intervals that suit how often they are read."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from math import ceil

from config.foundation.shop.profile import get_time_zone
from config.foundation.statistics import ConfidenceInterval
from recommendations.experiments.models import Experiment
from recommendations.measurement.comparison import ComparisonVerdict, GroupComparison, compare_groups
from recommendations.measurement.measures import scale_interval
from recommendations.measurement.outcomes.counting import WHOLE, CountedOutcomes, GroupOutcomes
from recommendations.measurement.outcomes.margins import MarginBasis
from recommendations.measurement.timeline import Timeline
from recommendations.sending.global_holdout.measuring import StoredGroup, read_group
from recommendations.sending.global_holdout.members import HOLDOUT
from recommendations.sending.global_holdout.months import find_next_month, start_month
from recommendations.sending.global_holdout.recommendation_windows import list_holdouts
from recommendations.sending.global_holdout.retention import RetentionEffect, compare_retention
from recommendations.sending.models import GlobalHoldoutChange, GlobalHoldoutResult

Subject = GlobalHoldoutResult.Subject
YEAR = timedelta(days=365)  # the always-valid interval of the whole time is planned for whole years
MIN_BUYERS = 10  # in each group; with fewer, the interval of a mean is too narrow
MONTH = timedelta(days=30.44)


@dataclass(frozen=True)
class HoldoutEffect:
    """What marketing or recommendations caused in one month, or in the whole time.

    Attributes:
        month: None for the whole time. is_running: it has not ended, so its intervals may be looked at every day.
        is_part: a month in which the groups existed for some days only.
        comparison: customers with marketing or recommendations against the holdout group.
        treated, holdout: what was counted.
        retention: of those who were customers before; None with too few of them.
        cost: the additional revenue of the holdout group if it had been treated; None if the effect is unknown.
        needed_months, needed_customers: how long it takes with these groups to show a difference of 10%, or how many customers with the same
            share of them held out would have shown it in this time.
    """

    subject: str
    month: date | None
    began_at: datetime
    since: datetime
    until: datetime
    measured_at: datetime
    currency: str
    is_running: bool
    is_part: bool
    verdict: ComparisonVerdict
    comparison: GroupComparison
    treated: StoredGroup
    holdout: StoredGroup
    retention: RetentionEffect | None
    cost: ConfidenceInterval | None
    needed_months: int | None
    needed_customers: int | None

    @property
    def is_readable(self) -> bool:
        """Whether its differences may be shown as effects."""
        return self.cost is not None

    @property
    def end(self) -> datetime:
        """The time until which outcomes were counted."""
        return min(self.until, self.measured_at)


@dataclass(frozen=True)
class HoldoutReport:
    """The months, latest first, and the whole time. share: the present one; began_at: of the present holdout group, None without one."""

    share: Decimal
    began_at: datetime | None
    total: HoldoutEffect | None
    months: list[HoldoutEffect]
    changes: list[GlobalHoldoutChange]


def load_report() -> HoldoutReport:
    """Return the report from the stored results, by two queries."""
    effects = [compute_effect(result) for result in GlobalHoldoutResult.objects.filter(subject=Subject.MARKETING)]
    changes = list(GlobalHoldoutChange.objects.all())
    share = changes[-1].share if changes else Decimal(0)
    return HoldoutReport(
        share=share,
        began_at=find_beginning(changes) if share else None,
        total=find_total(effects),
        months=sort_months(effects),
        changes=changes[::-1],
    )


@dataclass(frozen=True)
class RecommendationReport:
    """The months, latest first, and the whole time of the latest experiment that holds visitors out of recommendations.

    experiment: None if none was ever started. total: None before the first night after the start.
    """

    experiment: Experiment | None
    total: HoldoutEffect | None
    months: list[HoldoutEffect]


def load_recommendation_report() -> RecommendationReport:
    """Return the report from the stored results, by two queries."""
    experiment = list_holdouts().first()
    results = list(GlobalHoldoutResult.objects.filter(subject=Subject.RECOMMENDATIONS))
    effects = [compute_effect(result, experiment=experiment) for result in results]
    return RecommendationReport(experiment, find_total(effects), sort_months(effects))


def find_total(effects: Sequence[HoldoutEffect]) -> HoldoutEffect | None:
    return next((effect for effect in effects if effect.month is None), None)


def sort_months(effects: Sequence[HoldoutEffect]) -> list[HoldoutEffect]:
    """Return the months, latest first."""
    return sorted((effect for effect in effects if effect.month), key=lambda effect: effect.since, reverse=True)


def find_beginning(changes: list[GlobalHoldoutChange]) -> datetime:
    """Return since when there has been a holdout group without a break. The latest change must have a holdout group."""
    beginning = changes[-1].changed_at
    for change in reversed(changes):
        if not change.share:
            break
        beginning = change.changed_at
    return beginning


def compute_effect(result: GlobalHoldoutResult, *, experiment: Experiment | None = None) -> HoldoutEffect:
    """Return the effects of a stored result.

    A complete month is read once: the intervals of the adjusted differences. The current month, one in which the experiment was stopped,
    and the whole time are read again and again: always-valid intervals.
    """
    treated, holdout = read_group(result.groups[result.subject]), read_group(result.groups[HOLDOUT])
    timeline = build_timeline(result, experiment)
    groups = {result.subject: GroupOutcomes(treated.moments), HOLDOUT: GroupOutcomes(holdout.moments)}
    held_out_share = result.shares[HOLDOUT] / (result.shares[HOLDOUT] + result.shares[result.subject])
    comparison = compare_groups(
        CountedOutcomes({WHOLE: groups}, MarginBasis(result.margin_basis)),
        treated=result.subject,
        control=HOLDOUT,
        holdout_share=held_out_share,
        timeline=timeline,
    )
    verdict = choose_verdict(comparison)
    is_readable = (
        comparison.revenue is not None and verdict != ComparisonVerdict.UNEVEN_GROUPS and not has_few(comparison)
    )
    months, customers = compute_needs(comparison, elapsed=timeline.as_of - timeline.started_at)
    return HoldoutEffect(
        subject=result.subject,
        month=result.month,
        began_at=result.began_at,
        since=result.since,
        until=result.until,
        measured_at=result.measured_at,
        currency=result.currency,
        is_running=is_running(result, experiment),
        is_part=result.month is not None
        and (result.since, result.until) != (find_start(result.month), find_end(result.month)),
        verdict=verdict,
        comparison=comparison,
        treated=treated,
        holdout=holdout,
        retention=compare_retention(treated, holdout, timeline) if is_readable else None,
        cost=scale_interval(comparison.revenue.effect, holdout.moments.n)
        if is_readable and comparison.revenue
        else None,
        needed_months=months,
        needed_customers=customers,
    )


def find_start(month: date) -> datetime:
    return start_month(month, get_time_zone())


def find_end(month: date) -> datetime:
    return find_start(find_next_month(month))


def is_running(result: GlobalHoldoutResult, experiment: Experiment | None) -> bool:
    """Return whether outcomes are still being added, apart from late orders and returns."""
    if result.month is None:
        return experiment is None or experiment.stopped_at is None
    return result.measured_at < result.until


def build_timeline(result: GlobalHoldoutResult, experiment: Experiment | None) -> Timeline:
    """Return how long a result was planned for; only a complete month is final."""
    if result.month is None:
        planned_end = plan_end(result, experiment)
        is_final = False
    else:
        planned_end = find_end(result.month)
        is_final = planned_end <= min(result.measured_at, result.until)
    return Timeline(
        started_at=result.since,
        as_of=min(result.measured_at, result.until),
        planned_end=planned_end,
        is_final=is_final,
        ends=result.month is not None,
        has_arrivals=experiment is not None,
    )


def plan_end(result: GlobalHoldoutResult, experiment: Experiment | None) -> datetime:
    """Return the planned end of the experiment, or the end of the year of the holdout group in which the result was measured.

    The interval is tuned to the planned end and much wider after it. With a new plan each year, the chance that it misses the effect on any
    day of a year stays below 5%.
    """
    if experiment is not None:
        return result.since + timedelta(days=experiment.planned_days)
    elapsed = min(result.measured_at, result.until) - result.since
    return result.since + max(ceil(elapsed / YEAR), 1) * YEAR


def has_few(comparison: GroupComparison) -> bool:
    return min(comparison.treated.buyers, comparison.control.buyers) < MIN_BUYERS


def choose_verdict(comparison: GroupComparison) -> ComparisonVerdict:
    is_compared = comparison.verdict not in (ComparisonVerdict.UNEVEN_GROUPS, ComparisonVerdict.NO_HOLDOUT)
    return ComparisonVerdict.TOO_FEW if is_compared and has_few(comparison) else comparison.verdict


def compute_needs(comparison: GroupComparison, *, elapsed: timedelta) -> tuple[int | None, int | None]:
    """Return the months, and the customers in the elapsed time, that would show the wanted difference; None if nothing is known.

    Months add orders of the same customers: once their earlier purchases are adjusted for, the standard error falls with the square root
    of the time, as it does with that of the number of customers.
    """
    detectability = comparison.detectability
    if detectability is None or detectability.factor is None or has_few(comparison):
        return None, None
    factor = detectability.factor
    customers = comparison.treated.customers + comparison.control.customers
    return ceil(factor * (elapsed / MONTH)), ceil(factor * customers)
