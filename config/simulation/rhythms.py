"""Repeat purchases: products that a customer buys again after gaps of about the same length."""

from dataclasses import dataclass

import numpy as np
from scipy.special import gammaincc

from config.foundation.array_types import Floats, Ints
from config.simulation.customers import RHYTHM_SHAPE, SimulatedCustomers
from config.simulation.plan import ShopPlan

GAPS = np.linspace(0, 8, 1_601)  # in mean gaps
LOG_SURVIVAL = np.log(np.maximum(gammaincc(RHYTHM_SHAPE, RHYTHM_SHAPE * GAPS), 1e-300))


def compute_log_survival(gaps: Floats) -> Floats:
    """Return the logarithm of the probability that a gap lasts longer than this many mean gaps."""
    return np.interp(gaps, GAPS, LOG_SURVIVAL)


@dataclass(frozen=True, eq=False)
class RhythmPurchases:
    """Purchases sorted by rhythm and time: the row of the rhythm, and the moment in days from the start of the history."""

    rhythm: Ints
    moment: Floats

    def find_latest(self, customers: SimulatedCustomers, day: int) -> Floats:
        """Return the moment of the last purchase of each rhythm before a day; the birth if there is none."""
        latest = customers.birth[customers.rhythm_customer].astype(np.float64)
        before = self.moment < day
        np.maximum.at(latest, self.rhythm[before], self.moment[before])
        return latest

    def compute_silence(self, customers: SimulatedCustomers, day: int, days: int) -> Floats:
        """Return the probability that no rhythm of a living customer falls due in the ``days`` days from ``day`` on, shape (n,)."""
        waited = (day - self.find_latest(customers, day)) / customers.rhythm_gap
        later = waited + days / customers.rhythm_gap
        logarithm = compute_log_survival(np.maximum(later, 0)) - compute_log_survival(np.maximum(waited, 0))
        return np.exp(np.bincount(customers.rhythm_customer, logarithm, minlength=len(customers)))


def draw_rhythm_purchases(plan: ShopPlan, customers: SimulatedCustomers, block: int) -> RhythmPurchases:
    """Draw purchases until death or the end of the future. The birth counts as the first purchase of each rhythm, and is not returned."""
    generator = plan.make_generator("rhythms", block)
    rows = len(customers.rhythm_gap)
    birth = customers.birth[customers.rhythm_customer]
    until = np.minimum(customers.death[customers.rhythm_customer], plan.all_days)
    rhythm, moments = [np.empty(0, np.int64)], [np.empty(0)]
    active, now = np.arange(rows), birth.astype(np.float64)
    while len(active):
        now = now + customers.rhythm_gap[active] * generator.gamma(RHYTHM_SHAPE, 1 / RHYTHM_SHAPE, len(active))
        is_within = np.floor(now) < until[active]
        active, now = active[is_within], now[is_within]
        rhythm.append(active)
        moments.append(now)
    all_rhythms, all_moments = np.concatenate(rhythm), np.concatenate(moments)
    order = np.lexsort((all_moments, all_rhythms))
    return RhythmPurchases(all_rhythms[order], all_moments[order])
