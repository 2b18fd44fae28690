"""Evaluate the search by logged searches and the products that customers chose after them.

A search counts if a product was clicked, viewed or added to the cart within half an hour, before the customer's next search. The
evaluation uses the current products and texts. The personal order is evaluated on searches after the model's training data, with the
history until then, so it knows nothing of later events.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import ibis
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from config.foundation.array_types import Floats, Ints
from customers.events.event_taxonomy import EVENT_NAMES, Meaning
from customers.events.recent.interactions import RecentActivity
from customers.warehouse.connection import open_warehouse
from recommendations.engine.evaluation.bootstrap import UNIT, ConfidenceInterval, estimate_intervals
from recommendations.engine.evaluation.ranking_metrics.hit_rate import hit_rate
from recommendations.engine.evaluation.ranking_metrics.ndcg import ndcg
from recommendations.engine.evaluation.ranking_metrics.reciprocal_rank import reciprocal_rank
from recommendations.serving.search.request import MAX_QUERY_LENGTH, SearchRequest
from recommendations.serving.search.searcher import Searcher, searcher
from recommendations.serving.search.visitor_search import run_search
from recommendations.training.data.interaction_tables import extract_property_text, lowercase_names

CHOICE_WINDOW = timedelta(minutes=30)
# property names used by Segment, Google and Facebook, and the common short form
QUERY_PROPERTIES = ("query", "search_term", "search_string", "q")
TOP_N = 10
SEED = 1
CHOICE_EVENT_NAMES = (*EVENT_NAMES[Meaning.VIEW], *EVENT_NAMES[Meaning.CART])


@dataclass(frozen=True)
class LoggedSearch:
    """A query, and the products that the customer clicked, viewed or added to the cart after it."""

    query: str
    user_id: str
    anonymous_id: str
    at: datetime
    product_ids: frozenset[str]
    customer_id: int = 0


@dataclass(frozen=True)
class SearchEvaluation:
    """Means over customers of the means of their searches, with 95% intervals, by metric name."""

    name: str
    searches: int
    figures: dict[str, ConfidenceInterval]


def read_searches(*, since: datetime, until: datetime) -> list[LoggedSearch]:
    """Return the searches from ``since`` until before ``until``, oldest first per customer."""
    with open_warehouse() as tables:
        events_table = build_search_events_table(tables["events"], since=since, until=until).to_pyarrow()
    return list(join_choices(events_table))


def build_search_events_table(events: ibis.Table, *, since: datetime, until: datetime) -> ibis.Table:
    """Select searches and the product events of customers who searched, by customer and time."""
    searches = events.filter((events.type == "track") & events.customer_id.notnull())
    searches = searches.filter((searches.occurred_at >= since) & (searches.occurred_at < until)).mutate(
        event_name=ibis._.name.strip().lower()
    )
    is_search = searches.event_name.isin(lowercase_names(EVENT_NAMES[Meaning.SEARCH]))
    query = ibis.coalesce(*(extract_property_text(searches.properties, name) for name in QUERY_PROPERTIES))
    searches = searches.mutate(query=ibis.ifelse(is_search, query, ibis.null("string")), is_search=is_search)
    searches = searches.filter(searches.is_search | searches.event_name.isin(lowercase_names(CHOICE_EVENT_NAMES)))
    searchers = searches.filter(searches.is_search & searches.query.notnull()).select("customer_id").distinct()
    return (
        searches.semi_join(searchers, "customer_id")
        .select("customer_id", "user_id", "anonymous_id", "occurred_at", "is_search", "query", "product_ids", "id")
        .order_by("customer_id", "occurred_at", "id")
    )


def join_choices(table: pa.Table) -> Iterator[LoggedSearch]:
    """Join rows by customer and time into searches with the products chosen after each."""
    if not len(table):
        return
    customer = table["customer_id"].to_numpy()
    at = table["occurred_at"].cast(pa.int64()).to_numpy()
    is_search = table["is_search"].to_numpy(zero_copy_only=False)
    # row of the latest search before each row; a running maximum, because rows are in the order of time
    last_search = np.maximum.accumulate(np.where(is_search, np.arange(len(table)), -1))
    window = int(CHOICE_WINDOW.total_seconds() * 1_000_000)
    is_choice = ~is_search & (last_search >= 0) & (customer[last_search] == customer) & (at - at[last_search] <= window)
    products_by_search: dict[int, set[str]] = {}
    choice_rows = np.flatnonzero(is_choice)
    for search, products in zip(
        last_search[choice_rows].tolist(), table["product_ids"].take(choice_rows).to_pylist(), strict=True
    ):
        products_by_search.setdefault(search, set()).update(products or ())
    searches_with_choices = [search for search, products in products_by_search.items() if products]
    columns = (
        table.select(["query", "user_id", "anonymous_id", "occurred_at", "customer_id"])
        .take(np.array(searches_with_choices, np.int64))
        .to_pylist()
    )
    for search, row in zip(searches_with_choices, columns, strict=True):
        query = (row["query"] or "").replace("\x00", " ").strip()
        if 0 < len(query) <= MAX_QUERY_LENGTH:
            product_ids = frozenset(products_by_search[search])
            names = row["user_id"] or "", row["anonymous_id"] or ""
            yield LoggedSearch(query, *names, row["occurred_at"], product_ids, row["customer_id"])


def evaluate_search(
    *, searches: Sequence[LoggedSearch], now: datetime, source: Searcher = searcher
) -> list[SearchEvaluation]:
    """Return MRR, hit rate and NDCG at 10 in the general and the personal order.

    All searches are evaluated in the general order, those after the training data in both.

    Raises SearchNotReadyError.
    """
    model = source.get_snapshot(now=now).state.model
    later = [search for search in searches if model is not None and search.at.timestamp() >= model.as_of]
    evaluations = [evaluate_order("all searches, general order", searches, personal=False, now=now, source=source)]
    if later:
        evaluations.append(
            evaluate_order("after the training data, general order", later, personal=False, now=now, source=source)
        )
        evaluations.append(
            evaluate_order("after the training data, personal order", later, personal=True, now=now, source=source)
        )
    return evaluations


def evaluate_order(
    name: str, searches: Sequence[LoggedSearch], *, personal: bool, now: datetime, source: Searcher
) -> SearchEvaluation:
    """Return the metrics of searches in the general or personal order.

    Each customer counts once, with the mean of their searches: searches of the same customer are alike, and intervals of independent
    searches would be far too short.
    """
    hits = np.zeros((len(searches), TOP_N), np.bool_)
    relevant = np.array([len(search.product_ids) for search in searches], np.int64)
    for row, search in enumerate(searches):
        hits[row] = find_hits(search, personal=personal, now=now, source=source)
    columns = np.stack([measure(hits, relevant) for measure in (reciprocal_rank, hit_rate, ndcg)], axis=1)
    columns = average_by_customer(columns, np.array([search.customer_id for search in searches], np.int64))
    names = (f"mrr@{TOP_N}", f"hit_rate@{TOP_N}", f"ndcg@{TOP_N}")
    return SearchEvaluation(
        name, len(searches), dict(zip(names, estimate_intervals(columns, seed=SEED, bounds=UNIT), strict=True))
    )


def average_by_customer(columns: Floats, customer: Ints) -> Floats:
    """Return the means of the rows of each customer, (customers, m)."""
    ids, number, count = np.unique(customer, return_inverse=True, return_counts=True)
    sums = np.zeros((len(ids), columns.shape[1]))
    np.add.at(sums, number, columns)
    return sums / count[:, None]


def find_hits(search: LoggedSearch, *, personal: bool, now: datetime, source: Searcher) -> npt.NDArray[np.bool_]:
    """Return which of the first positions have products that were chosen.

    Products sold out since then count as available.
    """
    request = SearchRequest(
        q=search.query,
        user_id=search.user_id,
        anonymous_id=search.anonymous_id,
        n=TOP_N,
        in_stock=False,
        facets=False,
        strict=True,
        personalised=personal,
    )
    page = run_search(request, now=now, source=source, activity=RecentActivity())
    ids = page.snapshot.catalog.product_ids
    hits = np.zeros(TOP_N, np.bool_)
    hits[: len(page.hits)] = [ids[hit.row] in search.product_ids for hit in page.hits]
    return hits
