"""What must hold for whatever is typed and however products change."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recommendations.engine.text_search import Documents, Synonyms, TextIndex, find_top_positions, kernels
from recommendations.engine.text_search.query_execution import get_max_edits
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


def documents(texts: list[str]) -> Documents:
    return Documents(
        [[f"p{number}"] for number in range(len(texts))],
        {"title": texts, "description": [text[::2] for text in texts], "brand": ["Acme"] * len(texts)},
    )


def search_all(index: TextIndex, query: str) -> dict[int, tuple[float, int]]:
    matches = index.search(query, synonyms=Synonyms.of([(["pot", "红茶"], []), (["steel"], ["tea pot"])]))
    columns = (matches.rows.tolist(), matches.scores.tolist(), matches.n_covered.tolist())
    return {row: (round(score, 5), covered) for row, score, covered in zip(*columns, strict=True)}


def changed_title(text: str, number: int) -> str:
    return text if number % 3 else f"{text} changed"


@lenient
@given(
    st.lists(titles, max_size=12),
    st.lists(st.tuples(st.integers(0, 14), titles), max_size=8),
    st.lists(queries, max_size=4),
)
def test_changes_give_what_building_anew_gives(
    first: list[str], changes: list[tuple[int, str]], asked: list[str]
) -> None:
    index, present = TextIndex.of(documents(first)), list(first)
    anew_from = index.pivots
    for row, text in changes:
        row = min(row, len(present))
        present[row : row + 1] = [text]
        one = documents(present)
        index = index.with_changes(
            [row], Documents([one.keys[row]], {name: [column[row]] for name, column in one.texts.items()})
        )
    anew = TextIndex.of(documents(present), pivots=anew_from or index.pivots)
    for query in asked:
        expected = search_all(anew, query)
        assert search_all(index, query) == expected
        assert search_all(index.merge_segments(), query) == expected
        assert search_all(TextIndex.from_arrays(*index.merge_segments().to_arrays()), query) == expected


@lenient
@given(st.lists(titles, min_size=2, max_size=8), queries, st.data())
def test_what_is_taken_out_is_not_found(texts: list[str], query: str, data: st.DataObject) -> None:
    index = TextIndex.of(documents(texts))
    gone = data.draw(st.integers(0, len(texts) - 1))
    left = index.without_rows([gone])
    assert gone not in search_all(left, query)
    assert search_all(left.merge_segments(), query) == search_all(left, query)


@lenient
@given(st.text(max_size=60), st.lists(st.text(max_size=20), max_size=4))
def test_no_text_ever_fails(query: str, texts: list[str]) -> None:
    index = TextIndex.of(documents(texts))
    matches = index.search(query, synonyms=Synonyms.of([(texts, []), ([query], texts)]))
    assert (matches.rows[1:] > matches.rows[:-1]).all()
    assert np.isfinite(matches.scores).all()
    for text in texts:
        assert "".join(piece for piece, _ in matches.highlight(text)) == text
    assert index.complete(query, n=3) == index.complete(normalize(query), n=3)


def distance(one: str, other: str) -> int:
    """Optimal string alignment, as it is defined."""
    table = np.zeros((len(one) + 1, len(other) + 1), int)
    table[:, 0], table[0, :] = range(len(one) + 1), range(len(other) + 1)
    for i in range(1, len(one) + 1):
        for j in range(1, len(other) + 1):
            costs = [table[i - 1, j] + 1, table[i, j - 1] + 1, table[i - 1, j - 1] + (one[i - 1] != other[j - 1])]
            if i > 1 and j > 1 and one[i - 1] == other[j - 2] and one[i - 2] == other[j - 1]:
                costs.append(table[i - 2, j - 2] + 1)
            table[i, j] = min(costs)
    return int(table[-1, -1])


@lenient
@given(st.sets(words.filter(bool), max_size=30), words.filter(bool), st.integers(1, 2))
def test_near_words_are_those_of_a_look_at_every_word(terms: set[str], word: str, most: int) -> None:
    vocabulary = Vocabulary.of(sorted(terms))
    found = {vocabulary.get_term(term): edits for term, edits in vocabulary.find_near(word, max_edits=most)}
    assert found == {term: edits for term in terms if 0 < (edits := distance(word, term)) <= most}


@lenient
@given(st.sets(words.filter(bool), max_size=20), words.filter(bool))
def test_near_beginnings_are_those_of_a_look_at_every_beginning(terms: set[str], word: str) -> None:
    vocabulary = Vocabulary.of(sorted(terms))
    found = {vocabulary.get_term(term): edits for term, edits in vocabulary.find_near(word, max_edits=1, prefix=True)}
    least = {term: min(distance(word, term[:end]) for end in range(len(term) + 1)) for term in terms}
    assert found == {term: edits for term, edits in least.items() if 0 < edits <= 1}


@lenient
@given(words, words, st.integers(0, 3))
def test_edits_are_counted_up_to_a_limit(one: str, other: str, most: int) -> None:
    assert kernels.compute_edit_distance(encode_code_points(one), encode_code_points(other), most, False) == min(
        distance(one, other), most + 1
    )


@lenient
@given(st.sets(words, max_size=30), words)
def test_terms_are_found_by_word_and_by_beginning(terms: set[str], word: str) -> None:
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
def test_the_best_come_first_and_ties_by_their_row(keys: list[float], k: int) -> None:
    rows = np.arange(len(keys), dtype=np.int32)
    best = find_top_positions(np.array(keys), rows, k).tolist()
    assert best == sorted(range(len(keys)), key=lambda place: (-keys[place], place))[:k]


@given(st.text(max_size=40))
def test_normal_texts_stay_and_runs_cover_all_their_letters(text: str) -> None:
    whole = normalize(text)
    found = list(iterate_runs(whole))
    assert all(one.end <= other.start for one, other in pairwise(found))
    assert all(whole[run.start : run.end] == run.text for run in found)
    for letter in set(whole) - {letter for run in found for letter in run.text}:
        assert not letter.isalnum() or letter == "\x00"


@pytest.mark.parametrize(
    ("plural", "expected"),
    [
        ("kettles", "kettle"), ("batteries", "battery"), ("boxes", "box"), ("glasses", "glass"), ("dishes", "dish"),
        ("tomatoes", "tomato"), ("shoes", "shoe"), ("dress", "dress"), ("bus", "bus"), ("virus", "virus"),
        ("gas", "gas"), ("matches", "match"), ("houses", "house"), ("gâteaus", "gâteaus"),
    ],
)  # fmt: skip
def test_plurals_are_folded_by_their_endings(plural: str, expected: str) -> None:
    assert singularize(plural) == expected
    assert singularize(expected) == expected


def test_what_is_written_without_spaces_is_found_by_one_and_two_characters() -> None:
    assert set(list_document_terms("蓝牙耳机")) == {"蓝", "牙", "耳", "机", "蓝牙", "牙耳", "耳机"}
    assert list_document_terms("t-shirts") == ("t", "shirt", "tshirt")
    assert [run.text for run in iterate_runs(normalize("iPhone手机壳 14.5OZ"))] == ["iphone", "手机壳", "14.5", "oz"]


def test_only_words_of_letters_are_taken_for_misspelt() -> None:
    assert [get_max_edits(word) for word in ("tea", "teas", "kettle", "teakettle", "1234567890", "蓝牙耳机")] == [
        0,
        1,
        1,
        2,
        0,
        0,
    ]
    assert not is_correctable("mp3")
