"""Satisfaction: the average rating of reviews, NPS and CSAT of surveys, each with its 95% interval.

Only customers who answered are known, and the others may think differently. Split by channel, feedback counts in the channel of
the author's last order before it.
"""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import ibis
import ibis.expr.types as ir

from customers.analytics.expressions.breakdowns import GroupKey
from customers.analytics.expressions.parameters import require_one_of
from customers.analytics.expressions.periods import build_day, to_instant
from customers.analytics.expressions.tables import AnalyticsTables
from customers.analytics.outcomes.completeness import DataSpan, find_span
from customers.analytics.outcomes.groups import PeriodRows, add_split, arrange_rows, select_group
from customers.analytics.outcomes.parameters import OutcomeParameters
from customers.feedback.analysis.ratings import Ratings
from customers.feedback.analysis.satisfaction import DETRACTOR, SATISFIED, SatisfactionEstimate, summarize_answers
from customers.feedback.reviews import STARS

REVIEW, NPS, CSAT = KINDS = ("review", "nps", "csat")
# the highest score that counts as dissatisfied
LOW_SCORES = {REVIEW: 2, NPS: DETRACTOR, CSAT: SATISFIED - 1}


@dataclass(frozen=True, kw_only=True)
class SatisfactionPeriod:
    """The feedback of a period. rating: the mean of stars; answers are the reviews. nps: in points. csat: a share."""

    start: date
    is_complete: bool
    rating: SatisfactionEstimate
    nps: SatisfactionEstimate
    csat: SatisfactionEstimate


@dataclass(frozen=True, kw_only=True)
class SatisfactionGroup:
    """The periods of a group, or of everyone without one."""

    group: GroupKey | None
    periods: tuple[SatisfactionPeriod, ...]


@dataclass(frozen=True, kw_only=True)
class SatisfactionResult:
    """Everyone first, then the groups."""

    as_of: datetime
    began_on: date | None
    groups: tuple[SatisfactionGroup, ...]


def build_feedback(tables: AnalyticsTables, parameters: OutcomeParameters) -> ir.Table:
    """Return number, customer_id, kind, score, period, label and is_other of each review and answer."""
    days = parameters.extend_days(0)
    end = min(to_instant(parameters.get_start(parameters.numbers.stop), tables.zone), tables.known_until)
    rows = tables.read_feedback()
    rows = rows.filter((rows["at"] >= to_instant(days.since, tables.zone)) & (rows["at"] < end))
    rows = tables.keep_segment(rows, days.segment)
    day = build_day(rows["at"], tables.zone, days.since, days.until)
    rows = rows.mutate(period=parameters.build_number(day))
    rows = add_last_channel(rows, tables) if parameters.split == "channel" else rows.mutate(channel=ibis.null("string"))
    return add_split(rows.drop("at"), tables, parameters, channel="channel")


def add_last_channel(rows: ir.Table, tables: AnalyticsTables) -> ir.Table:
    """Return feedback with the channel of the author's last order at or before it."""
    orders = tables.select_transactions(None)
    orders = orders.filter((orders.is_order == 1) & orders.customer_id.notnull())
    orders = orders.select(buyer_id="customer_id", ordered_at="at", order_channel=ibis.coalesce(orders.channel, ""))
    pairs = rows.inner_join(orders, [rows.customer_id == orders.buyer_id, orders.ordered_at <= rows["at"]])
    last = pairs.group_by(answer_number=pairs.number).agg(channel=pairs.order_channel.argmax(pairs.ordered_at))
    joined = rows.left_join(last, rows.number == last.answer_number)
    return joined.mutate(channel=joined.channel.nullif("")).select(*rows.columns, "channel")


def run_satisfaction(tables: AnalyticsTables, parameters: OutcomeParameters) -> SatisfactionResult:
    """Count the scores of reviews and answers by period, and estimate the three measures from them."""
    span = find_span(tables.read_feedback(), tables, parameters)
    with tables.materialize(build_feedback(tables, parameters)) as rows:
        total = tables.fetch(_count_scores(rows, ["period"]))
        split = tables.fetch(_count_scores(rows, ["period", "label", "is_other"])) if parameters.split else []
    arranged = arrange_rows(total, split, key=lambda row: row["answers"])
    return SatisfactionResult(
        as_of=tables.as_of,
        began_on=span.began_on,
        groups=tuple(
            SatisfactionGroup(group=group, periods=_build_periods(periods, span, parameters))
            for group, periods in arranged
        ),
    )


def _count_scores(rows: ir.Table, keys: list[str]) -> ir.Table:
    return rows.group_by(*keys, "kind", "score").agg(answers=rows.count())


def _build_periods(rows: PeriodRows, span: DataSpan, parameters: OutcomeParameters) -> tuple[SatisfactionPeriod, ...]:
    return tuple(
        build_satisfaction(rows.get(number, []), start=parameters.get_start(number), is_complete=span.current > number)
        for number in span.list_begun(parameters)
    )


def build_satisfaction(rows: list[dict[str, Any]], *, start: date, is_complete: bool) -> SatisfactionPeriod:
    """Return the estimates from rows of kind, score and answers."""
    counts: dict[str, dict[int, int]] = {kind: {} for kind in KINDS}
    for row in rows:
        counts[row["kind"]][row["score"]] = row["answers"]
    ratings = Ratings(tuple(counts[REVIEW].get(star, 0) for star in STARS))
    answers = summarize_answers(counts[NPS], counts[CSAT])
    return SatisfactionPeriod(
        start=start, is_complete=is_complete, rating=estimate_rating(ratings), nps=answers.nps, csat=answers.csat
    )


def estimate_rating(ratings: Ratings) -> SatisfactionEstimate:
    """Return the mean of the stars with its interval; fewer than two reviews have no interval."""
    interval = ratings.interval
    if interval is None:
        return SatisfactionEstimate(ratings.count, ratings.average, None, None)
    return SatisfactionEstimate(ratings.count, interval.value, interval.low, interval.high)


@dataclass(frozen=True, kw_only=True)
class SatisfactionSelection:
    """The authors of reviews or answers of a period. is_low: only the dissatisfied: 1–2★, NPS 0–6, CSAT 1–3."""

    period: date
    kind: str = REVIEW
    is_low: bool = False
    group: GroupKey | None = None

    def __post_init__(self) -> None:
        require_one_of("kind", self.kind, KINDS)


def select_satisfaction_people(
    tables: AnalyticsTables, parameters: OutcomeParameters, selection: SatisfactionSelection
) -> ir.Table:
    """Return the customer_id of the authors who are known. Raises ParameterError."""
    number = parameters.check_period(selection.period)
    rows = select_group(build_feedback(tables, parameters), selection.group)
    rows = rows.filter((rows.period == number) & (rows.kind == selection.kind) & rows.customer_id.notnull())
    if selection.is_low:
        rows = rows.filter(rows.score <= LOW_SCORES[selection.kind])
    return rows.select("customer_id").distinct()
