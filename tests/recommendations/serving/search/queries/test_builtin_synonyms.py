"""The synonyms that are part of the product."""

from collections import Counter

from recommendations.engine.text_search.tokens import is_unspaced
from recommendations.serving.search.models import MAX_TERM_LENGTH, Synonym, validate_words
from recommendations.serving.search.queries.builtin_synonyms import BuiltinSynonym, parse_groups, read_builtin_synonyms


def test_a_line_has_equal_words_or_words_that_imply_others() -> None:
    assert parse_groups("tv, television") == [BuiltinSynonym(("tv", "television"))]
    assert parse_groups("soda, pop => soft drink") == [BuiltinSynonym(("soda", "pop"), ("soft drink",))]


def test_chinese_words_find_english_ones_which_do_not_find_each_other() -> None:
    chinese, english = parse_groups("鸡腿, chicken drum, chicken thigh")
    assert chinese == BuiltinSynonym(("鸡腿",), ("鸡腿", "chicken drum", "chicken thigh"))
    assert english == BuiltinSynonym(("chicken drum", "chicken thigh"), ("鸡腿",))
    assert parse_groups("茶, tea") == [BuiltinSynonym(("茶",), ("tea",))], "one character is in words of other meanings"


def test_every_group_can_be_copied_and_has_its_own_key() -> None:
    groups = read_builtin_synonyms()
    assert len(groups) > 500
    assert max(Counter(group.key for group in groups).values()) == 1
    for group in groups:
        assert len(group.key) <= MAX_TERM_LENGTH
        Synonym(terms=list(group.terms), replacements=list(group.replacements), builtin_key=group.key).clean()
        for term in (*group.terms, *group.replacements):
            validate_words(term)
    assert sum(is_unspaced(group.terms[0]) for group in groups) > 150
