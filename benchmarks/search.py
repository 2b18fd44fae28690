"""Benchmark: product search compared with PostgreSQL full-text search and pg_trgm on the same simulated products.

SIMULATED: products use a small vocabulary (`made_products.py`). Each query is made from the title of one product by dropping words, cutting
the last one or misspelling one; hit@1, hit@10 and MRR (of 10) measure how often that product is returned. Several products may match a
query equally well, for both searches. No parameter of the search was tuned on these figures.

Times are for one thread, from the parameters to the response bytes, with facets, a personal order and popularity, 20 products per page.
cpu_ figures exclude other load on the machine; broad_ figures are for queries that thousands of products match; update_ms is from a title
change in the database until the search finds it, without the second between two refreshes.
"""

import argparse
import json
import os
import resource
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np

from benchmarks.embedded_servers import run_embedded_servers
from benchmarks.made_products import SimulatedProduct, make_known_item_queries, make_products

TIMED_QUERIES = 3000
PEER_QUERIES = 100
SCHEMA = """
CREATE EXTENSION IF NOT EXISTS pg_trgm;
CREATE TABLE peer AS
SELECT product_id, title,
       setweight(to_tsvector('english', title), 'A') || setweight(to_tsvector('english', brand), 'B') ||
       setweight(to_tsvector('english', coalesce((SELECT path FROM catalog_category c WHERE c.id = category_id), '')), 'C') ||
       setweight(to_tsvector('english', description), 'D') AS words
FROM catalog_product;
CREATE INDEX ON peer USING gin (words);
CREATE INDEX ON peer USING gin (title gin_trgm_ops);
ANALYZE peer;
"""
# all words, the last one as a prefix; if that finds fewer than ten, also the most similar titles
BY_WORDS = """
SELECT product_id FROM peer, to_tsquery('english', %(all)s) q
WHERE words @@ q ORDER BY ts_rank_cd(words, q) DESC, product_id LIMIT 10
"""
BY_SIMILARITY = "SELECT product_id FROM peer WHERE %(q)s <%% title ORDER BY %(q)s <<-> title, product_id LIMIT 10"


def main() -> None:
    arguments = parse_arguments()
    with run_embedded_servers("search", report=log):
        print(json.dumps(measure_search(arguments), ensure_ascii=False))


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--products", type=int, default=100_000)
    parser.add_argument("--queries", type=int, default=400, help="per query type")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    if arguments.products < 100 or arguments.queries < 10:
        parser.error("--products must be at least 100, and --queries at least 10")
    return arguments


def measure_search(arguments: argparse.Namespace) -> dict[str, Any]:
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    log(f"making {arguments.products:,} products")
    products = make_products(arguments.products, seed=arguments.seed)
    store_products(products)
    items = make_known_item_queries(products, each=arguments.queries, seed=arguments.seed + 1)
    line = measure_own_search(products, items) | measure_postgres_search(items)
    return line | {
        "products": arguments.products,
        "queries_of_a_kind": arguments.queries,
        "processors": os.cpu_count(),
        "load_average": round(os.getloadavg()[0], 2),
        "notes": "SIMULATED products and queries (benchmarks/made_products.py); hit@1, hit@10 and mrr are of the product whose title a query "
        "was made from; one thread, from parameters to bytes, facets and personal order on; pg: to_tsquery('english') over weighted columns, "
        "then pg_trgm word similarity where that finds fewer than ten, without facets",
    }


def store_products(products: Sequence[SimulatedProduct]) -> None:
    from catalog.upsert import upsert_products

    for start in range(0, len(products), 1000):
        items = [
            {**product.fields, "price": str(product.fields["price"])} for product in products[start : start + 1000]
        ]
        upsert_products(items=items, at=datetime.now(UTC), currency="EUR")


def measure_own_search(products: Sequence[SimulatedProduct], items: dict[str, list[tuple[str, str]]]) -> dict[str, Any]:
    from catalog.models import Product
    from recommendations.engine import IdMap
    from recommendations.serving.rest.search.request import parse_search_request as parse_search
    from recommendations.serving.search import searcher
    from recommendations.serving.search.search import search
    from recommendations.serving.search.searcher import Searcher
    from recommendations.serving.state.loader import ServingState, loader
    from recommendations.serving.state.product_index import ProductIndex

    searcher.REFRESH_INTERVAL_S = 3600.0
    loader.state = ServingState("", None, ProductIndex(IdMap.of([]), more=len(products)))
    loader.refresh(now=datetime.now(UTC))
    before = measure_resident_mb()
    source = Searcher(background=False)
    started = time.perf_counter()
    snapshot = source.get_snapshot(now=datetime.now(UTC))
    build_s = time.perf_counter() - started
    log(f"built in {build_s:.1f} s, {snapshot.texts.megabytes:.0f} MB")
    catalog, chance = snapshot.catalog, np.random.default_rng(5)
    wishes = chance.random(catalog.n).astype(np.float32) ** 8
    liked = chance.random(catalog.n).astype(np.float32) ** 8

    def search_ids(q: str, **more: str) -> list[str]:
        page = search(parse_search({"q": q, "n": "10", **more}), snapshot=source.get_snapshot(now=datetime.now(UTC)))
        return [page.snapshot.catalog.product_ids[hit.row] for hit in page.hits]

    queries = [query for pairs in items.values() for query, _ in pairs]
    mixed = [queries[index] for index in chance.integers(len(queries), size=TIMED_QUERIES).tolist()]
    broad = ["", "kettle", "blue", "steel", "steel kettle", "b", "耳机", "保温杯", "黑色", "made for every day"] * (
        TIMED_QUERIES // 30
    )
    latencies, cpu = time_queries(source, mixed, wishes, liked)
    broad_latencies, broad_cpu = time_queries(source, broad, wishes, liked)
    figures = {
        f"{kind}_{name}": value
        for kind, pairs in items.items()
        for name, value in measure_accuracy(pairs, search_ids).items()
    }
    after = measure_resident_mb()
    searcher.REFRESH_INTERVAL_S = -1.0
    updates = []
    for number in range(20):
        Product.objects.filter(product_id=f"made-{number}").update(title=f"Zyxwv{number}", updated_at=datetime.now(UTC))
        started = time.perf_counter()
        assert search_ids(f"zyxwv{number}")[:1] == [f"made-{number}"]
        updates.append((time.perf_counter() - started) * 1000)
    return {
        **{f"p{share}_ms": compute_percentile(latencies, share) for share in (50, 95, 99)},
        **{f"broad_p{share}_ms": compute_percentile(broad_latencies, share) for share in (50, 95, 99)},
        "cpu_p99_ms": compute_percentile(cpu, 99),
        "broad_cpu_p99_ms": compute_percentile(broad_cpu, 99),
        "queries_per_s": round(len(latencies) / (sum(latencies) / 1000)),
        "build_s": round(build_s, 2),
        "update_ms": round(float(np.median(updates)), 1),
        "index_mb": round(snapshot.texts.megabytes, 1),
        "worker_mb": round(after - before, 1),
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        **figures,
    }


def time_queries(
    source: Any, queries: Sequence[str], wishes: np.ndarray, liked: np.ndarray
) -> tuple[list[float], list[float]]:
    """Return the milliseconds of each query, by wall clock and by CPU time of this thread, after an untimed tenth of them."""
    import msgspec

    from recommendations.serving.rest.search.request import parse_search_request as parse_search
    from recommendations.serving.rest.search.response import build_response
    from recommendations.serving.search.search import search

    encoder, now = msgspec.json.Encoder(), datetime.now(UTC)

    def run_query(q: str) -> tuple[float, float]:
        started, cpu = time.perf_counter(), time.thread_time()
        page = search(
            parse_search({"q": q, "n": "20"}, language="en"),
            snapshot=source.get_snapshot(now=now),
            personal_scores=lambda rows: wishes[rows],
            popularity=lambda rows: liked[rows],
        )
        encoder.encode(build_response(page, recommendation_id="made-up"))
        return (time.perf_counter() - started) * 1000, (time.thread_time() - cpu) * 1000

    for q in queries[: len(queries) // 10]:
        run_query(q)
    timings = [run_query(q) for q in queries]
    return [wall for wall, _ in timings], [cpu for _, cpu in timings]


def measure_postgres_search(items: dict[str, list[tuple[str, str]]]) -> dict[str, Any]:
    from django.db import connection

    with connection.cursor() as cursor:
        started = time.perf_counter()
        cursor.execute(SCHEMA)
        built = time.perf_counter() - started
        cursor.execute("SELECT pg_total_relation_size('peer') / 1e6")
        size = float(cursor.fetchone()[0])
        log(f"PostgreSQL's built in {built:.1f} s")

        def search_ids(q: str) -> list[str]:
            words = ["".join(letter for letter in word if letter.isalnum() or letter == ".") for word in q.split()]
            words = [word for word in words if word]
            rows: list[str] = []
            if words:
                joined = " & ".join([*(f"'{word}'" for word in words[:-1]), f"'{words[-1]}':*"])
                cursor.execute(BY_WORDS, {"all": joined})
                rows = [row[0] for row in cursor.fetchall()]
            if len(rows) < 10:
                cursor.execute(BY_SIMILARITY, {"q": q})
                rows += [row[0] for row in cursor.fetchall() if row[0] not in rows]
            return rows[:10]

        figures: dict[str, Any] = {}
        latencies: list[float] = []
        for kind, pairs in items.items():
            for query, _ in pairs[:3]:
                search_ids(query)

            def time_search(query: str) -> list[str]:
                started = time.perf_counter()
                rows = search_ids(query)
                latencies.append((time.perf_counter() - started) * 1000)
                return rows

            figures |= {
                f"pg_{kind}_{name}": value
                for name, value in measure_accuracy(pairs[:PEER_QUERIES], time_search).items()
            }
            log(f"PostgreSQL, {kind}: {figures}")
    return {
        **{f"pg_p{share}_ms": compute_percentile(latencies, share) for share in (50, 95, 99)},
        "pg_build_s": round(built, 2),
        "pg_mb": round(size, 1),
        **figures,
    }


def measure_accuracy(pairs: Sequence[tuple[str, str]], search_ids: Callable[[str], list[str]]) -> dict[str, float]:
    """Return hit@1, hit@10 and the mean reciprocal rank of the first ten."""
    positions = []
    for query, expected_id in pairs:
        rows = search_ids(query)[:10]
        positions.append(rows.index(expected_id) + 1 if expected_id in rows else 0)
    ranks = np.array(positions or [0])
    reciprocal = np.divide(1.0, ranks, out=np.zeros(len(ranks)), where=ranks > 0)
    return {
        "hit@1": round(float((ranks == 1).mean()), 4),
        "hit@10": round(float((ranks > 0).mean()), 4),
        "mrr": round(float(reciprocal.mean()), 4),
    }


def compute_percentile(durations: Sequence[float], share: int) -> float:
    return round(float(np.percentile(durations, share)), 2)


def measure_resident_mb() -> float:
    import psutil

    return psutil.Process().memory_info().rss / 1e6


def log(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
