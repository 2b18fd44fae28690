"""What the search benchmark takes as relevant, and the figures it prints."""

import numpy as np
import pytest

from benchmarks.search_quality import CatalogTable, find_relevant, measure_cases, read_cases

CATALOG = CatalogTable(
    ids=["1", "2", "3"],
    titles=["Apple juice", "Gala apples", "Baby diapers"],
    categories=["Drinks > Juice", "Grocery > Fruit", "Baby"],
    brands=["", "", ""],
    prices=np.array([2.0, 1.0, 9.0]),
    sales=np.array([3.0, 2.0, 1.0]),
)


@pytest.mark.parametrize(
    ("fields", "relevant"),
    [
        ({"match": "fruit > .*APPLE"}, [False, True, False]),
        ({"match": "apple", "price_max": 1.5}, [False, True, False]),
        ({"relevant": ["3", 1]}, [True, False, True]),
        ({"title": "apple", "title_not": "juice"}, [False, True, False]),
    ],
)
def test_relevant_products_of_a_line(fields: dict[str, object], relevant: list[bool]) -> None:
    assert find_relevant({"query": "q", **fields}, CATALOG).tolist() == relevant


def test_a_line_that_says_nothing_about_relevance_is_an_error() -> None:
    with pytest.raises(SystemExit, match="'apples' does not say what is relevant"):
        find_relevant({"query": "apples", "kind": "exact"}, CATALOG)


def test_figures_of_a_file_without_halves(tmp_path) -> None:
    file = tmp_path / "queries.jsonl"
    file.write_text('{"query": "apples", "match": "fruit"}\n{"query": "nothing", "match": "baby"}\n', encoding="utf-8")
    cases = read_cases(file, CATALOG, half=None)
    figures = measure_cases(cases, lambda query: (["1", "2"], True) if query == "apples" else ([], False), CATALOG)
    assert (figures["success@5"], figures["precision@5"], figures["empty_share"]) == (0.5, 0.5, 0.5)
    assert figures["ndcg@10"] == pytest.approx(0.5 / np.log2(3), abs=1e-4)
