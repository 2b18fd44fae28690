"""Comparisons with a known answer, computed by hand."""

from datetime import UTC, datetime, timedelta
from math import sqrt

import numpy as np
import pytest
from django.utils import translation

from config.foundation.statistics import compare_shares, compute_wilson_interval
from recommendations.measurement.comparison import GroupComparison, compare_groups
from recommendations.measurement.guards import Guard, GuardComparison, GuardVerdict, compare_returns
from recommendations.measurement.measures import MeasureComparer
from recommendations.measurement.outcomes.columns import OutcomeColumn
from recommendations.measurement.outcomes.counting import CountedOutcomes, GroupOutcomes
from recommendations.measurement.outcomes.margins import MarginBasis
from recommendations.measurement.presentation.formats import format_interval, format_signed
from recommendations.measurement.presentation.sentences import describe_comparison, describe_conversion
from recommendations.measurement.statistics.moments import make_moments
from recommendations.measurement.statistics.sequential import compute_critical_value
from recommendations.measurement.timeline import Timeline

START = datetime(2026, 11, 1, tzinfo=UTC)
COLUMN = OutcomeColumn


def make_group(revenue: list[float], earlier: list[float] | None = None, **columns: list[float]) -> GroupOutcomes:
    """Return a group whose customers have these values; who has revenue has one order."""
    table = np.zeros((len(revenue), len(COLUMN)))
    table[:, COLUMN.REVENUE] = revenue
    table[:, COLUMN.MARGIN] = np.array(revenue) / 2
    for column in (COLUMN.REACHED, COLUMN.ORDERED, COLUMN.ORDERS):
        table[:, column] = np.array(revenue) > 0
    table[:, COLUMN.EARLIER_REVENUE] = earlier or 0
    for name, values in columns.items():
        table[:, COLUMN[name.upper()]] = values
    return GroupOutcomes(make_moments(table))


def compare(
    treated: GroupOutcomes, control: GroupOutcomes, *, days: float = 40, share: float = 0.5, **values: object
) -> GroupComparison:
    timeline = Timeline(START, START + timedelta(days=days), START + timedelta(days=30), is_final=days >= 30)
    counted = CountedOutcomes({"": {"treated": treated, "holdout": control}}, MarginBasis.COSTS, 1.0)
    return compare_groups(
        counted,
        treated="treated",
        control="holdout",
        holdout_share=share,
        timeline=timeline,
        **values,  # type: ignore[arg-type]
    )


def test_totals_are_the_effect_on_the_average_customer_times_the_treated_ones() -> None:
    treated, control = make_group([10, 30] * 50), make_group([0, 20] * 50)
    comparison = compare(treated, control)
    assert comparison.revenue is not None
    assert comparison.conversion is not None
    # means 20 and 10, both with the variance 100·100/99; no covariate varies
    error = sqrt(2 * (100 * 100 / 99) / 100)
    assert comparison.revenue.effect.value == pytest.approx(10)
    assert comparison.revenue.standard_error == pytest.approx(error)
    assert comparison.revenue.effect.low == pytest.approx(10 - 1.972 * error, abs=0.01)  # t with 198 degrees of freedom
    assert comparison.revenue.total.value == pytest.approx(1000)
    assert comparison.revenue.removed == 0
    assert comparison.conversion.difference == compare_shares(100, 100, 50, 100)
    assert comparison.conversion.total.value == pytest.approx(50)
    assert comparison.margin is not None
    assert comparison.margin.total.value == pytest.approx(500)
    assert comparison.verdict == "increase"
    text = describe_comparison(comparison, "USD")
    assert text == "The messages brought in about $1,000 of additional revenue: between $720 and $1,280 (95%)."


def test_what_customers_spent_before_narrows_the_interval_and_removes_a_difference_of_chance() -> None:
    # Revenue is earlier spend plus 2 for the treated, plus noise of ±1; by chance, the treated spent .5 more before
    noise = [1, -1, -1, 1]
    spent, other = [0.0, 10, 20, 32] * 25, [0.0, 10, 20, 30] * 25
    treated = make_group([value + 2 + noise[i % 4] for i, value in enumerate(spent)], spent)
    control = make_group([value + noise[i % 4] for i, value in enumerate(other)], other)
    revenue = compare(treated, control).revenue
    assert revenue is not None
    assert revenue.difference.value == pytest.approx(2.5)
    assert revenue.difference.low < 0
    assert revenue.adjusted.value == pytest.approx(2, abs=0.02)
    assert revenue.adjusted.low > 1.7
    assert revenue.removed == pytest.approx(1 - 1 / np.var(other), abs=0.01)  # 1 − (1 − ρ²)


def test_a_running_test_has_a_wider_interval_and_says_when_it_ends() -> None:
    groups = make_group([10, 30] * 50), make_group([0, 20] * 50)
    running, final = compare(*groups, days=15), compare(*groups)
    assert running.revenue is not None
    assert final.revenue is not None
    assert running.revenue.effect.low < final.revenue.effect.low
    text = describe_comparison(running, "USD")
    assert text.startswith("So far, the messages have brought in about $1,000 of additional revenue")
    assert "final on Dec 1, 2026. You can check it every day" in text


def test_too_few_customers_say_what_they_can_show_and_how_many_it_would_take() -> None:
    comparison = compare(make_group([0, 0, 0, 0, 50] * 4), make_group([0, 0, 0, 0, 40] * 4))
    assert comparison.verdict == "too_few"
    possible = comparison.detectability
    assert possible is not None
    assert comparison.revenue is not None
    assert possible.smallest == pytest.approx((1.96 + 0.8416) * comparison.revenue.standard_error, rel=1e-3)
    assert possible.factor == pytest.approx((possible.smallest / 0.8) ** 2)  # 10% of $8
    assert possible.possible_at is None
    text = describe_comparison(comparison, "USD")
    assert "The data so far is enough to detect an effect of $" in text
    assert "customers with the same holdout share to show an effect of 10%." in text
    with translation.override("zh-hans"):
        assert "。 " not in describe_comparison(comparison, "USD")


def test_an_interval_is_unknown_if_nobody_ordered() -> None:
    """From 0 to 0 would claim that there is no effect."""
    comparison = compare(make_group([0] * 100), make_group([0] * 100))
    assert comparison.revenue is not None
    assert format_interval(comparison.revenue.effect, str) == "unknown"
    assert format_interval(compare_shares(0, 100, 0, 100), lambda value: f"{value:.3f}") == "-0.037 to 0.037"


def test_an_open_ended_test_says_when_it_can_show_ten_percent() -> None:
    groups = make_group([10, 30] * 50), make_group([10, 30] * 50)
    timeline = Timeline(START, START + timedelta(days=30), START + timedelta(days=90), is_final=False, ends=False)
    counted = CountedOutcomes({"": {"treated": groups[0], "holdout": groups[1]}}, MarginBasis.UNKNOWN, 0.0)
    comparison = compare_groups(counted, treated="treated", control="holdout", holdout_share=0.5, timeline=timeline)
    assert (comparison.verdict, comparison.margin) == ("too_few", None)
    assert comparison.detectability is not None
    assert comparison.detectability.factor is not None
    expected = START + timedelta(days=30) * comparison.detectability.factor
    assert comparison.detectability.possible_at == expected
    assert "An effect of 10% can be detected from about" in describe_comparison(comparison, "USD")


@pytest.mark.parametrize("ends", [True, False])
def test_a_control_group_with_almost_no_revenue_can_never_show_ten_percent(*, ends: bool) -> None:
    groups = make_group([10, -9.9] * 50), make_group([10, -9.984] * 50)  # returns almost balance the sales
    timeline = Timeline(START, START + timedelta(days=80), START + timedelta(days=90), is_final=False, ends=ends)
    counted = CountedOutcomes({"": {"treated": groups[0], "holdout": groups[1]}}, MarginBasis.UNKNOWN, 0.0)
    comparison = compare_groups(counted, treated="treated", control="holdout", holdout_share=0.5, timeline=timeline)
    assert comparison.detectability is not None
    assert comparison.detectability.factor is not None
    assert 1.3e7 < comparison.detectability.factor < 1e8  # times 80 days is longer than a timedelta can be
    assert comparison.detectability.possible_at is None


def test_groups_of_the_wrong_size_stop_the_reading() -> None:
    comparison = compare(make_group([10, 30] * 50), make_group([0, 20] * 5), share=0.3)
    assert comparison.sample_ratio_p < 0.001
    assert comparison.verdict == "uneven_groups"
    assert "not the effect" in describe_comparison(comparison, "USD")
    assert compare(make_group([1, 2]), make_group([1])).verdict == "no_holdout"


def test_guards_show_harm_no_harm_or_too_few() -> None:
    treated = make_group([10] * 2000, withdrew=[1] * 160 + [0] * 1840, returns=[1] * 100 + [0] * 1900)
    control = make_group([10] * 2000, withdrew=[1] * 10 + [0] * 1990, returns=[1] * 100 + [0] * 1900)
    guards = {guard.guard: guard for guard in compare(treated, control, complaints=(0, 20_000)).guards}
    assert guards[Guard.WITHDRAWALS].verdict == GuardVerdict.HARM
    assert guards[Guard.WITHDRAWALS].difference.value == pytest.approx(0.075)
    assert guards[Guard.RETURNS].verdict == GuardVerdict.NO_HARM
    assert guards[Guard.RETURNS].difference.high == pytest.approx(1.96 * sqrt(2 * 0.05 * 0.95 / 2000), rel=1e-3)
    assert guards[Guard.COMPLAINTS].verdict == GuardVerdict.NO_HARM
    young = compare(treated, control, days=0.9, complaints=(0, 20_000)).guards
    assert [guard.verdict for guard in young] == [GuardVerdict.HARM, GuardVerdict.TOO_FEW, GuardVerdict.TOO_FEW]
    unsent = compare(control, control, complaints=(0, 0)).guards
    assert {guard.verdict for guard in unsent} == {GuardVerdict.TOO_FEW}, "no message has been sent"
    assert {guard.verdict for guard in compare(control, control).guards} == {GuardVerdict.NO_HARM}
    few = {guard.guard: guard.verdict for guard in compare(make_group([10] * 30), make_group([10] * 30)).guards}
    assert few == {Guard.WITHDRAWALS: GuardVerdict.TOO_FEW, Guard.RETURNS: GuardVerdict.TOO_FEW}


def make_returns(orders: int, returned: int, *, per_customer: int = 1) -> GroupOutcomes:
    """Return customers with so many orders each, some of whom returned all of them."""
    customers, returning = orders // per_customer, returned // per_customer
    returns = [per_customer] * returning + [0] * (customers - returning)
    return make_group([10] * customers, orders=[per_customer] * customers, returns=returns)


def compare_return_rates(treated: GroupOutcomes, control: GroupOutcomes) -> GuardComparison:
    share = control.customers / (treated.customers + control.customers)
    return next(guard for guard in compare(treated, control, share=share).guards if guard.guard == Guard.RETURNS)


def test_a_group_with_few_returns_does_not_show_harm() -> None:
    """The estimated variance of a group without a return is 0."""
    assert compare_return_rates(make_returns(2, 2), make_returns(5, 0)).verdict == GuardVerdict.TOO_FEW
    assert compare_return_rates(make_returns(500, 100), make_returns(15, 0)).verdict == GuardVerdict.TOO_FEW
    rates = compare_return_rates(make_returns(500, 25), make_returns(25, 0))
    expected = compare_shares(25, 500, 0, 25)
    assert (rates.difference.low, rates.difference.high) == pytest.approx((expected.low, expected.high))
    assert rates.verdict == GuardVerdict.TOO_FEW
    assert compare_return_rates(make_returns(500, 300), make_returns(25, 2)).verdict == GuardVerdict.HARM


def test_orders_of_the_same_customers_count_as_fewer_orders() -> None:
    # 2 customers of 10 orders each return all of them: the variance is 10 times that of 20 independent orders of 400
    rates = compare_return_rates(make_returns(200, 20, per_customer=10), make_returns(200, 0, per_customer=10))
    expected = compare_shares(2, 20, 0, 20)
    assert (rates.difference.low, rates.difference.high) == pytest.approx((expected.low, expected.high))


def test_returns_without_an_effect_show_harm_in_at_most_one_of_forty_tests() -> None:
    rng = np.random.default_rng(4)
    groups = [{returned: make_returns(orders, returned) for returned in range(51)} for orders in (450, 50)]
    harms = 0
    for returned, other in zip(rng.binomial(450, 0.05, 500), rng.binomial(50, 0.05, 500), strict=True):
        harms += compare_returns(groups[0][returned], groups[1][other], 1.96).verdict == GuardVerdict.HARM
    assert harms <= 500 * 0.025, "it was 9% of tests"


def draw_group(rng: np.random.Generator, customers: int) -> GroupOutcomes:
    """Return a group in which one of 50 customers orders."""
    table = np.zeros((customers, len(COLUMN)))
    table[:, COLUMN.REVENUE] = rng.lognormal(3.5, 0.6, customers) * (rng.random(customers) < 0.02)
    return GroupOutcomes(make_moments(table))


@pytest.mark.parametrize("is_final", [True, False])
def test_campaigns_without_an_effect_and_with_three_orders_held_out_rarely_show_one(*, is_final: bool) -> None:
    """A group of three orders underestimates its own variance, most of all when it has fewer orders by chance."""
    rng = np.random.default_rng(118)
    timeline = Timeline(START, START + timedelta(days=7), START + timedelta(days=14), is_final=is_final)
    increases = 0
    for _ in range(300):
        comparer = MeasureComparer(draw_group(rng, 1350), draw_group(rng, 150), timeline, 0.95)
        increases += comparer.compare(COLUMN.REVENUE).effect.low > 0
    assert increases <= 300 * 0.025, "it was 15% at the end"


def test_a_large_effect_is_shown_with_a_few_orders_held_out() -> None:
    comparison = compare(make_group([20] * 300 + [0] * 8700), make_group([20] * 3 + [0] * 997), share=0.1)
    assert comparison.verdict == "increase"


@pytest.mark.parametrize(
    ("treated", "control", "sentence"),
    [
        (
            20,
            0,
            "Too few orders to tell: no customer in the holdout group has ordered. The effect on revenue is between −$",
        ),
        (40, 1, "Too few orders to tell: only 1 customer in the holdout group has ordered."),
        (40, 3, "Too few orders to tell: only 3 customers in the holdout group have ordered."),
        (2, 3, "Too few orders to tell: only 2 recipients have ordered."),
        (0, 1, "Too few orders to tell: no recipient has ordered."),
        (40, 10, "Too few customers to tell: the effect on revenue is between"),
    ],
)
def test_too_few_orders_say_in_which_group(treated: int, control: int, sentence: str) -> None:
    groups = make_group([10] * treated + [0] * (900 - treated)), make_group([10] * control + [0] * (100 - control))
    comparison = compare(*groups, share=0.1)
    assert comparison.verdict == "too_few"
    assert describe_comparison(comparison, "USD").startswith(sentence)


def test_while_a_test_runs_the_relative_change_and_the_guards_are_as_uncertain_as_the_effect() -> None:
    """Everything on the page may be looked at every day."""
    table = [10] * 130 + [0] * 870, [10] * 95 + [0] * 905
    first, second = (
        make_group(revenue, withdrew=[1] * count + [0] * (1000 - count))
        for revenue, count in zip(table, (14, 4), strict=True)
    )
    running, final = compare(first, second, days=15), compare(first, second)
    limit = compute_critical_value(0.5)
    for comparison, is_clear in ((running, False), (final, True)):
        for measure in (comparison.revenue, comparison.conversion):
            assert measure is not None
            assert measure.relative is not None
            assert (measure.effect.low > 0) == (measure.relative.low > 0) == is_clear
    verdicts = [comparison.guards[0].verdict for comparison in (running, final)]
    assert verdicts == [GuardVerdict.TOO_FEW, GuardVerdict.HARM]
    assert running.guards[0].difference == compare_shares(14, 1000, 4, 1000, critical_value=limit)
    [_withdrawals, complaints, *_returns] = compare(first, second, days=15, complaints=(6, 2000)).guards
    assert complaints.difference == compute_wilson_interval(6, 2000, critical_value=limit)


def test_a_running_test_without_a_conversion_does_not_claim_certainty() -> None:
    nobody = make_group([0] * 900)
    conversion = compare(nobody, nobody, days=5).conversion
    assert conversion is not None
    assert conversion.effect == compare_shares(0, 900, 0, 900, critical_value=compute_critical_value(5 / 30))
    assert conversion.effect.low < conversion.difference.low < 0
    assert conversion.total.high == pytest.approx(conversion.effect.high * 900)
    text = describe_conversion(compare(nobody, nobody, days=5), "an order")
    assert "Adjusted" not in text, "the interval is that of the shares"


def test_the_final_conversion_of_few_customers_has_newcombes_interval() -> None:
    conversion = compare(make_group([10] * 9 + [0] * 91), make_group([10] * 3 + [0] * 97)).conversion
    assert conversion is not None
    assert conversion.effect == conversion.difference == compare_shares(9, 100, 3, 100)
    assert conversion.total.value == pytest.approx(6)


def test_the_intervals_of_a_breakdown_are_wider_because_there_are_many() -> None:
    treated, control = make_group([10, 30] * 50), make_group([0, 20] * 50)
    parts = {f"stage:{name}": {"treated": treated, "holdout": control} for name in ("new", "loyal", "active")}
    parts["language:en"] = {"treated": treated, "holdout": control}
    parts["language:zh"] = {"treated": make_group([1] * 5), "holdout": control}  # too small
    counted = CountedOutcomes({"": {"treated": treated, "holdout": control}, **parts}, MarginBasis.COSTS, 1.0)
    timeline = Timeline(START, START + timedelta(days=40), START + timedelta(days=30), is_final=True)
    comparison = compare_groups(counted, treated="treated", control="holdout", holdout_share=0.5, timeline=timeline)
    widths = {part.dimension: part.effect.high - part.effect.low for part in comparison.parts}
    assert [part.value for part in comparison.parts] == ["new", "loyal", "active", "en"]
    assert comparison.revenue is not None
    plain = comparison.revenue.effect.high - comparison.revenue.effect.low
    assert widths["language"] == pytest.approx(plain)
    assert widths["stage"] == pytest.approx(plain * 2.408 / 1.972, rel=0.01)  # level .95^(1/3)


@pytest.mark.parametrize(
    ("value", "digits", "text"), [(1337, 0, "+1,337"), (-12345.67, 1, "−12,345.7"), (0.04, 1, "0.0")]
)
def test_signed_numbers_separate_thousands(value: float, digits: int, text: str) -> None:
    assert format_signed(value, digits) == text


def test_few_customers_are_not_mistaken_for_a_missing_holdout_group() -> None:
    texts = [
        describe_comparison(compare(make_group([5.0] * 4), make_group([5.0]), share=share), "USD") for share in (0.1, 0)
    ]
    assert texts == [
        "Too few customers to compare: at least two are needed in each group.",
        "There was no holdout group, so the effect of the message is unknown.",
    ]
