"""Who is asking: what is known of them in this worker's memory and in Valkey, in one round trip."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from config.foundation.array_types import Rows
from customers.events.recent.interactions import RecentInteraction, Recently, read_person
from recommendations.engine import Histories
from recommendations.engine.cold_start import Arrivals
from recommendations.serving.request import Request
from recommendations.serving.state.loader import Loaded
from recommendations.serving.state.model import PURCHASE, ServingModel

MOST_RECENT = 50
PATIENCE_SECONDS = 0.03  # for Valkey, of an answer that is due in 50 ms


NOTHING = np.empty(0, np.int32)


@dataclass(frozen=True, eq=False)
class Person:
    """names: "kind:value" of whoever is recognised, empty where nobody is: unknown, or refusing personalisation.

    recent: newest first, also what the model does not know; dismissed: rows of the catalogue not to show; count: see `Recently`.
    """

    names: Sequence[str]
    recent: Sequence[RecentInteraction]
    users: Sequence[int]
    history: Histories | None
    dismissed: Rows
    refused: bool = False
    count: int | None = None

    def bought(self, kinds: Sequence[int] | None) -> Rows:
        """Rows of what the person did with these kinds of interaction, None for any."""
        if self.history is None:
            return NOTHING
        if kinds is None:
            return self.history.item
        return self.history.item[np.isin(self.history.kind, kinds)]

    def purchases(self) -> Rows:
        return self.bought([PURCHASE])

    @property
    def has_history(self) -> bool:
        return self.history is not None and len(self.history.item) > 0


def read_recently(request: Request, *, counted: str = "") -> Recently:
    return read_person(identifiers=request.identifiers, counted=counted, patience=PATIENCE_SECONDS)


def person_of(*, loaded: Loaded, request: Request, recently: Recently, now: float) -> Person:
    """The person as this worker knows them; of whoever is withheld or refuses nothing but that."""
    names = [f"{kind}:{value}" for kind, value in request.identifiers]
    if names and (recently.refused or loaded.withheld.holds(names)):
        return Person([], [], [], None, NOTHING, refused=True, count=recently.count)
    model, catalogue = loaded.model, loaded.catalogue
    gone = catalogue.rows_of(recently.dismissed) if recently.dismissed else NOTHING
    if model is None or not names:
        return Person(names, recently.interactions, [], None, gone, count=recently.count)
    users = model.user_rows(names)
    history = model.history(users=users, recent=recently.interactions[:MOST_RECENT], places=catalogue.places, now=now)
    dismissed = dismissed_of(model, users, recently)
    dismissed = np.concatenate([dismissed, gone[gone >= 0]]) if len(gone) else dismissed
    return Person(names, recently.interactions, users, history, dismissed, count=recently.count)


def dismissed_of(model: ServingModel, users: Sequence[int], recently: Recently) -> Rows:
    """What was dismissed until training; who has put one of it into the basket or bought it since wants it after all."""
    rows = model.dismissed_rows(users)
    if not len(rows):
        return rows
    wanted = [one.product_id for one in recently.interactions if one.kind in ("cart", "purchase")]
    return rows[~np.isin(rows, model.items.rows(wanted))] if wanted else rows


def arrival_of(*, loaded: Loaded, request: Request, names: Sequence[str]) -> Arrivals | None:
    """What is known of somebody without a history; None where it is nothing that makes a difference."""
    if loaded.model is None or loaded.model.newcomers is None:
        return None
    told: Mapping[str, str] = {
        "language": request.language,
        "country": request.country,
        "device": request.device,
    }
    return loaded.model.newcomers.arrival(identifiers=names, told=told, landing=request.landing_category)
