"""Simulated interleavings: false alarms of daily looks, and the people that they and an A/B test need for the same difference.

Visitors look at some lists of 10 products. Whether they click depends on the person, the position and the product. Both rankings have the
same good products; rankings without a difference have them in random orders, so that no preference exists.
"""

from functools import cache
from math import ceil
from typing import Any, Literal

import numpy as np

from config.foundation.array_types import Floats, Ints
from recommendations.measurement.statistics.interleaving import COUNTED_CLICKS, compute_click_share, interleave_rankings

DAYS, POSITIONS, DRAFTS = 90, 10, 500
MIN_CREDITED = 20  # people, as `experiments.methods.interleaving`, which needs Django
EXAMINATION = 1 / (1 + np.arange(POSITIONS)) ** 0.7
SEED = 20261128
type Arrival = Literal["", "once", "staying"]  # "": everyone is there on all days; "staying": from some day on


@cache
def draft_teams() -> Ints:
    """Return the teams of many drafts of two random orders, each also with the teams exchanged, (2·DRAFTS, POSITIONS)."""
    rng = np.random.default_rng(SEED)
    orders = [(rng.permutation(POSITIONS).tolist(), rng.permutation(POSITIONS).tolist()) for _draft in range(DRAFTS)]
    teams = np.array([interleave_rankings(*pair, POSITIONS, seed=seed).teams for seed, pair in enumerate(orders)])
    return np.concatenate([teams, np.where(teams < 0, teams, 1 - teams)])


def simulate_clicks(rng: np.random.Generator, *, people: int, clicks: float, arrival: Arrival) -> tuple[Ints, Ints]:
    """Return the counted clicks of each person on products of either ranking until the end of each day, (people, DAYS).

    clicks: expected in all days; they differ between people.
    """
    counts = rng.poisson(rng.gamma(1.0, clicks, people))
    first_days = rng.integers(0, DAYS, people) if arrival else np.zeros(people, np.int64)
    if arrival == "staying":
        counts = rng.binomial(counts, 1 - first_days / DAYS)
    owner = np.repeat(np.arange(people), counts)
    since = first_days[owner]
    days = since if arrival == "once" else since + (rng.random(len(owner)) * (DAYS - since)).astype(np.int64)
    in_order = np.lexsort((days, owner))
    owner, days = owner[in_order], days[in_order]
    positions = rng.choice(POSITIONS, len(owner), p=EXAMINATION / EXAMINATION.sum())
    team = draft_teams()[rng.integers(0, 2 * DRAFTS, len(owner)), positions]
    daily = np.zeros((2, people, DAYS), np.int64)
    is_credited = team >= 0
    owner, days, team = owner[is_credited], days[is_credited], team[is_credited]
    is_counted = np.arange(len(owner)) - np.searchsorted(owner, owner) < COUNTED_CLICKS
    np.add.at(daily, (team[is_counted], owner[is_counted], days[is_counted]), 1)
    first, second = np.cumsum(daily, axis=2)
    return first, second


def measure_interleaving(experiments: int) -> dict[str, Any]:
    """Return the shares of experiments without a difference that show one on any of 90 days, and the needed people."""
    settings: dict[str, dict[str, Any]] = {
        "interleaving_false_alarm_share": {"people": 600, "clicks": 1.5, "arrival": ""},
        "interleaving_false_alarm_share_arriving": {"people": 600, "clicks": 1.5, "arrival": "once"},
        "interleaving_false_alarm_share_staying": {"people": 600, "clicks": 30.0, "arrival": "staying"},
        "interleaving_false_alarm_share_many_clicks": {"people": 200, "clicks": 30.0, "arrival": ""},
    }
    line: dict[str, Any] = {}
    for number, (name, setting) in enumerate(settings.items()):
        rng = np.random.default_rng(SEED + number)
        alarms = sum(has_alarm(*simulate_clicks(rng, **setting)) for _experiment in range(experiments))
        line[name] = round(alarms / experiments, 4)
    return line | compare_needed_people()


def has_alarm(first: Ints, second: Ints) -> bool:
    """Return whether the interval excludes ½ on any day with enough people, as the result page reads it."""
    both, difference = first + second, second - first
    people, clicks = (both > 0).sum(axis=0), both.sum(axis=0)
    totals, squares = difference.sum(axis=0), (difference**2).sum(axis=0)
    for day in np.flatnonzero((people >= MIN_CREDITED) & (totals**2 > 4 * squares)).tolist():
        share = compute_click_share(clicks[day], totals[day], squares[day], fraction=((day + 1) / DAYS) ** 2).share
        if not share.low <= 0.5 <= share.high:
            return True
    return False


def compare_needed_people(*, people: int = 200_000, lists: int = 4) -> dict[str, Any]:
    """Return how many people both methods need to detect a ranking whose good products are 10% more attractive on average.

    n = (z + z_β)²·variance ÷ difference², of the clicks per person of an A/B test and of the difference of a person's counted clicks.
    """
    rng = np.random.default_rng(SEED + 9)
    rate = rng.gamma(0.5, 0.3, people)[:, None]  # people differ far more than rankings
    quality = np.array([1.0, 1.1])
    reach = (1.96 + 0.84) ** 2
    single = [rng.poisson(lists * rate[:, 0] * EXAMINATION.sum() * value) for value in quality]
    in_test = 2 * reach * (single[0].var() + single[1].var()) / (single[1].mean() - single[0].mean()) ** 2
    clicks = np.zeros((2, people), np.int64)
    for _list in range(lists):
        team = draft_teams()[rng.integers(0, 2 * DRAFTS, people)]
        expected: Floats = rate * EXAMINATION * quality[np.maximum(team, 0)]
        drawn = rng.poisson(expected)
        clicks += np.array([(drawn * (team == number)).sum(axis=1) for number in (0, 1)])
    # of those who clicked more often, the first clicks are a random part
    counted = rng.hypergeometric(clicks[1], clicks[0], np.minimum(clicks.sum(axis=0), COUNTED_CLICKS))
    difference = 2 * counted - np.minimum(clicks.sum(axis=0), COUNTED_CLICKS)
    interleaved = reach * difference.var() / difference.mean() ** 2
    return {
        "interleaving_people": ceil(interleaved),
        "fixed_shares_people": ceil(in_test),
        "interleaving_times_fewer": round(float(in_test / interleaved), 1),
    }
