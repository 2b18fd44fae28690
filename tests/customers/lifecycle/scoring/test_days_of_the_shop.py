"""A day is a day of the shop: models, gaps and stages of a shop depend on its local times only."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from config.foundation.array_types import NEVER, Ints
from config.foundation.calendars.local_clock import DAY, UTC_CLOCK, LocalClock, build_clock, get_local_clock
from customers.lifecycle.next_order.forecast import measure_buyer_rhythms
from customers.lifecycle.scoring.clv.fit_diagnostics import compare_weeks
from customers.lifecycle.scoring.clv.interval_learning import list_cuts
from customers.lifecycle.scoring.clv.model_selection import select_purchase_model
from customers.lifecycle.scoring.clv.models.mbg_nbd import MbgNbd
from customers.lifecycle.scoring.clv.purchase_histories import PurchaseHistories, summarize_purchases
from customers.lifecycle.scoring.stages.derivation import (
    AliveRule,
    GapRule,
    OrderHistories,
    StageThresholds,
    derive_stages,
)
from customers.lifecycle.scoring.stages.gap_distribution import GapDistribution, fit_gap_distribution
from customers.lifecycle.scoring.stages.gap_summary import summarize_gaps

HOUR = DAY // 24
SHOPS = ("America/Los_Angeles", "Australia/Sydney", "Asia/Shanghai")
GAPS = GapDistribution(mean=3.0, within=0.4, between=0.3, tail_variance=0.4)
ALIVE = AliveRule(r=2.0, alpha=10.0, a=0.02, b=2.0, modified=True, min_alive=0.3)
THRESHOLDS = {
    "second_gap_days": 20,
    "median_gap_days": 10,
    "active_gap_days": 15,
    "dormant_gap_days": 30,
    "alive": ALIVE,
}
BY_GAPS = StageThresholds(version=1, gap_rule=GapRule(GAPS), **THRESHOLDS)
BY_QUANTILES = StageThresholds(version=1, **THRESHOLDS)


def to_moment(zone: str, year: int, month: int, day: int, hour: int, minute: int = 0) -> int:
    """Return the moment of a local time."""
    return round(datetime(year, month, day, hour, minute, tzinfo=ZoneInfo(zone)).timestamp()) * 1_000_000


def make_history(at: Ints, clock: LocalClock) -> OrderHistories:
    """Return the history of one customer who ordered at these moments."""
    return OrderHistories(
        customer=np.array([7]),
        known_at=at[:1],
        identified_at=np.array([NEVER]),
        start=np.array([0, len(at)]),
        at=at,
        amount=np.full(len(at), 100),
        is_order=np.ones(len(at), np.bool_),
        clock=clock,
    )


def summarize(zone: str, at: Ints, as_of: int) -> PurchaseHistories:
    return summarize_purchases(
        customer=np.zeros(len(at), np.int64), at=at, value=np.ones(len(at)), as_of=as_of,
        clock=get_local_clock(ZoneInfo(zone)),
    )  # fmt: skip


def make_shop(customers: int = 300) -> tuple[Ints, Ints]:
    """Return customer and local time of the orders of two years, many of them two on one day or around midnight."""
    rng = np.random.default_rng(8)
    first = rng.integers(0, 300, customers)
    orders = [
        (customer, (start + day) * DAY + hour * HOUR)
        for customer, start in enumerate(first.tolist())
        for day in np.cumsum(rng.integers(0, 60, rng.integers(1, 8))).tolist()
        for hour in sorted(rng.choice([0, 1, 7, 9, 15, 18, 22, 23], rng.integers(1, 3), replace=False).tolist())
    ]
    start = round(datetime(2024, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000
    customer, local = (np.array(column, np.int64) for column in zip(*sorted(orders), strict=True))
    keep = np.diff(np.column_stack([customer, local]), axis=0, prepend=-1).any(axis=1)
    return customer[keep], local[keep] + start + HOUR // 2


@pytest.mark.parametrize("zone", SHOPS)
@pytest.mark.parametrize("month", [1, 7])
def test_two_orders_of_one_afternoon_are_one_purchase_and_orders_around_midnight_are_two(zone: str, month: int) -> None:
    afternoon = np.array([to_moment(zone, 2025, month, 6, 15), to_moment(zone, 2025, month, 6, 17, 30)])
    night = np.array([to_moment(zone, 2025, month, 6, 23, 30), to_moment(zone, 2025, month, 7, 0, 30)])
    as_of = to_moment(zone, 2025, month, 20, 9)
    assert summarize(zone, afternoon, as_of).x.tolist() == [0]
    assert summarize(zone, night, as_of).x.tolist() == [1]
    assert (summarize(zone, night, as_of).last_days[0], summarize(zone, night, as_of).age_days[0]) == (1, 14)
    clock = get_local_clock(ZoneInfo(zone))
    for at, gaps in ((afternoon, 0), (night, 1)):
        summary = summarize_gaps(histories=make_history(at, clock), thresholds=BY_GAPS, as_of=as_of)
        assert summary is not None
        assert summary.own_gaps == gaps


@pytest.mark.parametrize("zone", SHOPS)
def test_a_shop_has_the_purchases_and_gaps_of_its_local_times(zone: str) -> None:
    customer, local = make_shop()
    clock, as_of = get_local_clock(ZoneInfo(zone)), int(local.max()) + 5 * DAY
    facts = [
        {"at": at, "as_of": moment, "clock": each}
        for at, moment, each in (
            (local, as_of, UTC_CLOCK),
            (clock.to_moments(local), int(clock.to_moments(np.array([as_of]))[0]), clock),
        )
    ]
    value = np.arange(len(local)) % 90 + 1.0
    expected, own = (summarize_purchases(customer=customer, value=value, **each) for each in facts)
    for name, values in vars(expected).items():
        assert getattr(own, name).tolist() == values.tolist()
    selections = [select_purchase_model(customer=customer, value=value, names=[], **each) for each in facts]
    assert selections[1].actual.tolist() == selections[0].actual.tolist()
    assert selections[1].held_out_days == selections[0].held_out_days
    assert clock.to_local(np.array([selections[1].cutoff])).tolist() == [selections[0].cutoff]
    model = MbgNbd.from_dict({"name": "mbg_nbd", "r": 0.9, "alpha": 30.0, "a": 0.8, "b": 2.5})
    weeks = [
        compare_weeks(model=model, unit_days=1.0, customer=customer, cutoff=selection.cutoff, **each)
        for selection, each in zip(selections, facts, strict=True)
    ]
    assert weeks[1].actual.tolist() == weeks[0].actual.tolist()
    distributions = [fit_gap_distribution(customer=customer, at=each["at"], clock=each["clock"]) for each in facts]
    assert distributions[1] == distributions[0]


@pytest.mark.parametrize("rules", [BY_GAPS, BY_QUANTILES], ids=["gaps", "quantiles"])
def test_stages_change_by_the_days_of_the_shop(rules: StageThresholds) -> None:
    """A shop that is eight hours behind has the same stages, eight hours later."""
    customer, at = make_shop()
    start = np.searchsorted(customer, np.arange(customer.max() + 2))
    behind = build_clock(np.zeros(1, np.int64), np.array([-8 * HOUR]))

    def derive(shift: int, clock: LocalClock) -> tuple[list[int], list[int], list[int]]:
        histories = OrderHistories(
            customer=np.arange(customer.max() + 1),
            known_at=at[start[:-1]] + shift,
            identified_at=np.full(customer.max() + 1, NEVER),
            start=start,
            at=at + shift,
            amount=np.full(len(at), 100),
            is_order=np.ones(len(at), np.bool_),
            clock=clock,
        )
        stages = derive_stages(histories=histories, versions=[rules], as_of=int(at.max()) + 90 * DAY + shift)
        return stages.to_stage.tolist(), stages.reason.tolist(), (stages.at - shift).tolist()

    assert derive(8 * HOUR, behind) == derive(0, UTC_CLOCK)
    assert derive(8 * HOUR, UTC_CLOCK) != derive(0, UTC_CLOCK)


def test_cuts_of_the_intervals_are_midnights_of_the_shop_in_both_halves_of_the_year() -> None:
    clock = get_local_clock(ZoneInfo("America/Los_Angeles"))
    first, as_of = (to_moment("America/Los_Angeles", year, month, 10, 16) for year, month in ((2024, 1), (2025, 12)))
    cuts = list_cuts(first=first, as_of=as_of, clock=clock)
    local = clock.to_local(np.array([moment for moment, _days in cuts]))
    assert (local % DAY).tolist() == [0] * len(cuts)
    offsets = {int(offset) for offset in local - np.array([moment for moment, _days in cuts])}
    assert offsets == {-7 * HOUR, -8 * HOUR}
    assert [days for _moment, days in cuts] == [
        days for _moment, days in list_cuts(first=first, as_of=as_of, clock=UTC_CLOCK)
    ]


def test_weekly_orders_at_half_past_eleven_keep_their_gap_when_the_clock_changes() -> None:
    """With the offset of the end for all orders, those of summer would be an hour later, on the next day."""
    zone = "America/Los_Angeles"
    weeks = [datetime(2025, 8, 1, 23, 30, tzinfo=ZoneInfo(zone)) + timedelta(days=7 * week) for week in range(20)]
    end = datetime(2025, 12, 20, 9, tzinfo=UTC)
    histories = make_history(
        np.array([round(moment.timestamp()) * 1_000_000 for moment in weeks]), get_local_clock(ZoneInfo(zone))
    )
    rhythms = measure_buyer_rhythms(histories, end).rhythms
    assert rhythms.log_gaps.tolist() == pytest.approx([19 * np.log(7)])
    assert rhythms.log_gap_squares.tolist() == pytest.approx([19 * np.log(7) ** 2])
    purchases = summarize(zone, histories.at, round(end.timestamp()) * 1_000_000)
    assert (purchases.x.tolist(), purchases.last_days.tolist()) == ([19], [133])
    summary = summarize_gaps(histories=histories, thresholds=BY_GAPS, as_of=round(end.timestamp()) * 1_000_000)
    assert summary is not None
    assert summary.own_gaps == 19
