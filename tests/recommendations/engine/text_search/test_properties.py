"""Properties of the search that hold for any query and any change of the products."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recommendations.engine.text_search import Documents, Synonyms, TextIndex, find_top_positions, kernels
from recommendations.engine.text_search.corrections import get_max_edits
from recommendations.engine.text_search.tokens import iterate_runs, list_document_terms, normalize, singularize
from recommendations.engine.text_search.vocabulary import Vocabulary, encode_code_points, is_correctable

WORDS = [
    "red",
    "blue",
    "kettle",
    "kettles",
    "ketle",
    "teapot",
    "tea",
    "pot",
    "steel",
    "t-shirt",
    "500ml",
    "茶壶",
    "蓝牙耳机",
    "红茶",
    "é",
]
titles = st.lists(st.sampled_from(WORDS), max_size=5).map(" ".join)
queries = st.lists(st.sampled_from([*WORDS, "kettel", "blu", "耳机", "the", "teapto", "p1"]), max_size=4).map(" ".join)
words = st.text("abcdeé", max_size=12)
lenient = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def make_documents(texts: list[str]) -> Documents:
    return Documents(
        [[f"p{number}"] for number in range(len(texts))],
        {"title": texts, "description": [text[::2] for text in texts], "brand": ["Acme"] * len(texts)},
    )


def search_all(index: TextIndex, query: str) -> dict[int, tuple[float, int]]:
    matches = index.search(query, synonyms=Synonyms.of([(["pot", "红茶"], []), (["steel"], ["tea pot"])]))
    columns = (matches.rows.tolist(), matches.scores.tolist(), matches.n_covered.tolist())
    return {row: (round(score, 5), covered) for row, score, covered in zip(*columns, strict=True)}


@lenient
@given(
    st.lists(titles, max_size=12),
    st.lists(st.tuples(st.integers(0, 14), titles), max_size=8),
    st.lists(queries, max_size=4),
)
def test_changed_index_equals_a_rebuilt_one(
    first: list[str], changes: list[tuple[int, str]], searched: list[str]
) -> None:
    index, texts = TextIndex.of(make_documents(first)), list(first)
    pivots = index.pivots
    for row, text in changes:
        row = min(row, len(texts))
        texts[row : row + 1] = [text]
        changed = make_documents(texts)
        index = index.with_changes(
            [row], Documents([changed.keys[row]], {name: [column[row]] for name, column in changed.texts.items()})
        )
    rebuilt = TextIndex.of(make_documents(texts), pivots=pivots or index.pivots)
    for query in searched:
        expected = search_all(rebuilt, query)
        assert search_all(index, query) == expected
        assert search_all(index.merge_segments(), query) == expected
        assert search_all(TextIndex.from_arrays(*index.merge_segments().to_arrays()), query) == expected


@lenient
@given(st.lists(titles, min_size=2, max_size=8), queries, st.data())
def test_removed_rows_do_not_match(texts: list[str], query: str, data: st.DataObject) -> None:
    index = TextIndex.of(make_documents(texts))
    removed = data.draw(st.integers(0, len(texts) - 1))
    left = index.without_rows([removed])
    assert removed not in search_all(left, query)
    assert search_all(left.merge_segments(), query) == search_all(left, query)


@lenient
@given(st.text(max_size=60), st.lists(st.text(max_size=20), max_size=4))
def test_any_text_is_accepted(query: str, texts: list[str]) -> None:
    index = TextIndex.of(make_documents(texts))
    matches = index.search(query, synonyms=Synonyms.of([(texts, []), ([query], texts)]))
    assert (matches.rows[1:] > matches.rows[:-1]).all()
    assert np.isfinite(matches.scores).all()
    for text in texts:
        assert "".join(piece for piece, _ in matches.highlight(text)) == text
    assert index.complete(query, n=3) == index.complete(normalize(query), n=3)


def compute_distance(first: str, second: str) -> int:
    """Return the optimal string alignment distance by its definition."""
    table = np.zeros((len(first) + 1, len(second) + 1), int)
    table[:, 0], table[0, :] = range(len(first) + 1), range(len(second) + 1)
    for i in range(1, len(first) + 1):
        for j in range(1, len(second) + 1):
            costs = [table[i - 1, j] + 1, table[i, j - 1] + 1, table[i - 1, j - 1] + (first[i - 1] != second[j - 1])]
            if i > 1 and j > 1 and first[i - 1] == second[j - 2] and first[i - 2] == second[j - 1]:
                costs.append(table[i - 2, j - 2] + 1)
            table[i, j] = min(costs)
    return int(table[-1, -1])


@lenient
@given(st.sets(words.filter(bool), max_size=30), words.filter(bool), st.integers(1, 2))
def test_near_words_equal_a_scan_of_all_words(terms: set[str], word: str, max_edits: int) -> None:
    vocabulary = Vocabulary.of(sorted(terms))
    near = {vocabulary.get_term(term): edits for term, edits in vocabulary.find_near(word, max_edits=max_edits)}
    assert near == {term: edits for term in terms if 0 < (edits := compute_distance(word, term)) <= max_edits}


@lenient
@given(st.sets(words.filter(bool), max_size=20), words.filter(bool))
def test_near_prefixes_equal_a_scan_of_all_prefixes(terms: set[str], word: str) -> None:
    vocabulary = Vocabulary.of(sorted(terms))
    near = {vocabulary.get_term(term): edits for term, edits in vocabulary.find_near(word, max_edits=1, prefix=True)}
    distances = {term: min(compute_distance(word, term[:end]) for end in range(len(term) + 1)) for term in terms}
    assert near == {term: edits for term, edits in distances.items() if 0 < edits <= 1}


@lenient
@given(words, words, st.integers(0, 3))
def test_edits_are_counted_up_to_a_limit(first: str, second: str, max_edits: int) -> None:
    assert kernels.compute_edit_distance(
        encode_code_points(first), encode_code_points(second), max_edits, False
    ) == min(compute_distance(first, second), max_edits + 1)


@lenient
@given(st.sets(words, max_size=30), words)
def test_terms_are_found_by_word_and_by_prefix(terms: set[str], word: str) -> None:
    vocabulary = Vocabulary.of(sorted(terms))
    assert vocabulary.list_terms() == sorted(terms)
    first, last = vocabulary.find(word)
    assert [vocabulary.get_term(term) for term in range(first, last)] == [term for term in [word] if term in terms]
    first, last = vocabulary.find(word, prefix=True)
    assert {vocabulary.get_term(term) for term in range(first, last)} == {
        term for term in terms if term.startswith(word)
    }


@lenient
@given(st.lists(st.sampled_from([0.0, 1.0, 2.5, -np.inf, 7.0]), max_size=30), st.integers(0, 40))
def test_largest_keys_come_first_and_ties_by_row(keys: list[float], k: int) -> None:
    rows = np.arange(len(keys), dtype=np.int32)
    best = find_top_positions(np.array(keys), rows, k).tolist()
    assert best == sorted(range(len(keys)), key=lambda position: (-keys[position], position))[:k]


@given(st.text(max_size=40))
def test_runs_cover_all_letters_of_normalized_text(text: str) -> None:
    normalized = normalize(text)
    runs = list(iterate_runs(normalized))
    assert all(run.end <= following.start for run, following in pairwise(runs))
    assert all(normalized[run.start : run.end] == run.text for run in runs)
    for letter in set(normalized) - {letter for run in runs for letter in run.text}:
        assert not letter.isalnum() or letter == "\x00"


@pytest.mark.parametrize(
    ("plural", "expected"),
    [
        ("kettles", "kettle"), ("batteries", "battery"), ("boxes", "box"), ("glasses", "glass"), ("dishes", "dish"),
        ("tomatoes", "tomato"), ("shoes", "shoe"), ("dress", "dress"), ("bus", "bus"), ("virus", "virus"),
        ("gas", "gas"), ("matches", "match"), ("houses", "house"), ("gâteaus", "gâteaus"),
    ],
)  # fmt: skip
def test_plurals_are_singularized_by_their_endings(plural: str, expected: str) -> None:
    assert singularize(plural) == expected
    assert singularize(expected) == expected


def test_unspaced_text_is_indexed_by_one_and_two_characters() -> None:
    assert set(list_document_terms("蓝牙耳机")) == {"蓝", "牙", "耳", "机", "蓝牙", "牙耳", "耳机"}
    assert list_document_terms("t-shirts") == ("t", "shirt", "tshirt")
    assert [run.text for run in iterate_runs(normalize("iPhone手机壳 14.5OZ"))] == ["iphone", "手机壳", "14.5", "oz"]


def test_only_words_of_letters_are_corrected() -> None:
    assert [
        get_max_edits(word, has_no_match=False)
        for word in ("tea", "teas", "kettle", "teakettle", "1234567890", "蓝牙耳机")
    ] == [
        0,
        1,
        1,
        2,
        0,
        0,
    ]
    assert not is_correctable("mp3")


@lenient
@given(st.lists(titles, min_size=1, max_size=12), queries, st.integers(0))
def test_rows_without_scores_are_those_of_the_matches(texts: list[str], query: str, seed: int) -> None:
    scored = TextIndex.of(make_documents(texts)).score(query)
    allowed = np.random.default_rng(seed).random(len(texts)) < 0.7
    assert scored.find_rows(allowed).tolist() == scored.find_matches(allowed).rows.tolist()


@lenient
@given(st.lists(titles, min_size=1, max_size=12), st.sampled_from(["k", "ke", "te", "茶", "x"]))
def test_kept_completions_are_those_of_a_fresh_index(texts: list[str], prefix: str) -> None:
    index = TextIndex.of(make_documents(texts))
    first = index.complete(prefix, n=5)
    assert index.complete(prefix, n=5) == first == [word for _count, word in index.count_completions(prefix)[:5]]
    changed = index.with_changes([0], make_documents(["ketchup teak 茶馆"]))
    assert changed.complete(prefix, n=5) == [word for _count, word in changed.count_completions(prefix)[:5]]
