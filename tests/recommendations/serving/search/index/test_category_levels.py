"""A query names a category by its words or by a synonym of them."""

from recommendations.engine.text_search import Synonyms
from recommendations.serving.search.index.category_levels import CategoryLevels

CATEGORIES = {"Produce > Potatoes": 0, "Snacks > Potato chips": 1, "Produce > Potatoes > Red": 2, "Makeup": 3}
SYNONYMS = Synonyms.of(
    [
        (("土豆", "马铃薯"), ("土豆", "马铃薯", "potato")),
        (("crisps",), ("potato chip",)),
        (("lipstick",), ("lipstick", "makeup")),
    ]
)


def find_codes(query: str, synonyms: Synonyms = SYNONYMS) -> list[list[int]]:
    levels = CategoryLevels.build(CATEGORIES)
    return [named.nonzero()[0].tolist() for named in levels.find_named(query, synonyms, key=query)]


def test_a_category_is_named_by_all_its_words_and_includes_its_subcategories() -> None:
    assert find_codes("potato") == [[0, 2]]
    assert find_codes("Potato Chips") == [[1]]
    assert find_codes("red potato") == []


def test_a_synonym_in_any_language_names_a_category_but_a_related_word_does_not() -> None:
    assert find_codes("土豆") == [[0, 2]]
    assert find_codes("crisps") == [[1]]
    assert find_codes("lipstick") == []
    both = Synonyms.of([(("makeup", "potato"), ())])
    assert find_codes("makeup", both) == [[3]], "the typed name comes first"
    assert find_codes("土豆", Synonyms()) == []


def test_the_same_query_with_other_synonyms_is_looked_up_again() -> None:
    levels = CategoryLevels.build(CATEGORIES)
    assert not levels.find_named("crisps", Synonyms(), key=("crisps", 1))
    assert len(levels.find_named("crisps", SYNONYMS, key=("crisps", 2))) == 1
    assert not levels.find_named("", SYNONYMS, key="")
