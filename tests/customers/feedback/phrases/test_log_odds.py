"""Distinctive phrases: the formula by hand, and phrases of both languages."""

from collections import Counter
from math import log, sqrt

import numpy as np
import pytest

from customers.feedback.phrases.extraction import extract_phrases
from customers.feedback.phrases.log_odds import (
    DistinctivePhrase,
    compute_log_odds,
    rank_phrases,
    remove_overlapping,
)
from customers.feedback.sentiment.languages import Language


def test_log_odds_with_a_prior_match_a_calculation_by_hand():
    # y = 8 of 10 against y′ = 2 of 10, α = 1 each, α₀ = 2
    z = compute_log_odds(np.array([8.0, 2.0]), np.array([2.0, 8.0]), np.array([1.0, 1.0]))
    delta = log(9 / 3) - log(3 / 9)
    assert z[0] == pytest.approx(delta / sqrt(1 / 9 + 1 / 3))
    assert z[0] == pytest.approx(-z[1])
    with pytest.raises(ValueError, match="prior"):
        compute_log_odds(np.ones(1), np.ones(1), np.zeros(1))


def count_phrases(texts: list[str], language: Language) -> Counter[str]:
    return Counter(phrase for text in texts for phrase in extract_phrases(text, language))


def test_english_phrases_begin_and_end_with_words_that_mean_something():
    phrases = extract_phrases("The lid does not close, and it LEAKS.", Language.ENGLISH)
    assert {"lid", "close", "not close", "lid does not close", "leaks"} <= phrases
    assert not any(phrase.startswith("the ") or phrase.endswith(" not") for phrase in phrases)
    assert "close leaks" not in phrases


def test_the_longest_of_overlapping_phrases_is_shown_in_both_languages():
    bad = ["包装破损，漏出来了"] * 4 + ["收到时包装破损"] * 2
    other = ["味道很好"] * 20 + ["包装不错"] * 5
    found = rank_phrases(bad, Language.CHINESE, count_phrases(bad + other, Language.CHINESE), limit=3)
    assert found[0].text == "包装破损"
    assert (found[0].texts, found[0].other_texts) == (6, 0)
    assert "包装" not in {phrase.text for phrase in found}
    bad = ["The box arrived open"] * 5
    other = ["Great tea in a nice box"] * 20 + ["Great box"] * 10
    found = rank_phrases(bad, Language.ENGLISH, count_phrases(bad + other, Language.ENGLISH), limit=3)
    assert found[0].text == "box arrived open"
    assert len(found) == 1


def test_a_rare_long_phrase_does_not_replace_a_frequent_part_of_it():
    documents = [{"tea", "green tea", "green tea bag"}] * 5 + [{"tea", "green tea"}] * 2 + [{"tea"}] * 3
    counts = Counter(phrase for document in documents for phrase in document)
    candidates = [
        DistinctivePhrase(text, counts[text], 0, z)
        for text, z in (("tea", 4.0), ("green tea", 3.0), ("green tea bag", 2.0))
    ]
    kept = remove_overlapping(candidates, documents, limit=3)
    # “green tea” is in 70% of the texts with “tea”, and “green tea bag” in 71% of those with “green tea”, but in half of all
    assert [phrase.text for phrase in kept] == ["tea"]


def test_a_cut_of_a_long_chinese_clause_is_completed():
    bad = ["盖子没盖好，袋子里漏得到处都是"] * 5
    found = rank_phrases(
        bad, Language.CHINESE, count_phrases(bad + ["味道很不错，下次还会再来买"] * 40, Language.CHINESE), limit=3
    )
    assert [phrase.text for phrase in found] in (["袋子里漏得到处都是"], ["盖子没盖好"])


def test_phrases_that_occur_everywhere_or_once_distinguish_nothing():
    same = ["good tea"] * 10
    assert rank_phrases(same, Language.ENGLISH, count_phrases(same + same, Language.ENGLISH), limit=5) == []
    once = ["sour milk"]
    everything = count_phrases(once + same, Language.ENGLISH)
    assert rank_phrases(once, Language.ENGLISH, everything, limit=5) == []  # one text is no evidence
    assert rank_phrases([], Language.ENGLISH, everything, limit=5) == []


def test_long_phrases_do_not_join_clauses():
    phrases = extract_phrases("I tried two other brands and came back. Fish and chips are cold.", Language.ENGLISH)
    assert "two other brands" in phrases
    assert "fish and chips" in phrases
    assert not {phrase for phrase in phrases if "brands and came" in phrase and len(phrase.split()) > 3}
