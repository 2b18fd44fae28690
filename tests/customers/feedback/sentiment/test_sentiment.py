"""Sentiment of English and Chinese texts: languages, n-grams, training, calibration and storage."""

import numpy as np
import pytest

from customers.feedback.sentiment.features import COLUMNS, count_ngrams
from customers.feedback.sentiment.languages import Language, detect_language
from customers.feedback.sentiment.model import deserialize_model, serialize_model
from customers.feedback.sentiment.multilingual import LanguageTraining, predict_positive, train_languages
from customers.feedback.sentiment.training import TooFewTextsError, train_sentiment

GOOD_ENGLISH = (
    "works great",
    "love the quality",
    "arrived quickly and well packed",
    "not bad at all",
    "excellent value",
)
BAD_ENGLISH = ("broke after a week", "not good", "arrived late and damaged", "terrible quality", "waste of money")
GOOD_CHINESE = ("非常好吃，推荐", "送货很快", "质量不错，会回购", "包装完好", "味道很好")
BAD_CHINESE = ("太难吃了，失望", "送货太慢", "质量很差，不会再买", "包装破损", "味道不好")


def make_reviews(good: tuple[str, ...], bad: tuple[str, ...], n: int) -> tuple[list[str], np.ndarray]:
    draws = np.random.default_rng(1)
    is_positive = draws.random(n) < 0.6
    texts = []
    for positive in is_positive:
        own, other = (good, bad) if positive else (bad, good)
        sentences = [own[draws.integers(5)], own[draws.integers(5)]]
        if draws.random() < 0.2:
            sentences[0] = other[draws.integers(5)]
        texts.append(". ".join(sentences) + ".")
    return texts, is_positive


@pytest.fixture(scope="module")
def trained() -> tuple[LanguageTraining, list[str], np.ndarray]:
    english, english_labels = make_reviews(GOOD_ENGLISH, BAD_ENGLISH, 300)
    chinese, chinese_labels = make_reviews(GOOD_CHINESE, BAD_CHINESE, 300)
    texts, labels = english + chinese, np.concatenate((english_labels, chinese_labels))
    return train_languages(texts, labels), texts, labels


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Very good", Language.ENGLISH),
        ("手机很好用", Language.CHINESE),
        ("iPhone 15 手机很好用", Language.CHINESE),
        ("I bought the 茶 teapot for my mother", Language.ENGLISH),
        ("とても良いです", None),
        ("очень хорошо", None),
        ("12345 !!!", None),
        ("", None),
    ],
)
def test_the_language_is_that_of_most_letters(text, language):
    assert detect_language(text) == language


def test_english_has_words_and_pairs_and_chinese_has_one_to_three_characters():
    # boundary+good, good, good+tea, tea, tea+boundary
    assert count_ngrams(["Good TEA"], Language.ENGLISH).nnz == 5
    # 3 characters, 2 pairs, 1 triple, and with a boundary 2 pairs and 2 triples at each end of the clause
    assert count_ngrams(["好吃的"], Language.CHINESE).nnz == 10
    # no n-gram crosses a comma: each clause of two characters has 2 + 1 + 2 with one boundary + 2
    clauses = count_ngrams(["好吃，很快"], Language.CHINESE)
    assert clauses.nnz == 14
    assert clauses.shape == (1, COLUMNS)


def test_repeated_ngrams_count_by_their_logarithm_and_full_width_letters_are_the_same():
    counts = count_ngrams(["tea, tea, tea", "ｔｅａ"], Language.ENGLISH)
    assert counts[0].max() == pytest.approx(1 + np.log(3))
    assert set(counts[1].indices) <= set(counts[0].indices)


def test_both_languages_are_learned_and_beat_the_majority(trained):
    result, _texts, labels = trained
    assert set(result.models) == {Language.ENGLISH, Language.CHINESE}
    for model in result.models.values():
        assert model.quality.accuracy > model.quality.baseline + 0.2
    probability = predict_positive(
        result.models, ["love the quality", "terrible quality", "味道很好", "味道不好", "Отлично"]
    )
    assert list(probability[:4] > 0.5) == [True, False, True, False]
    assert np.isnan(probability[4])
    assert ((result.held_out > 0.5) == labels).mean() > 0.85
    assert predict_positive(result.models, []).shape == (0,)


def test_held_out_probabilities_are_calibrated(trained):
    result, _texts, labels = trained
    assert abs(result.held_out.mean() - labels.mean()) < 0.03
    unsure = (result.held_out > 0.2) & (result.held_out < 0.8)
    assert not unsure.sum() or abs(result.held_out[unsure].mean() - labels[unsure].mean()) < 0.25


def test_a_text_without_a_known_word_has_no_sentiment(trained):
    result, _texts, _labels = trained
    assert np.isnan(predict_positive(result.models, ["Zufriedenheit überall"]))[0]


def test_a_stored_model_predicts_the_same_and_damage_is_an_error(trained):
    result, texts, _labels = trained
    model = result.models[Language.CHINESE]
    data, values = serialize_model(model)
    restored = deserialize_model(data, values)
    np.testing.assert_allclose(restored.predict(texts[300:]), model.predict(texts[300:]), atol=1e-6)
    assert restored.quality == model.quality
    with pytest.raises(KeyError):
        deserialize_model(data, values | {"members": [*values["members"], values["members"][0]]})


def test_the_same_seed_gives_the_same_model(trained):
    result, texts, labels = trained
    again = train_sentiment(texts[:300], labels[:300], Language.ENGLISH)
    np.testing.assert_array_equal(again.held_out, result.held_out[:300])


def test_too_few_texts_are_an_error_that_says_how_many_are_needed():
    texts, labels = make_reviews(GOOD_ENGLISH, BAD_ENGLISH, 150)
    with pytest.raises(TooFewTextsError, match="at least 200 in total and 30 of each"):
        train_sentiment(texts, labels, Language.ENGLISH)
    result = train_languages(texts, labels)
    assert not result.models
    assert set(result.missing) == {Language.ENGLISH}
