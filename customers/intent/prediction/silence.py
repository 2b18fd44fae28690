"""Updates the predictions for a visitor who has done nothing for some time."""

from dataclasses import dataclass

import numpy as np

from config.foundation.array_types import AnyInts, Floats, Ints
from customers.intent.prediction.session_events import GAP_SECONDS, SECOND, EventKind

GRID = np.array(
    [0, 2, 5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 240, 300, 420, 600, 900, 1200, 1500, GAP_SECONDS], float
)
PRIOR_PAUSES = 50.0  # pseudo-pauses of all event types, added to each type so that rare types are shrunk towards them


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


def fit_pauses(kind: AnyInts, pause: Ints) -> PauseCurves:
    """Count the pauses within sessions after each kind of event. kind, pause: (n,), microseconds."""
    kinds = len(EventKind)
    seconds = pause / SECOND
    longer = seconds[:, None] > GRID[None, :]
    overall = (longer.sum(axis=0) + 0.5) / (len(seconds) + 1.0)
    counts = np.stack([np.bincount(kind, longer[:, point], kinds) for point in range(len(GRID))], axis=1)
    total = np.bincount(kind, minlength=kinds)[:, None]
    survival = (counts + PRIOR_PAUSES * overall) / (total + PRIOR_PAUSES)
    survival[:, 0], survival[:, -1] = 1.0, 0.0
    return PauseCurves(survival)


def update_for_silence(*, orders: Floats, leaves: Floats, longer: Floats) -> tuple[Floats, Floats]:
    """Return the probabilities of an order and of leaving, given that nothing has happened for some time; shapes (n,).

    With L = leaves at the last event, O = orders, and S = longer, the share of continuing visitors who pause longer (Bayes):
    P(leaves | silent) = L / (L + (1 − L) S). Only visitors who continue can order: P(orders | silent) = O · S / (L + (1 − L) S).
    """
    silent = np.maximum(leaves + (1 - leaves) * longer, 1e-12)
    left = np.where(longer > 0, leaves / silent, 1.0)
    return np.minimum(orders * longer / silent, 1 - left), left
