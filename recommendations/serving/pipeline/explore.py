"""A place for a new product now and then: else what nobody has seen is never shown, and what is never shown nobody sees."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
import numpy.typing as npt
from django.conf import settings

from recommendations.engine import Histories
from recommendations.engine.algorithms.content.content import Content
from recommendations.engine.exploration import Trials, worth_trying
from recommendations.engine.online.online_scorers import content_of
from recommendations.serving.state.loader import Loaded

DAY = 86_400.0
FEW_PEOPLE = 50  # what so many have seen needs no place of its own
MOST_CANDIDATES = 200
ORDERS = 256


def every_nth(share: float | None = None) -> int | None:
    """At which places a new product stands: with a share of 0.1 at the tenth, the twentieth …; None for none.

    Without a share it is RECOMMEND_EXPLORATION_SHARE.
    """
    share = settings.RECOMMEND_EXPLORATION_SHARE if share is None else share
    return round(1 / share) if share > 0 else None


@dataclass(eq=False)
class Draws:
    """What is new in the shop, in a few different orders of Thompson sampling, each drawn when somebody is first shown it.

    rows: of new products that few people had to do with. Everybody is given one of ORDERS orders by chance, instead of a draw of their own
    for each request: a hundred numbers of a beta distribution take longer than all the rest of an answer.
    """

    since: npt.NDArray[np.int32]
    trials: Trials
    rows: npt.NDArray[np.int32]
    orders: dict[int, tuple[npt.NDArray[np.int32], npt.NDArray[np.float64]]] = field(default_factory=dict)

    @classmethod
    def of(cls, since: npt.NDArray[np.int32], trials: Trials) -> "Draws":
        known = since < len(trials.people)
        return cls(since, trials, since[~(known & (trials.people[np.where(known, since, 0)] >= FEW_PEOPLE))])

    def order(self, seed: int) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float64]]:
        """The rows with the largest draws first, and the draws."""
        number = seed % ORDERS
        found = self.orders.get(number)
        if found is None:
            thetas = self.trials.draws(self.rows, seed=number)
            likely = np.argsort(-thetas, kind="stable")
            found = self.orders[number] = (self.rows[likely], thetas[likely])
        return found


def draws_of(loaded: Loaded, now: datetime) -> Draws | None:
    """As long as the same products are new, the same; None without a model that knows how to try."""
    trials = loaded.model.trials if loaded.model is not None else None
    if trials is None:
        return None
    since = loaded.catalogue.published_since(now.timestamp() - settings.RECOMMEND_NEW_DAYS * DAY)
    kept: Draws | None = loaded.kept.get("draws")
    if kept is None or kept.since is not since or kept.trials is not trials:
        kept = loaded.kept["draws"] = Draws.of(since, trials)
    return kept


def new_products(
    *,
    loaded: Loaded,
    history: Histories | None,
    allowed: npt.NDArray[np.bool_],
    barred: npt.NDArray[np.int32],
    seed: int,
    now: datetime,
) -> list[int]:
    """Rows of new products that are allowed and not barred, best to try first, at most MOST_CANDIDATES; what the person had to do with is none.

    A product is new when it was published in the last RECOMMEND_NEW_DAYS days, and few people had to do with it until training; what
    came into the catalogue after it is tried as what nobody has seen. The same seed gives the same.
    """
    draws = draws_of(loaded, now)
    if draws is None or not len(draws.rows):
        return []
    rows, thetas = draws.order(seed)
    places = np.flatnonzero(allowed[rows])[:MOST_CANDIDATES]
    if len(places):
        known = barred if history is None else np.concatenate([history.item, barred])
        places = places[~np.isin(rows[places], known)]
    if not len(places):
        return []
    rows, thetas = rows[places], thetas[places]
    return rows[worth_trying(thetas, affinity_of(loaded, history, rows))].tolist()


def affinity_of(loaded: Loaded, history: Histories | None, rows: npt.NDArray[np.int32]) -> npt.NDArray[np.floating]:
    """How near each product is to the history by its content, from 0 to 1."""
    parts = loaded.model.blend.components_.values() if loaded.model is not None else ()
    content = next((part for part in parts if isinstance(part, Content)), None)
    if content is None or history is None or not len(history.item):
        return np.zeros(len(rows))
    return np.clip(content_of(content, history, rows), 0.0, 1.0)


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
