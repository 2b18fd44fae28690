"""How well search puts first what people then choose: each search of the warehouse with the products that followed it.

A search counts where a product was clicked, viewed or put into the basket within half an hour, before the person's next search.
What is judged are the present products and words. The person's order is judged on the searches after the data that the model
was trained on, with the history until then: of what came later it knows nothing.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import ibis
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from customers.events.event_taxonomy import NAMES, Meaning
from customers.events.recent.interactions import Recently
from customers.warehouse.connection import warehouse
from recommendations.engine.evaluation.bootstrap import Interval, intervals
from recommendations.engine.evaluation.ranking_metrics.hit_rate import hit_rate
from recommendations.engine.evaluation.ranking_metrics.ndcg import ndcg
from recommendations.engine.evaluation.ranking_metrics.reciprocal_rank import reciprocal_rank
from recommendations.serving.rest.search.request import LONGEST_QUERY, SearchRequest
from recommendations.serving.rest.search.response import found_for
from recommendations.serving.search.searcher import Searcher, searcher
from recommendations.training.data.extract import lowered, text_of

CHOSEN_WITHIN = timedelta(minutes=30)
QUERY = (
    "query",
    "search_term",
    "search_string",
    "q",
)  # Segment's, Google's, Facebook's name of what was typed, and the usual one
FIRST = 10
SEED = 1
CHOICES = (*NAMES[Meaning.VIEW], *NAMES[Meaning.CART])


@dataclass(frozen=True)
class JudgedSearch:
    """What somebody typed, and the products they chose then."""

    query: str
    user_id: str
    anonymous_id: str
    at: datetime
    chosen: frozenset[str]


@dataclass(frozen=True)
class SearchFigures:
    """Means over searches with their 95 % intervals, by the name of the measure."""

    name: str
    searches: int
    figures: dict[str, Interval]


def searches_with_choices(*, since: datetime, until: datetime) -> list[JudgedSearch]:
    """From ``since`` until before ``until``, oldest first of each person."""
    with warehouse() as tables:
        told = search_events(tables["events"], since=since, until=until).to_pyarrow()
    return list(joined_choices(told))


def search_events(events: ibis.Table, *, since: datetime, until: datetime) -> ibis.Table:
    """Searches, and the product events of people who searched, by person and time."""
    told = events.filter((events.type == "track") & events.customer_id.notnull())
    told = told.filter((told.occurred_at >= since) & (told.occurred_at < until)).mutate(
        small=ibis._.name.strip().lower()
    )
    is_search = told.small.isin(lowered(NAMES[Meaning.SEARCH]))
    typed = ibis.coalesce(*(text_of(told.properties, name) for name in QUERY))
    told = told.mutate(typed=ibis.ifelse(is_search, typed, ibis.null("string")), is_search=is_search)
    told = told.filter(told.is_search | told.small.isin(lowered(CHOICES)))
    people = told.filter(told.is_search & told.typed.notnull()).select("customer_id").distinct()
    return (
        told.semi_join(people, "customer_id")
        .select("customer_id", "user_id", "anonymous_id", "occurred_at", "is_search", "typed", "product_ids", "id")
        .order_by("customer_id", "occurred_at", "id")
    )


def joined_choices(told: pa.Table) -> Iterator[JudgedSearch]:
    """Rows by person and time to searches with what was chosen after each."""
    if not len(told):
        return
    person = told["customer_id"].to_numpy()
    at = told["occurred_at"].cast(pa.int64()).to_numpy()
    is_search = told["is_search"].to_numpy(zero_copy_only=False)
    last = np.maximum.accumulate(np.where(is_search, np.arange(len(told)), -1))
    within = int(CHOSEN_WITHIN.total_seconds() * 1_000_000)
    follows = ~is_search & (last >= 0) & (person[last] == person) & (at - at[last] <= within)
    chosen: dict[int, set[str]] = {}
    places = np.flatnonzero(follows)
    for search, products in zip(last[places].tolist(), told["product_ids"].take(places).to_pylist(), strict=True):
        chosen.setdefault(search, set()).update(products or ())
    kept = [search for search, products in chosen.items() if products]
    columns = (
        told.select(["typed", "user_id", "anonymous_id", "occurred_at"]).take(np.array(kept, np.int64)).to_pylist()
    )
    for search, row in zip(kept, columns, strict=True):
        query = (row["typed"] or "").replace("\x00", " ").strip()
        if 0 < len(query) <= LONGEST_QUERY:
            yield JudgedSearch(
                query, row["user_id"] or "", row["anonymous_id"] or "", row["occurred_at"], frozenset(chosen[search])
            )


def evaluate_search(
    *, searches: Sequence[JudgedSearch], now: datetime, source: Searcher = searcher
) -> list[SearchFigures]:
    """MRR, hit rate and NDCG at 10: of all searches in nobody's order, and of those after the model's data in both orders.

    Errors: NotReadyError.
    """
    snapshot = source.current(now=now)
    model = snapshot.loaded.model
    later = [one for one in searches if model is not None and one.at.timestamp() >= model.as_of]
    found = [judged("all searches, nobody's order", searches, personal=False, now=now, source=source)]
    if later:
        found.append(judged("after the model's data, nobody's order", later, personal=False, now=now, source=source))
        found.append(judged("after the model's data, the person's order", later, personal=True, now=now, source=source))
    return found


def judged(
    name: str, searches: Sequence[JudgedSearch], *, personal: bool, now: datetime, source: Searcher
) -> SearchFigures:
    hits = np.zeros((len(searches), FIRST), np.bool_)
    relevant = np.array([len(one.chosen) for one in searches], np.int64)
    for place, one in enumerate(searches):
        hits[place] = hits_of_search(one, personal=personal, now=now, source=source)
    columns = np.stack([measure(hits, relevant) for measure in (reciprocal_rank, hit_rate, ndcg)], axis=1)
    names = (f"mrr@{FIRST}", f"hit_rate@{FIRST}", f"ndcg@{FIRST}")
    return SearchFigures(name, len(searches), dict(zip(names, intervals(columns, seed=SEED), strict=True)))


def hits_of_search(search: JudgedSearch, *, personal: bool, now: datetime, source: Searcher) -> npt.NDArray[np.bool_]:
    """Which of the first places hold what was chosen; what has sold out since counts as it was then."""
    request = SearchRequest(
        q=search.query,
        user_id=search.user_id,
        anonymous_id=search.anonymous_id,
        n=FIRST,
        in_stock=False,
        facets=False,
        strict=True,
        personalised=personal,
    )
    found = found_for(request, now=now, source=source, recently=Recently())
    ids = found.snapshot.shelf.product_ids
    hits = np.zeros(FIRST, np.bool_)
    hits[: len(found.hits)] = [ids[hit.row] in search.chosen for hit in found.hits]
    return hits
