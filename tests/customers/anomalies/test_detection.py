"""What is expected, what is unusual, and which segment explains it: known answers and simulated shops."""

import numpy as np
import pytest

from benchmarks.anomalies_shops import METRICS, SimulatedShops, measure_shops, simulate
from customers.anomalies.detection.detector import evaluate_days
from customers.anomalies.detection.explanation import (
    SegmentedMetric,
    compute_contributions,
    explain,
    weigh_days,
)
from customers.anomalies.detection.feed_gaps import find_stopped_hour
from customers.anomalies.detection.series import MetricPanel
from customers.anomalies.detection.thresholds import count_discoveries

DAYS = 200
WEEK = np.array([100, 90, 100, 110, 130, 160, 60])


def make_panel(total: np.ndarray, *, holidays: tuple[int, ...] = (), excluded: tuple[int, ...] = ()) -> MetricPanel:
    total = np.atleast_2d(np.asarray(total, np.float64))
    days = np.arange(total.shape[1])
    return MetricPanel(
        total,
        np.ones_like(total),
        np.ones(len(total), bool),
        np.ones(len(total), bool),
        days % 7,
        np.isin(days, holidays),
        np.tile(np.isin(days, excluded), (len(total), 1)),
    )


def draw_week(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).poisson(WEEK[np.arange(DAYS) % 7]).astype(np.float64)


def test_a_weekday_is_compared_with_its_like() -> None:
    total = draw_week()
    saturday, sunday = 194, 195
    total[sunday] = 160  # as many as on a Saturday
    result = evaluate_days(make_panel(total), [saturday, sunday])
    assert result.expected[0] == pytest.approx([160, 60], rel=0.12)
    assert result.is_anomaly[0].tolist() == [False, True]
    assert result.low[0, 1] < 60 < result.high[0, 1] < 160


def test_only_earlier_days_count() -> None:
    total = draw_week()
    before = evaluate_days(make_panel(total), [180])
    total[181:] = 0
    after = evaluate_days(make_panel(total), [180])
    assert (before.expected[0, 0], before.low[0, 0]) == (after.expected[0, 0], after.low[0, 0])


def test_an_earlier_anomaly_hardly_changes_what_is_expected() -> None:
    total = draw_week()
    usual = evaluate_days(make_panel(total), [187])
    total[180] = 2_000
    robust = evaluate_days(make_panel(total), [187])
    excluded = evaluate_days(make_panel(total, excluded=(180,)), [187])
    assert robust.expected[0, 0] == pytest.approx(usual.expected[0, 0], rel=0.1)
    assert excluded.expected[0, 0] == pytest.approx(usual.expected[0, 0], rel=0.05)


def test_no_data_is_not_a_drop() -> None:
    total = draw_week()
    total[190] = 0
    result = evaluate_days(make_panel(total), [190, 191])
    assert result.is_missing[0].tolist() == [True, False]
    assert not result.is_anomaly.any()


def test_a_holiday_is_compared_with_earlier_holidays() -> None:
    total = draw_week()
    holidays = tuple(range(40, DAYS, 25))
    total[list(holidays)] *= 0.3
    *_earlier, last = holidays
    result = evaluate_days(make_panel(total, holidays=holidays), [last])
    assert result.expected[0, 0] == pytest.approx(0.3 * WEEK[last % 7], rel=0.2)
    assert not result.is_anomaly.any()
    assert evaluate_days(make_panel(total), [last]).is_anomaly.all()


@pytest.mark.parametrize(("orders", "found_half"), [(3, 0.0), (300, 0.9)])
def test_a_quiet_shop_has_at_most_about_one_false_alarm_a_month(orders: int, found_half: float) -> None:
    figures = measure_shops(orders=orders, shops=4, seed=71)
    assert figures["alarms_per_month"] <= 1.2  # of all nine metrics; the benchmark has more shops
    assert figures["found_50"] >= found_half


def test_small_shops_have_counts_not_alarms() -> None:
    panel = simulate(SimulatedShops(np.array([3.0]), DAYS), seed=5)
    orders = panel.total[METRICS.index("orders")]
    assert orders.min() == 0
    result = evaluate_days(panel, list(range(120, DAYS)))
    assert np.nanmin(result.low[METRICS.index("orders")]) == 0


def test_false_discoveries_are_limited_over_all_metrics() -> None:
    assert count_discoveries(np.array([0.04, 0.2, np.nan]), 0.05) == 0
    assert count_discoveries(np.array([0.02, 0.9, np.nan]), 0.05) == 1
    assert count_discoveries(np.array([0.02, 0.04, 0.05]), 0.05) == 3


def test_a_stopped_feed_is_noticed_by_the_hour() -> None:
    counts = np.tile(np.r_[np.zeros(8), np.full(16, 6.0)], (29, 1))
    assert find_stopped_hour(counts, 28) is None
    counts[28, 13:] = 0
    assert find_stopped_hour(counts, 28) == 13
    counts[28, 23] = 1
    assert find_stopped_hour(counts, 28) is None


def make_breakdown(shares: list[float], actual: list[float], expected: float = 60) -> SegmentedMetric:
    history = np.random.default_rng(1).poisson(np.outer(shares, np.full(56, expected)))
    return SegmentedMetric(history.astype(float), np.array(actual), weigh_days(np.arange(56) % 7, 0), expected)


def test_the_channel_that_collapsed_explains_the_drop() -> None:
    channel = compute_contributions(make_breakdown([0.5, 0.3, 0.2], [8, 17, 9]))
    device = compute_contributions(make_breakdown([0.6, 0.4], [20, 14]))
    assert channel.contribution.sum() == pytest.approx(channel.deviation)
    best = explain({"device": device, "channel": channel}, {"device": [True] * 2, "channel": [True] * 3})
    assert best is not None
    assert (best.dimension, best.segments) == ("channel", (0,))
    assert best.share == pytest.approx(22 / 26, abs=0.1)


def test_no_dimension_explains_what_falls_everywhere() -> None:
    channel = compute_contributions(make_breakdown([0.5, 0.3, 0.2], [17, 10, 7]))
    assert explain({"channel": channel}, {"channel": [True] * 3}) is None


def test_a_tiny_segment_is_not_named() -> None:
    parts = compute_contributions(make_breakdown([0.98, 0.02], [60, 6]))  # six instead of one
    assert explain({"channel": parts}, {"channel": [True, True]}) is not None
    parts = compute_contributions(make_breakdown([0.98, 0.02], [31, 0]))
    best = explain({"channel": parts}, {"channel": [True, True]})
    assert best is None


def test_a_rate_is_split_into_mix_and_rate() -> None:
    days = 56
    exposure = np.tile([[600.0], [400.0]], (1, days))
    history = np.random.default_rng(2).binomial(exposure.astype(int), [[0.05], [0.02]]).astype(float)
    weights = weigh_days(np.arange(days) % 7, 0)
    mixed = compute_contributions(
        SegmentedMetric(history, np.array([5.0, 18.0]), weights, 0.038, exposure, np.array([100.0, 900.0]))
    )
    assert mixed.mix is not None
    assert mixed.rate is not None
    assert (mixed.mix + mixed.rate).sum() == pytest.approx(mixed.deviation, abs=1e-9)
    assert abs(mixed.mix.sum()) > 10 * abs(mixed.rate.sum())
    broken = compute_contributions(
        SegmentedMetric(history, np.array([5.0, 8.0]), weights, 0.038, exposure, np.array([600.0, 400.0]))
    )
    assert broken.rate is not None
    best = explain({"device": broken}, {"device": [True, True]})
    assert best is not None
    assert best.segments == (0,)
    assert abs(broken.rate[0]) > 10 * abs(broken.mix).sum()  # type: ignore[arg-type]
