"""Updates the predictions for a visitor who has done nothing for some time."""

from dataclasses import dataclass

import numpy as np

from config.foundation.array_types import AnyInts, Floats, Ints
from customers.intent.prediction.labels import SessionCuts
from customers.intent.prediction.session_events import GAP_SECONDS, SECOND, EventKind

GRID = np.array(
    [0, 2, 5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 240, 300, 420, 600, 900, 1200, 1500, GAP_SECONDS], float
)
PRIOR_CUTS = 50.0  # pseudo-cuts of all event types, added to each type so that rare types are shrunk towards them


@dataclass(frozen=True, eq=False)
class PauseCurves:
    """The pauses of visitors who continue their session. survival: (kinds, points of `GRID`), share of pauses that are longer."""

    survival: Floats

    def get_longer_share(self, kind: AnyInts, seconds: Floats) -> Floats:
        """Return the share of pauses after this type of event that are longer than `seconds`, (n,); 0 beyond the gap between sessions."""
        share = np.zeros(len(kind))
        for number in np.unique(kind):
            is_kind = kind == number
            share[is_kind] = np.interp(seconds[is_kind], GRID, self.survival[number])
        return share


@dataclass(frozen=True, eq=False)
class LateOrders:
    """Orders after the last event of a session, such as those that a shop sends only from its server; shares of visitors without an order.

    Attributes:
        leaving: (kinds, points of `GRID`), of the visitors who leave after this kind of event, the share who order later than that.
        continuing: (kinds,), of the visitors who continue, the share who order.
    """

    leaving: Floats
    continuing: Floats

    @classmethod
    def build_empty(cls) -> "LateOrders":
        """Return the shares of a shop in which only visitors who continue order."""
        return cls(np.zeros((len(EventKind), len(GRID))), np.ones(len(EventKind)))

    def compute_leaving_part(self, kind: AnyInts, leaves: Floats) -> Floats:
        """Return P(leaves | orders), (n,): which part of the orders comes without a further event."""
        without, within = leaves * self.leaving[kind, 0], (1 - leaves) * self.continuing[kind]
        return without / np.maximum(without + within, 1e-12)

    def get_later_share(self, kind: AnyInts, seconds: Floats) -> Floats:
        """Return the share of these orders that are placed later than `seconds` after the last event, (n,)."""
        share = np.zeros(len(kind))
        for number in np.unique(kind):
            is_kind = kind == number
            curve = self.leaving[number]
            share[is_kind] = np.interp(seconds[is_kind], GRID, curve / max(curve[0], 1e-12))
        return share


def fit_pauses(kind: AnyInts, pause: Ints) -> PauseCurves:
    """Count the pauses within sessions after each kind of event. kind, pause: (n,), microseconds."""
    kinds = len(EventKind)
    seconds = pause / SECOND
    longer = seconds[:, None] > GRID[None, :]
    overall = (longer.sum(axis=0) + 0.5) / (len(seconds) + 1.0)
    counts = np.stack([np.bincount(kind, longer[:, point], kinds) for point in range(len(GRID))], axis=1)
    total = np.bincount(kind, minlength=kinds)[:, None]
    survival = (counts + PRIOR_CUTS * overall) / (total + PRIOR_CUTS)
    survival[:, 0], survival[:, -1] = 1.0, 0.0
    return PauseCurves(survival)


def fit_late_orders(cuts: SessionCuts, kind: AnyInts) -> LateOrders:
    """Count the orders after each kind of event, with and without a further event; rare kinds are shrunk towards all kinds."""
    kinds = len(EventKind)
    counted = cuts.select(~cuts.has_ordered)
    kind, leaves = kind[~cuts.has_ordered], counted.leaves
    later = (counted.order_delay[leaves] / SECOND)[:, None] > GRID[None, :]
    overall = later.sum(axis=0) / max(len(later), 1)
    counts = np.stack([np.bincount(kind[leaves], later[:, point], kinds) for point in range(len(GRID))], axis=1)
    total = np.bincount(kind[leaves], minlength=kinds)[:, None]
    orders = counted.orders[~leaves]
    continuing = np.bincount(kind[~leaves], orders, kinds) + PRIOR_CUTS * orders.sum() / max(len(orders), 1)
    return LateOrders(
        (counts + PRIOR_CUTS * overall) / (total + PRIOR_CUTS),
        continuing / (np.bincount(kind[~leaves], minlength=kinds) + PRIOR_CUTS),
    )


def update_for_silence(
    *, orders: Floats, leaves: Floats, longer: Floats, leaving_part: Floats, later: Floats
) -> tuple[Floats, Floats]:
    """Return the probabilities of an order and of leaving, given that nothing has happened for some time; shapes (n,).

    With L = leaves and O = orders at the last event, O_l = the part of O without a further event (`leaving_part`), O_c = O − O_l,
    S = longer, the share of continuing visitors who pause longer, and W = later, the share of the orders without a further event that
    are placed later (Bayes): neither an event nor an order is P(silent) = L − O_l (1 − W) + (1 − L) S,
    P(leaves | silent) = (L − O_l (1 − W)) / P(silent), P(orders | silent) = (O_l W + O_c S) / P(silent).
    """
    without = np.minimum(orders * leaving_part, leaves)
    within = np.minimum(orders - without, 1 - leaves)
    left = leaves - without * (1 - later)
    silent = np.maximum(left + (1 - leaves) * longer, 1e-12)
    return (without * later + within * longer) / silent, np.where(longer > 0, left / silent, 1.0)
