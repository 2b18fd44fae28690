"""The one public function of serving: what to show in a place of the shop, to whoever is looking."""

import base64
import binascii
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from itertools import islice

import numpy as np

from customers.events.recent import recent_interactions
from recommendations.engine import Histories, top_n
from recommendations.engine.cold_start import Arrivals
from recommendations.serving.catalogue import Card
from recommendations.serving.exploration import every_nth, merged, new_products
from recommendations.serving.loading import Loaded, Loader, loader
from recommendations.serving.reasons import Reason, alike, by_arrival, new_in_the_shop, popular, reason_of
from recommendations.serving.scenarios import (
    COLD_START,
    FOR_YOU,
    POPULAR,
    SCENARIOS,
    SIMILAR,
    Candidates,
    score_cold_start,
    score_for_you,
    score_popular,
    score_similar,
    score_similar_parts,
)

MOST_PER_REQUEST = 100
MOST_RECENT = 50


class WrongRequestError(Exception):
    """A request that no answer fits; names the field and what would be right."""

    def __init__(self, field_name: str, message: str) -> None:
        super().__init__(message)
        self.field = field_name
        self.message = message


@dataclass(frozen=True)
class Request:
    """What is asked for. ``category`` is a path and includes what lies below it.

    ``landing_category`` (a path too), ``language``, ``country`` and ``device`` say of somebody without a history where they arrived
    and who they are; nothing is left out by them.
    """

    scenario: str
    user_id: str = ""
    anonymous_id: str = ""
    product_ids: Sequence[str] = ()
    n: int = 10
    cursor: str = ""
    category: str = ""
    landing_category: str = ""
    language: str = ""
    country: str = ""
    device: str = ""
    brand: str = ""
    price_min: Decimal | None = None
    price_max: Decimal | None = None
    in_stock: bool = True
    exclude: Sequence[str] = ()
    explain: bool = True
    strict: bool = False


@dataclass(frozen=True)
class Item:
    product_id: str
    rank: int
    score: float
    card: Card
    reason: Reason | None


@dataclass(frozen=True)
class Answer:
    recommendation_id: str
    scenario: str
    strategy: str
    fallback: str | None
    model_version: str
    took_ms: float
    items: list[Item] = field(default_factory=list)
    next_cursor: str | None = None


def recommend(*, request: Request, now: datetime, source: Loader = loader) -> Answer:
    """Products for a place of the shop, best first, each with the reason for it.

    Someone without a history gets what is popular with people like them and in the category they arrived at, where that is known
    and better; else what is popular instead (``fallback`` says so) unless ``strict``. Of for-you every tenth place tries a new
    product, or as many as RECOMMEND_EXPLORATION_SHARE says. Asks the database nothing between two
    looks of the loader.

    Raises:
        WrongRequestError: the request contradicts itself.
        NoModelError: no model was promoted yet.
    """
    started = time.perf_counter()
    offset, minute = read_cursor(request.cursor, now=now)
    if request.scenario not in SCENARIOS:
        raise WrongRequestError(
            "scenario", f"There is no scenario {request.scenario!r}; there are {', '.join(SCENARIOS)}."
        )
    if not 1 <= request.n <= MOST_PER_REQUEST:
        raise WrongRequestError("n", f"n is {request.n}; give 1 to {MOST_PER_REQUEST}.")
    loaded = source.current(now=now)
    require_category(loaded, request)
    allowed = allowed_items(loaded, request)
    history = Histories.of_lists([[]], n_items=len(loaded.model.items), as_of=loaded.model.as_of)
    fallback = None
    candidates, history = candidates_of(loaded, request, history)
    arrival = arrival_of(loaded, request) if candidates is None and request.scenario == FOR_YOU else None
    if arrival is not None:
        candidates = score_cold_start(model=loaded.model, arrival=arrival)
    chosen = best(candidates, allowed=allowed, offset=offset, n=request.n) if candidates is not None else []
    if not chosen and not request.strict and request.scenario != POPULAR and offset == 0:
        fallback = POPULAR
        candidates = score_popular(model=loaded.model)
        chosen = best(candidates, allowed=allowed, offset=offset, n=request.n)
    new: set[int] = set()
    if chosen and candidates is not None and request.scenario == FOR_YOU:
        chosen, new = with_new_products(
            loaded, request, history, candidates, allowed=allowed, offset=offset, minute=minute, now=now
        )
    more = len(chosen) > request.n
    chosen = chosen[: request.n]
    rows = [row for row, _ in chosen if row not in new]
    reasons = explain(loaded, request, history, arrival, candidates, rows) if request.explain else {}
    reasons |= dict.fromkeys(new, new_in_the_shop()) if request.explain else {}
    items = [
        Item(loaded.model.items.id(row), offset + place + 1, score, card, reasons.get(row))
        for place, (row, score) in enumerate(chosen)
        if (card := loaded.catalogue.cards[row]) is not None
    ]
    return Answer(
        recommendation_id=make_recommendation_id(now),
        scenario=request.scenario,
        strategy=candidates.strategy if candidates is not None else request.scenario,
        fallback=fallback,
        model_version=loaded.model.version,
        took_ms=round((time.perf_counter() - started) * 1000, 2),
        items=items,
        next_cursor=write_cursor(offset + request.n, minute) if more and fallback is None else None,
    )


def candidates_of(loaded: Loaded, request: Request, empty: Histories) -> tuple[Candidates | None, Histories]:
    """Scores for the scenario and the history they come from; None where there is nothing to start from."""
    if request.scenario == POPULAR:
        return score_popular(model=loaded.model), empty
    if request.scenario == SIMILAR:
        if not request.product_ids:
            raise WrongRequestError("product_id", "similar needs product_id: the product to find alternatives to.")
        rows = [int(row) for row in loaded.model.items.rows(list(request.product_ids)) if row >= 0]
        return (score_similar(model=loaded.model, rows=rows) if rows else None), empty
    history = history_of(loaded, request)
    return (score_for_you(model=loaded.model, history=history) if len(history.item) else None), history


def history_of(loaded: Loaded, request: Request) -> Histories:
    """What the person did until training, and their recent interactions from Valkey in one round trip."""
    identifiers = identifiers_of(request)
    recent = recent_interactions(identifiers=identifiers)[:MOST_RECENT]
    users = loaded.model.user_rows([f"{kind}:{value}" for kind, value in identifiers])
    return loaded.model.history(users=users, recent=recent)


def arrival_of(loaded: Loaded, request: Request) -> Arrivals | None:
    """What is known of somebody without a history; None where it is nothing that makes a difference."""
    if loaded.model.newcomers is None:
        return None
    return loaded.model.newcomers.arrival(
        identifiers=[f"{kind}:{value}" for kind, value in identifiers_of(request)],
        told={"language": request.language, "country": request.country, "device": request.device},
        landing=request.landing_category,
    )


def identifiers_of(request: Request) -> list[tuple[str, str]]:
    return [
        (kind, value) for kind, value in (("user_id", request.user_id), ("anonymous_id", request.anonymous_id)) if value
    ]


def require_category(loaded: Loaded, request: Request) -> None:
    """Errors: WrongRequestError for a landing category that no product is in or below."""
    path = request.landing_category
    if path and not loaded.catalogue.has_category(path):
        raise WrongRequestError(
            "landing_category",
            f"There is no category {path!r} with products; give the path of one as the catalogue has it, such as "
            f"{next(iter(loaded.catalogue.categories), '')!r}, or leave landing_category out.",
        )


def allowed_items(loaded: Loaded, request: Request) -> np.ndarray:
    allowed = loaded.catalogue.mask(
        in_stock=request.in_stock,
        category=request.category,
        brand=request.brand,
        price_min=request.price_min,
        price_max=request.price_max,
    )
    if request.exclude:
        rows = loaded.model.items.rows(list(request.exclude))
        allowed[rows[rows >= 0]] = False
    return allowed


def best(candidates: Candidates, *, allowed: np.ndarray, offset: int, n: int) -> list[tuple[int, float]]:
    """Rows and scores from ``offset`` on, one more than asked for where there is one."""
    ranking = top_n(candidates.scores[None, :], offset + n + 1, allowed=allowed)
    pairs = zip(ranking.items[0, offset:].tolist(), ranking.scores[0, offset:].tolist(), strict=True)
    return [(row, score) for row, score in pairs if row >= 0]


def with_new_products(
    loaded: Loaded,
    request: Request,
    history: Histories,
    candidates: Candidates,
    *,
    allowed: np.ndarray,
    offset: int,
    minute: int,
    now: datetime,
) -> tuple[list[tuple[int, float]], set[int]]:
    """Rows and scores as `best` gives them, with new products in their places, and which these are.

    Pages are cut out of one list that begins at the first place, so that no product stands on two of them.
    """
    every, end = every_nth(), offset + request.n + 1
    identity = "/".join(value for _kind, value in identifiers_of(request))
    fresh = (
        new_products(loaded=loaded, history=history, allowed=allowed, identity=identity, minute=minute, now=now)
        if every is not None and end > every
        else []
    )
    if every is None or not fresh:
        return best(candidates, allowed=allowed, offset=offset, n=request.n), set()
    ranked = best(candidates, allowed=allowed, offset=0, n=end)
    places = list(islice(merged(ranked, fresh, every=every), offset, end))
    own = {row: float(candidates.scores[row]) for row, score in places if score is None}
    shown = [(row, score if score is not None else max(own[row], 0.0)) for row, score in places]
    return shown, set(own)


def explain(
    loaded: Loaded,
    request: Request,
    history: Histories,
    arrival: Arrivals | None,
    candidates: Candidates | None,
    rows: Sequence[int],
) -> dict[int, Reason]:
    """The true reason of each row, by the strategy that chose it."""
    if candidates is None or candidates.strategy == POPULAR:
        return dict.fromkeys(rows, popular())
    if candidates.strategy == SIMILAR:
        return alike_reasons(loaded, request, rows)
    if arrival is not None and candidates.strategy == COLD_START:
        assert loaded.model.newcomers is not None
        parts = loaded.model.newcomers.model.explain_many(arrival, rows)
        named = request.landing_category.rpartition(" > ")[2]
        return {row: by_arrival(found, category=named) for row, found in zip(rows, parts, strict=True)}
    parts = loaded.model.blend_for(history).explain_many(history, rows)
    return {
        row: reason_of(row=row, contributions=contributions, history=history, catalogue=loaded.catalogue)
        for row, contributions in zip(rows, parts, strict=True)
    }


def alike_reasons(loaded: Loaded, request: Request, rows: Sequence[int]) -> dict[int, Reason]:
    """For each row the given product and the side (content or buyers) with the largest part of its score."""
    model, found = loaded.model, {}
    given = [int(row) for row in model.items.rows(list(request.product_ids)) if row >= 0]
    parts = {row: score_similar_parts(model=model, row=row) for row in given}
    for row in rows:
        nearest = max(given, key=lambda place: parts[place][0][row] + parts[place][1][row])
        card = loaded.catalogue.cards[nearest]
        product_id = model.items.id(nearest)
        by_content, by_buyers = (float(part[row]) for part in parts[nearest])
        title = card.title if card is not None else product_id
        found[row] = alike(title=title, product_id=product_id, by_content=by_content, by_buyers=by_buyers)
    return found


def make_recommendation_id(now: datetime) -> str:
    """A UUID of version 7 (RFC 9562): 48 bits of milliseconds, then chance, so that ids sort by time."""
    value = (int(now.timestamp() * 1000) << 80) | int.from_bytes(os.urandom(10))
    value = value & ~(0xF << 76) | (7 << 76)
    value = value & ~(0x3 << 62) | (2 << 62)
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def write_cursor(offset: int, minute: int) -> str:
    """minute: since 1970, of the first page: the next ones try the same new products."""
    return base64.urlsafe_b64encode(f"{offset}.{minute}".encode()).decode().rstrip("=")


def read_cursor(cursor: str, *, now: datetime) -> tuple[int, int]:
    """Offset and minute. Errors: WrongRequestError."""
    if not cursor:
        return 0, int(now.timestamp() // 60)
    try:
        told = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode().split(".")
        offset, minute = (int(part) for part in told)
    except (ValueError, binascii.Error) as error:
        raise WrongRequestError("cursor", "cursor is not one that an answer gave.") from error
    if not 0 <= offset <= 10_000:
        raise WrongRequestError("cursor", "cursor is not one that an answer gave.")
    return offset, minute
