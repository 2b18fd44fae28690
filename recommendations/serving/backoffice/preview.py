"""What the back office shows of recommendations: the answer as the storefront gets it, and the full share of every source."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from customers.identity.models import Customer, Identifier
from recommendations.engine.online.ensemble_scorer import Workspace
from recommendations.engine.placements import FOR_YOU, SCENARIOS, Start
from recommendations.serving.pipeline.candidates import COLD_START
from recommendations.serving.pipeline.explain import BESIDE, shares
from recommendations.serving.pipeline.visitor import NOTHING, Person, arrival_of, person_of, read_recently
from recommendations.serving.recommend import Answer, Item, Request, recommend
from recommendations.serving.state.loader import Loaded, Loader, loader


@dataclass(frozen=True)
class Cause:
    """One line of "why this?": so much of the score comes from this product of the history through this source."""

    source: str
    product_id: str
    title: str
    percent: float


@dataclass(frozen=True)
class Previewed:
    item: Item
    causes: list[Cause]


@dataclass(frozen=True)
class Preview:
    answer: Answer
    items: list[Previewed]
    history: list[tuple[str, str, datetime]]


def preview(*, request: Request, now: datetime, source: Loader = loader) -> Preview:
    """The answer to ``request`` with the causes of each item, and the newest products of the history it starts from."""
    answer = recommend(request=request, now=now, source=source)
    loaded = source.current(now=now)
    person = person_of(loaded=loaded, request=request, recently=read_recently(request), now=now.timestamp())
    rows = [item.row for item in answer.items]
    causes = causes_of(loaded, request, person, answer, rows)
    history = person.history
    past: list[tuple[str, str, datetime]] = []
    if history is not None and request.scenario not in BESIDE:
        newest = zip(history.item[::-1][:20].tolist(), history.order[::-1][:20].tolist(), strict=True)
        past = [(*named(loaded, row), datetime.fromtimestamp(moment, now.tzinfo)) for row, moment in newest]
    return Preview(answer, [Previewed(item, found) for item, found in zip(answer.items, causes, strict=True)], past)


def request_of(customer: Customer, *, n: int) -> Request:
    """What the storefront would ask for the customer."""
    names = dict(customer.identifiers.values_list("kind", "value"))
    return Request(
        scenario=FOR_YOU,
        user_id=names.get(Identifier.Kind.USER_ID, ""),
        anonymous_id=names.get(Identifier.Kind.ANONYMOUS_ID, ""),
        n=n,
    )


def causes_of(
    loaded: Loaded, request: Request, person: Person, answer: Answer, rows: Sequence[int]
) -> list[list[Cause]]:
    """The full share of every source in the score of each row, largest first; empty where there are no scores to share out."""
    model = loaded.model
    nothing: list[list[Cause]] = [[] for _row in rows]
    if model is None or loaded.prepared is None or answer.categories is not None:
        return nothing
    if answer.strategy == COLD_START:
        return causes_of_arrival(loaded, request, person, rows)
    scenario = answer.fallback or request.scenario
    blend = loaded.prepared.blends.get(scenario)
    if blend is None:
        return nothing
    history = person.history if person.history is not None else model.history_of(NOTHING)
    if scenario in BESIDE:
        named_rows = loaded.catalogue.rows_of(request.product_ids)
        history = model.history_of(named_rows[(named_rows >= 0) & (named_rows < len(model.items))])
    elif SCENARIOS[scenario].start == Start.NOTHING:
        history = model.history_of(NOTHING)
    work = Workspace(blend.n, loaded.prepared.width)
    scored = blend.score(history, work)
    if not scored.known and loaded.prepared.visit is not None and scenario == FOR_YOU and len(history.item):
        work.clear()
        scored = loaded.prepared.visit.score(history, work)
    parts = scored.contributions(np.array(rows, np.int32))
    return [
        [Cause(share.source, *named(loaded, share.item), percent=round(share.share * 100, 1)) for share in shares(one)]
        for one in parts
    ]


def causes_of_arrival(loaded: Loaded, request: Request, person: Person, rows: Sequence[int]) -> list[list[Cause]]:
    """What speaks for each product, as shares of all that does: logarithms above 0."""
    arrival = arrival_of(loaded=loaded, request=request, names=person.names)
    if arrival is None or loaded.model is None or loaded.model.newcomers is None:
        return [[] for _row in rows]
    parts = loaded.model.newcomers.model.explain_many(arrival, rows)
    return [
        [
            Cause(share.source, "", "", percent=round(share.share * 100, 1))
            for share in shares([part for part in contributions if part.value > 0])
        ]
        for contributions in parts
    ]


def named(loaded: Loaded, row: int) -> tuple[str, str]:
    """Product id and title of a row; both empty for -1, which is no single product."""
    if row < 0:
        return "", ""
    card = loaded.catalogue.cards[row]
    product_id = loaded.catalogue.product_ids[row]
    return product_id, card.title if card is not None else product_id
