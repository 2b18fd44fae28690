"""What the back office shows of recommendations: the answer as the storefront gets it, and the full share of every source."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from recommendations.serving.loading import Loaded, Loader, loader
from recommendations.serving.reasons import shares
from recommendations.serving.recommend import Answer, Item, Request, arrival_of, history_of, recommend
from recommendations.serving.scenarios import COLD_START, FOR_YOU


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
    if request.scenario != FOR_YOU:
        return Preview(answer, [Previewed(item, []) for item in answer.items], [])
    history = history_of(loaded, request)
    causes: Sequence[list[Cause]] = [[] for _ in answer.items]
    rows = loaded.model.items.rows([item.product_id for item in answer.items]).tolist()
    if answer.strategy == COLD_START:
        causes = causes_of_arrival(loaded, request, rows)
    elif answer.fallback is None:
        parts = loaded.model.blend_for(history).explain_many(history, rows)
        causes = [
            [
                Cause(share.source, *named(loaded, share.item), percent=round(share.share * 100, 1))
                for share in shares(contributions)[:8]
            ]
            for contributions in parts
        ]
    newest = list(zip(history.item[::-1][:20].tolist(), history.order[::-1][:20].tolist(), strict=True))
    past = [(*named(loaded, row), datetime.fromtimestamp(moment, now.tzinfo)) for row, moment in newest]
    return Preview(answer, [Previewed(item, found) for item, found in zip(answer.items, causes, strict=True)], past)


def causes_of_arrival(loaded: Loaded, request: Request, rows: Sequence[int]) -> list[list[Cause]]:
    """What speaks for each product, as shares of all that does: logarithms above 0."""
    arrival = arrival_of(loaded, request)
    if arrival is None or loaded.model.newcomers is None:
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
    """Product id and title of a row of the model; both empty for -1, which is no single product."""
    if row < 0:
        return "", ""
    card = loaded.catalogue.cards[row]
    product_id = loaded.model.items.id(row)
    return product_id, card.title if card is not None else product_id
