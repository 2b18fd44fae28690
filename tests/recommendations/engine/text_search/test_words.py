"""Plurals, stems, compound words and corrections."""

import numpy as np
import pytest

from recommendations.engine.text_search import Documents, Synonyms, TextIndex
from recommendations.engine.text_search.compounds import find_joined, find_split
from recommendations.engine.text_search.corrections import CorrectionCandidate
from recommendations.engine.text_search.index import MAX_COMPLETIONS
from recommendations.engine.text_search.stemmer import pluralize, stem_word
from recommendations.engine.text_search.tokens import normalize, singularize


def make_index(*titles: str) -> TextIndex:
    return TextIndex.of(Documents([[str(row)] for row in range(len(titles))], {"title": titles}))


@pytest.mark.parametrize(
    ("plural", "singular"),
    [("cookies", "cookie"), ("brownies", "brownie"), ("berries", "berry"), ("knives", "knife"), ("loaves", "loaf"), ("mangoes", "mango"),
     ("children", "child"), ("olives", "olive"), ("potatoes", "potato")],
)  # fmt: skip
def test_irregular_plurals_have_their_singular(plural: str, singular: str) -> None:
    assert singularize(plural) == singular
    assert singularize(singular) == singular


@pytest.mark.parametrize(
    ("first", "second"),
    [("sliced", "slice"), ("baking", "bake"), ("dried", "dry"), ("shredded", "shred"), ("roasted", "roast")],
)
def test_inflected_words_share_a_stem(first: str, second: str) -> None:
    assert stem_word(first) == stem_word(second)


@pytest.mark.parametrize(
    ("first", "second"), [("bread", "bre"), ("string", "stre"), ("pudding", "pure"), ("wing", "we")]
)
def test_other_words_do_not(first: str, second: str) -> None:
    assert stem_word(first) != stem_word(second)


def test_plurals_are_written_as_usual() -> None:
    assert [pluralize(word) for word in ("banana", "berry", "box", "potato", "toy")] == [
        "bananas", "berries", "boxes", "potatoes", "toys",
    ]  # fmt: skip


def test_inflected_words_are_found_after_the_word_itself() -> None:
    index = make_index("Mushrooms sliced", "Slice of cake", "Plane", "Plan")
    matches = index.search("slice ")
    assert matches.rows.tolist() == [0, 1]
    assert matches.scores[1] > matches.scores[0]
    assert index.search("plan ").rows.tolist() == [3], "a final e makes another word"


def test_compounds_are_joined_and_split_by_the_words_of_the_index() -> None:
    counts = {"toothpaste": 3, "ice": 9, "cream": 5, "icec": 1, "ream": 1}
    assert find_joined("tooth", "paste", lambda term: counts.get(term, 0)) == ("toothpaste",)
    assert find_joined("tooth", "brush", lambda term: counts.get(term, 0)) is None
    assert find_split("icecream", lambda term: counts.get(term, 0)) == ("ice", "cream"), "the more frequent parts"
    index = make_index("Ice cream", "Toothpaste", "Cream for ice skates", "Ice")
    assert sorted(index.search("icecream").rows.tolist()) == [0, 2]
    assert index.search("tooth paste").rows.tolist() == [1]


def test_a_correction_is_rated_by_edits_and_frequency() -> None:
    def rate(word: str, edits: int, weight: float) -> float:
        return CorrectionCandidate(word, edits, weight).rate("bannana")

    assert rate("banana", 1, 5.0) > rate("bandana", 1, 5.0), "a doubled letter is the most common error"
    assert rate("bandana", 1, 5.0) > rate("cabana", 2, 5.0)
    assert rate("havana", 2, 5000.0) < rate("banana", 1, 5.0), "the first letter is rarely wrong"


def test_a_correction_fits_the_other_words() -> None:
    index = make_index("Chicken breast", *["Chocolate bread"] * 9, "Chicken wings")
    assert index.search("chicken breadst").corrected == "chicken breast"
    assert index.search("chocolate breadst").corrected == "chocolate bread"


def test_words_with_synonyms_are_corrected_too() -> None:
    index = make_index("Semi-solid dressing", "Toilet tissue", "Towels")
    synonyms = Synonyms.of([(["mayonnaise"], ["dressing"]), (["toilet paper"], ["toilet tissue"])])
    mayonnaise = index.search("mayonaise", synonyms=synonyms)
    assert (mayonnaise.corrected, mayonnaise.rows.tolist()) == ("mayonnaise", [0])
    paper = index.search("tolet paper", synonyms=synonyms)
    assert (paper.corrected, paper.rows.tolist()) == ("toilet paper", [1])


def test_three_letters_are_corrected_only_without_any_match() -> None:
    index = make_index("Eggs", "Ham")
    assert index.search("egs").rows.tolist() == [0]
    assert index.search("ham ").rows.tolist() == [1]


def test_words_are_completed_among_chosen_documents() -> None:
    index = make_index("Red kettle", "Red kimono", "Blue kettle", "Kettle")
    assert index.count_completions("k") == [(3, "kettle"), (1, "kimono")]
    among = index.search("blue ").rows
    is_blue = np.isin(np.arange(4), among)
    assert index.count_completions("k", among=is_blue) == [(1, "kettle")]


def test_rare_words_are_completed_among_the_documents_that_have_them() -> None:
    titles = [f"co{first}{second}x" for first in "abcdefghij" for second in "abcdefghij"] * 3
    index = make_index(*titles, "cobalt")
    is_cobalt = np.arange(len(titles) + 1) == len(titles)
    assert index.count_completions("co", among=is_cobalt) == [(1, "cobalt")]
    assert len(index.count_completions("co")) == MAX_COMPLETIONS


def test_an_unlikely_key_costs_more_than_one_beside_the_right_one() -> None:
    def rate(word: str) -> float:
        return CorrectionCandidate(word, 1, 1.0).rate("wite")

    assert rate("wire") > rate("wine"), "r is beside t, n is not"
    assert rate("wote") > rate("wbte"), "vowels are mistaken for each other"


def test_two_known_words_without_a_space_are_searched_as_two() -> None:
    matches = make_index("Bread", "Crumbs", "Tool").search("breadcrumbs")
    assert matches.corrected == "bread crumbs"
    assert sorted(matches.rows.tolist()) == [0, 1]


def test_two_words_without_a_space_may_be_misspelled() -> None:
    matches = make_index("Paper towel", "Paper plate", "Tool").search("papertowls")
    assert matches.corrected == "paper towels"
    assert matches.rows.tolist()[0] == 0
    assert make_index("Paper plate", "Tool").search("papertowls").corrected is None, "no product has both words"


def test_compounds_of_synonyms_are_recognized() -> None:
    synonyms = Synonyms.of([(("tin foil", "aluminum foil"), ()), (("cupcake",), ("snack cake",))])
    index = make_index("Aluminum foil", "Snack cake", "Cups")
    assert index.search("tinfoil", synonyms=synonyms).rows.tolist() == [0]
    assert index.search("cup cakes", synonyms=synonyms).rows.tolist()[0] == 1


def test_a_misspelled_plural_is_corrected_like_its_singular() -> None:
    assert make_index("Eggs large", "Essential oils").search("egss").rows.tolist() == [0]


def test_a_decimal_comma_is_a_decimal_point() -> None:
    index = make_index("Milk 1,5 l", "Milk 1.5 l", "Milk 1 l", "Milk 5 l", "Milk 1.50 l")
    for query in ("milk 1,5 l", "milk 1.5 l", "milk 1,50 l"):
        assert find_full_matches(index, query) == [0, 1, 4], query
    assert find_full_matches(make_index("Milk 1,0 l", "Milk 1 l", "Milk 0 l"), "milk 1 l") == [0, 1]


def test_thousands_and_lists_are_no_decimals() -> None:
    texts = ["1,000 pieces", "1,500.25", "sizes 38,39,40", "1,234,56", "a,5", "1，5"]
    assert [normalize(text) for text in texts] == [*texts[:-1], "1,5"]


@pytest.mark.parametrize(
    ("title", "queries"),
    [
        ("iPhone 15 case", ("iphone15", "iphone15 case", "iPhone-15")),
        ("iPhone15 case", ("iphone 15", "iphone 15 case", "iphone15")),
        ("Playstation 5 controller", ("playstation5", "playstation5 controller")),
        ("Ps5 controller", ("ps 5", "ps 5 controller ")),
        ("Galaxy S24 phone", ("galaxy s 24", "s24")),
        ("Drill bit AB-123-X", ("ab123x", "AB-123-X", "ab 123 x")),
        ("Drill bit AB123X", ("ab-123-x", "ab 123 x")),
        ("Headphones WH-1000XM4", ("wh1000xm4", "wh1000-xm4", "wh 1000 xm4")),
        ("Headphones WH1000XM4", ("wh-1000xm4", "wh 1000 xm 4")),
    ],
)
def test_a_model_number_is_found_with_and_without_spaces_and_hyphens(title: str, queries: tuple[str, ...]) -> None:
    index = make_index(
        title, "iPhone 14", "Galaxy S23", "Playstation 4", "123 pieces", "Ps4", "WH-1000XM3", "AB-124-X", "15 cases"
    )
    assert {query: find_full_matches(index, query) for query in queries} == {query: [0] for query in queries}


def test_both_spellings_of_a_model_number_are_found() -> None:
    index = make_index("iPhone15 case", "iPhone 15 cover", "iPhone 1 cover, 5 colors")
    for query in ("iphone15", "iphone 15", "iphone15 "):
        assert find_full_matches(index, query) == [0, 1], query


def test_a_letter_and_a_number_are_not_searched_apart() -> None:
    index = make_index("Paper A4", "A case for 4 pens", "Paper for a desk, 4 packs")
    assert find_full_matches(index, "paper a4") == [0]
    assert make_index("B cup 12", "Cup").search("b12").rows.tolist() == []


def test_a_key_is_found_without_its_punctuation() -> None:
    keys = [["AB-123-X"], ["RS-40-RED"], ["RS40BLUE"], ["17"], ["tea-pot"], ["ab/12"], ["ab12"]]
    index = TextIndex.of(Documents(keys, {"title": ["Thing"] * len(keys)}))
    for text, rows in (
        ("ab123x", [0]), ("AB123-X", [0]), ("RS40RED", [1]), ("rs-40-blue", [2]), ("1.7", []), ("teapot", []), ("rs 40 red", []),
        ("ab12", [6]), ("a-b12", [5, 6]), ("ab/12", [5]),
    ):  # fmt: skip
        assert index.find_key(text).tolist() == rows, text
        assert index.without_rows([0]).merge_segments().find_key(text).tolist() == [row for row in rows if row], text


CLOTHES = (
    "Slim jeans wash",
    "Slim wallet",
    "Summer dress",
    "Dress",
    "Steel kettle",
    "Winter hat",
    "Cat litter",
    "Frying pan",
    "Fitness mat",
)


def find_best(index: TextIndex, query: str) -> list[int]:
    """Return the documents of the highest level."""
    matches = index.search(query)
    return matches.rows[matches.levels == matches.levels.max()].tolist()


@pytest.mark.parametrize(
    ("query", "best"),
    [("jeans slim fit", 0), ("slim jeans fit ", 0), ("summer dress fat ", 2), ("summer dress hit", 2), ("steel kettle pam", 4),
     ("steel kettle tan ", 4)],
)  # fmt: skip
def test_an_unknown_short_word_does_not_turn_the_search_to_other_products(query: str, best: int) -> None:
    index = make_index(*CLOTHES, *[f"Drill bit {number}" for number in range(20)])
    assert index.search(query).corrected is None
    assert find_best(index, query) == [best]


def test_a_short_word_is_corrected_if_a_product_has_it_with_another_word() -> None:
    index = make_index(*CLOTHES, "Steel pan", *["Tin"] * 20)
    assert index.search("steel pam").corrected == "steel pan"
    assert index.search("pam").corrected == "pan", "without another word, there is nothing it has to fit"
    assert index.search("qqqqqq pam").corrected == "qqqqqq pan", "the other word matches nothing"


def test_a_word_corrected_without_the_others_does_not_name_the_product() -> None:
    index = make_index(*CLOTHES, *["Garden hammer"] * 20)
    matches = index.search("slim jeans hammar")
    assert matches.corrected == "slim jeans hammer"
    assert find_best(index, "slim jeans hammar") == [0]
    assert find_best(index, "slim jeans hammer") != [0], "a word that was typed names the product"


def find_full_matches(index: TextIndex, query: str) -> list[int]:
    """Return the documents with all words of the query."""
    matches = index.search(query)
    return matches.rows[matches.n_covered == matches.n_required].tolist()
