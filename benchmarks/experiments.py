"""Results of simulated campaigns: false alarms without an effect, coverage and power with one, and seconds for a million customers.

    python -m benchmarks.experiments [--campaigns N] [--customers N] [--assigned N]

Customers buy repeatedly. Order rates and usual order amounts differ between customers and stay constant, so that the spend of the 90
days before, and a prediction (the true rate × amount, with noise), help to explain the spend of the 90 days of the campaign.

false_alarm_share: share of the campaigns without an effect whose 95% interval of the conversion rate excludes 0 at the end;
…_revenue, …_cuped and …_bootstrap: the same for revenue per customer, by Welch, CUPED and bootstrap. sequential_false_alarm_share: share
whose always-valid interval of CUPED's revenue excludes 0 on any of 90 days; …_arriving: with customers who arrive over the 90 days, with
one complete outcome each; …_accumulating: with customers who arrive over the 90 days and whose orders count from then on;
sequential_or_final_…: these, and those whose usual interval excludes 0 at the end. looked_daily_share: the usual interval on any of 90
days. coverage: share of 500 campaigns with an effect whose headline interval (CUPED) contains the true additional revenue per customer;
coverage_…: for the other intervals. cuped_narrower: how much narrower CUPED makes the interval of revenue, .2 for 20%. power: share of
campaigns with the minimum detectable effect of 80% power that show it. interleaving_false_alarm_share: share of interleavings without a
difference that show one on any of 90 days; …_arriving: with people who come once; …_staying: with people who come again from some day on
and click often; …_many_clicks: with people who click 30 times on average. interleaving_people, fixed_shares_people: people needed to show
with 80% power that products are 10% more attractive, by
interleaving and by clicks per person of an A/B test, at a single look.
results_s: seconds for the results of a campaign with --assigned customers in PostgreSQL, the second time; floor_join_s: a bare
join of its deliveries with all their orders, in the same run.
"""

import argparse
import json
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.experiments_interleaving import measure_interleaving
from benchmarks.experiments_shop import time_results
from benchmarks.neighbours import get_peak_mb, log
from config.foundation.array_types import Flags, Floats, Ints
from config.foundation.statistics import ConfidenceInterval, compare_means, compare_shares, compute_newcombe_bounds
from recommendations.measurement.statistics.bootstrap import bootstrap_mean_difference
from recommendations.measurement.statistics.cuped import compare_adjusted_means
from recommendations.measurement.statistics.moments import GroupMoments, make_moments
from recommendations.measurement.statistics.power import compute_minimum_detectable_effect
from recommendations.measurement.statistics.sequential import compute_always_valid_interval

DAYS = 90
HOLDOUT_SHARE = 0.2
SEED = 20261127
COVERED_CAMPAIGNS = 500
DRAWS = 1000  # of the bootstrap; pages use 2000
EFFECT = 0.15  # more orders


@dataclass(frozen=True)
class SimulatedCampaign:
    """The outcome of one campaign.

    Attributes:
        treated: (n,) flags. orders, spend: (n,) of the 90 days. earlier, predicted: (n,) covariates.
        daily: (n, 90) spend until the end of each day; arrival: (n,) the day on which each customer is assigned.
    """

    treated: Flags
    orders: Ints
    spend: Floats
    earlier: Floats
    predicted: Floats
    daily: Floats
    arrival: Ints
    true_conversion: float
    true_spend: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--campaigns", type=int, default=2000, help="number of campaigns without an effect")
    parser.add_argument("--customers", type=int, default=4000, help="customers per campaign")
    parser.add_argument(
        "--assigned", type=int, default=1_000_000, help="customers of the campaign in PostgreSQL; 0 to leave it out"
    )
    arguments = parser.parse_args()
    line = measure_false_alarms(arguments.campaigns, arguments.customers)
    line |= measure_coverage(arguments.customers)
    line |= measure_interleaving(arguments.campaigns // 2)
    if arguments.assigned:
        line |= time_results(arguments.assigned)
    line |= {"power": measure_power(), "campaigns": arguments.campaigns, "customers": arguments.customers}
    print(json.dumps({**line, "peak_mb": get_peak_mb()}))


def simulate_campaigns(number: int, customers: int, *, effect: float, seed: int) -> Iterator[SimulatedCampaign]:
    """Yield campaigns; effect: the relative change of the rate of orders of treated customers."""
    rng = np.random.default_rng(seed)
    for _campaign in range(number):
        yield simulate_campaign(rng, customers, effect)


def simulate_campaign(rng: np.random.Generator, customers: int, effect: float) -> SimulatedCampaign:
    rates = rng.gamma(0.8, 0.012, customers)  # orders a day: .9 in 90 days on average, none for half of the customers
    amounts = rng.lognormal(3.4, 0.5, customers)
    treated = rng.random(customers) < 1 - HOLDOUT_SHARE
    earlier, _orders, _days = draw_spend(rng, rates, amounts)
    spend_by_day, orders, _days = draw_spend(rng, rates * (1 + effect * treated), amounts)
    mean = np.exp(0.4**2 / 2)
    gain = DAYS * rates
    return SimulatedCampaign(
        treated=treated,
        orders=orders,
        spend=spend_by_day.sum(axis=1),
        earlier=earlier.sum(axis=1),
        predicted=rates * amounts * rng.lognormal(0, 0.5, customers),
        daily=np.cumsum(spend_by_day, axis=1),
        arrival=rng.integers(0, DAYS, customers),
        true_conversion=float((np.exp(-gain) - np.exp(-gain * (1 + effect))).mean()),
        true_spend=float((gain * amounts * mean * effect).mean()),
    )


def draw_spend(rng: np.random.Generator, rates: Floats, amounts: Floats) -> tuple[Floats, Ints, Ints]:
    """Return the (n, 90) spend, the orders of each customer, and the day of each order."""
    orders = rng.poisson(rates * DAYS)
    owner = np.repeat(np.arange(len(rates)), orders)
    days = rng.integers(0, DAYS, len(owner))
    spend = np.zeros((len(rates), DAYS))
    np.add.at(spend, (owner, days), amounts[owner] * rng.lognormal(0, 0.4, len(owner)))
    return spend, orders, days


def compare(campaign: SimulatedCampaign, seed: int) -> dict[str, ConfidenceInterval]:
    """Return the differences at the end."""
    treated, control = campaign.treated, ~campaign.treated
    values = np.column_stack([campaign.spend, campaign.earlier, campaign.predicted])
    moments = make_moments(values[treated]), make_moments(values[control])
    buyers = campaign.orders > 0
    return {
        "conversion": compare_shares(
            int(buyers[treated].sum()), int(treated.sum()), int(buyers[control].sum()), int(control.sum())
        ),
        "revenue": compare_means(moments[0].get_sample(0), moments[1].get_sample(0)),
        "cuped": compare_adjusted_means(*moments, outcome=0, covariates=[1, 2]).interval,
        "bootstrap": bootstrap_mean_difference(
            campaign.spend[treated & buyers],
            int(treated.sum()),
            campaign.spend[control & buyers],
            int(control.sum()),
            seed=seed,
            draws=DRAWS,
        ),
    }


def measure_false_alarms(campaigns: int, customers: int) -> dict[str, Any]:
    alarms = dict.fromkeys(
        ("conversion", "revenue", "cuped", "bootstrap", "daily", "sequential", "arriving", "accumulating", "either"), 0
    )
    for number, campaign in enumerate(simulate_campaigns(campaigns, customers, effect=0.0, seed=SEED)):
        final = {name: not interval.low <= 0 <= interval.high for name, interval in compare(campaign, number).items()}
        for name, is_alarm in final.items():
            alarms[name] += is_alarm
        usual, sequential = look_daily(campaign)
        alarms["either"] += sequential or final["cuped"]
        alarms["daily"] += usual
        alarms["sequential"] += sequential
        alarms["arriving"] += look_at_arrivals(campaign)
        alarms["accumulating"] += look_at_accumulation(campaign)
        if number % 200 == 199:
            log(f"{number + 1} campaigns without an effect: {alarms}")
    shares = {name: round(count / campaigns, 4) for name, count in alarms.items()}
    return {
        "false_alarm_share": shares["conversion"],
        "false_alarm_share_revenue": shares["revenue"],
        "false_alarm_share_cuped": shares["cuped"],
        "false_alarm_share_bootstrap": shares["bootstrap"],
        "sequential_false_alarm_share": shares["sequential"],
        "sequential_false_alarm_share_arriving": shares["arriving"],
        "sequential_false_alarm_share_accumulating": shares["accumulating"],
        "sequential_or_final_false_alarm_share": shares["either"],
        "looked_daily_share": shares["daily"],
    }


def look_daily(campaign: SimulatedCampaign) -> tuple[bool, bool]:
    """Return whether a usual and an always-valid interval excluded 0 on any day; all customers are assigned on the first."""
    covariates = np.column_stack([campaign.earlier, campaign.predicted])
    groups = [sum_days(campaign.daily[flags], covariates[flags]) for flags in (campaign.treated, ~campaign.treated)]
    return judge_looks([(groups[0][day], groups[1][day]) for day in range(DAYS)])


def look_at_arrivals(campaign: SimulatedCampaign) -> bool:
    """Return whether an always-valid interval excluded 0 on any day; each customer counts from the day of arrival, with one outcome."""
    groups = []
    for flags in (campaign.treated, ~campaign.treated):
        order = np.argsort(campaign.arrival[flags])
        values = np.column_stack([campaign.spend, campaign.earlier, campaign.predicted])[flags][order]
        sums, products = np.cumsum(values, axis=0), np.cumsum(values[:, :, None] * values[:, None, :], axis=0)
        arrived = np.searchsorted(campaign.arrival[flags][order], np.arange(DAYS), side="right")
        groups.append([GroupMoments(int(n), sums[max(n - 1, 0)], products[max(n - 1, 0)]) for n in arrived])
    return judge_looks(list(zip(*groups, strict=True)))[1]


def look_at_accumulation(campaign: SimulatedCampaign) -> bool:
    """Return whether an always-valid interval excluded 0 on any day; each customer counts from the day of arrival until the look."""
    groups = []
    for flags in (campaign.treated, ~campaign.treated):
        order = np.argsort(campaign.arrival[flags])
        covariates = np.column_stack([campaign.earlier, campaign.predicted])[flags][order]
        daily, arrival = campaign.daily[flags][order], campaign.arrival[flags][order]
        before = np.where(arrival > 0, daily[np.arange(len(daily)), arrival - 1], 0.0)
        moments = []
        for day in range(DAYS):
            n = int(np.searchsorted(arrival, day, side="right"))
            moments.append(make_moments(np.column_stack([daily[:n, day] - before[:n], covariates[:n]])))
        groups.append(moments)
    return judge_looks(list(zip(*groups, strict=True)), power=2)[1]


def sum_days(daily: Floats, covariates: Floats) -> list[GroupMoments]:
    """Return the moments of (spend until the day, covariates) of each day."""
    n, k = covariates.shape
    sums, squares, crosses = daily.sum(axis=0), (daily**2).sum(axis=0), covariates.T @ daily
    fixed_sums, fixed = covariates.sum(axis=0), covariates.T @ covariates
    moments = []
    for day in range(daily.shape[1]):
        products = np.empty((k + 1, k + 1))
        products[0, 0], products[0, 1:], products[1:, 0], products[1:, 1:] = (
            squares[day],
            crosses[:, day],
            crosses[:, day],
            fixed,
        )
        moments.append(GroupMoments(n, np.concatenate([[sums[day]], fixed_sums]), products))
    return moments


def judge_looks(looks: list[tuple[GroupMoments, GroupMoments]], *, power: int = 1) -> tuple[bool, bool]:
    """Return whether a usual and an always-valid interval excluded 0; power: 2 if customers arrive and their outcomes add up."""
    usual = sequential = False
    for day, (treated, control) in enumerate(looks):
        result = compare_adjusted_means(treated, control, outcome=0, covariates=[1, 2])
        if not result.standard_error > 0:
            continue
        usual |= not result.low <= 0 <= result.high
        interval = compute_always_valid_interval(
            value=result.value, standard_error=result.standard_error, fraction=((day + 1) / DAYS) ** power
        )
        sequential |= not interval.low <= 0 <= interval.high
    return usual, sequential


def measure_coverage(customers: int) -> dict[str, Any]:
    """Return the shares of intervals with the true effect, and how much narrower CUPED's are."""
    names = ("conversion", "revenue", "cuped", "bootstrap")
    covered, widths = dict.fromkeys(names, 0), dict.fromkeys(names, 0.0)
    for number, campaign in enumerate(simulate_campaigns(COVERED_CAMPAIGNS, customers, effect=EFFECT, seed=SEED + 1)):
        for name, interval in compare(campaign, number).items():
            truth = campaign.true_conversion if name == "conversion" else campaign.true_spend
            covered[name] += interval.low <= truth <= interval.high
            widths[name] += interval.high - interval.low
    shares = {name: covered[name] / COVERED_CAMPAIGNS for name in names}
    return {
        "coverage": shares["cuped"],
        **{f"coverage_{name}": share for name, share in shares.items()},
        "cuped_narrower": round(1 - widths["cuped"] / widths["revenue"], 4),
    }


def measure_power() -> float:
    """Return the share of 20,000 campaigns with the minimum detectable effect that show it."""
    treated, held_out, rate = 9000, 1000, 0.05
    effect = compute_minimum_detectable_effect(rate=rate, treated=treated, held_out=held_out)
    assert effect is not None
    rng = np.random.default_rng(SEED + 2)
    hits, others = rng.binomial(treated, rate + effect, 20_000), rng.binomial(held_out, rate, 20_000)
    low, _high = compute_newcombe_bounds(hits, treated, others, held_out)
    return round(float((low > 0).mean()), 4)


if __name__ == "__main__":
    started = time.perf_counter()
    main()
    log(f"{math.ceil(time.perf_counter() - started)} s")
