"""A place for a new product now and then: else what nobody has seen is never shown, and what is never shown nobody sees."""

import hashlib
from collections.abc import Iterator, Sequence
from datetime import datetime

import numpy as np
import numpy.typing as npt
from django.conf import settings

from recommendations.engine import Histories
from recommendations.engine.algorithms.content import Content
from recommendations.engine.exploration import worth_trying
from recommendations.serving.loading import Loaded

DAY = 86_400.0
FEW_PEOPLE = 50  # what so many have seen needs no place of its own
MOST_CANDIDATES = 200


def every_nth() -> int | None:
    """At which places a new product stands: with a share of 0.1 at the tenth, the twentieth …; None for none."""
    share = settings.RECOMMEND_EXPLORATION_SHARE
    return round(1 / share) if share > 0 else None


def new_products(
    *, loaded: Loaded, history: Histories, allowed: npt.NDArray[np.bool_], identity: str, minute: int, now: datetime
) -> list[int]:
    """Rows of new products that are allowed, best to try first, at most MOST_CANDIDATES; what the person had to do with is none.

    A product is new when it was published in the last RECOMMEND_NEW_DAYS days, and few people had to do with it until training.
    Within one minute the same person gets the same.
    """
    trials = loaded.model.trials
    if trials is None:
        return []
    since = now.timestamp() - settings.RECOMMEND_NEW_DAYS * DAY
    candidates = allowed & (loaded.catalogue.published > since) & (trials.people < FEW_PEOPLE)
    candidates[history.item] = False
    rows = np.flatnonzero(candidates)
    if not len(rows):
        return []
    thetas = trials.draws(rows, seed=seed_of(identity, minute))
    likely = np.argsort(-thetas, kind="stable")[:MOST_CANDIDATES]
    rows, thetas = rows[likely], thetas[likely]
    return [int(row) for row in rows[worth_trying(thetas, affinity_of(loaded, history, rows))]]


def affinity_of(loaded: Loaded, history: Histories, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """How near each product is to the history by its content, from 0 to 1."""
    content = next((part for part in loaded.model.blend.components_.values() if isinstance(part, Content)), None)
    if content is None or not len(history.item):
        return np.zeros(len(rows))
    parts = content.attribute(history, rows.tolist())
    return np.clip(sum((part.parts.sum(axis=0) for part in parts), np.zeros(len(rows))), 0.0, 1.0)


def seed_of(identity: str, minute: int) -> int:
    return int.from_bytes(hashlib.blake2b(f"{identity}/{minute}".encode(), digest_size=8).digest())


def merged(
    ranked: Sequence[tuple[int, float]], new: Sequence[int], *, every: int
) -> Iterator[tuple[int, float | None]]:
    """The ranked rows with a new one at every nth place as long as there are any, no row twice; the score of a new one is None."""
    shown: set[int] = set()
    best, fresh = iter(ranked), iter(new)
    place = 0
    while True:
        place += 1
        row = next((row for row in fresh if row not in shown), None) if place % every == 0 else None
        found = (row, None) if row is not None else next((pair for pair in best if pair[0] not in shown), None)
        if found is None:
            return
        shown.add(found[0])
        yield found
