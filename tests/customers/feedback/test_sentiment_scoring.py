"""The sentiment of stored reviews: learned from stars, held out, contradictions, and start models from a file."""

import csv
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from customers.feedback.models import Review, SentimentModel
from customers.feedback.reviews import record_reviews
from customers.feedback.sentiment.multilingual import predict_positive
from customers.feedback.sentiment_scoring import refresh_sentiment
from tests.makers import make_product

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
GOOD, BAD = ("Great taste", "Fresh and well packed", "We love it"), ("Stale and dry", "It leaked", "Never again")
pytestmark = pytest.mark.django_db


def write_reviews(n: int, *, start: int = 0) -> None:
    """Write n reviews with 5★ or 1★, of which the first has good words and 1★."""
    make_product("tea") if not start else None
    items = []
    for number in range(start, start + n):
        is_good = number % 3 > 0
        words = GOOD if is_good else BAD
        body = f"{words[number % 3]}. {words[(number // 3) % 3]}." if number else f"{GOOD[1]}. {GOOD[2]}."
        items.append({"review_id": f"r{number}", "product_id": "tea", "rating": 5 if is_good else 1, "body": body})
    record_reviews(items=items, received_at=NOW)


def test_a_shop_learns_from_its_own_stars_and_finds_texts_that_contradict_them():
    write_reviews(240)
    result = refresh_sentiment(now=NOW)
    assert result.trained == ("en",)
    assert Review.objects.filter(scored_at=None).count() == 0
    assert Review.objects.get(review_id="r1").sentiment > 0.5
    assert Review.objects.get(review_id="r3").sentiment < -0.5
    # although the model was trained on this review with 1★, its sentiment comes from the fold that left it out
    swapped = Review.objects.get(review_id="r0")
    assert (swapped.rating, swapped.contradicts) == (1, True)
    assert swapped.sentiment > 0.8
    assert Review.objects.filter(contradicts=True).count() == 1
    model = SentimentModel.objects.get()
    assert (model.language, model.origin, model.texts, model.is_used) == ("en", "reviews", 240, True)


def test_a_new_review_is_scored_and_a_changed_one_again_without_new_training():
    write_reviews(240)
    refresh_sentiment(now=NOW)
    record_reviews(
        items=[
            {"review_id": "new", "product_id": "tea", "rating": 3, "body": "It leaked. Never again."},
            {"review_id": "r1", "product_id": "tea", "rating": 5, "body": "Stale and dry. Never again."},
            {"review_id": "empty", "product_id": "tea", "rating": 4},
        ],
        received_at=NOW,
    )
    result = refresh_sentiment(now=NOW + timedelta(minutes=10))
    assert (result.trained, result.scored) == ((), 3)
    assert Review.objects.get(review_id="new").sentiment < 0
    assert Review.objects.get(review_id="r1").contradicts
    assert Review.objects.get(review_id="empty").sentiment is None
    assert refresh_sentiment(now=NOW + timedelta(minutes=20)).scored == 0


def test_with_too_few_reviews_there_is_no_sentiment_until_a_start_model_is_trained(tmp_path: Path, capsys):
    write_reviews(30)
    assert refresh_sentiment(now=NOW).trained == ()
    assert not Review.objects.exclude(sentiment=None).exists()
    path = tmp_path / "start.csv"
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["label", "review"])
        writer.writerows((number % 2, (GOOD if number % 2 else BAD)[number % 3]) for number in range(240))
    call_command("train_sentiment", str(path))
    assert "en: 240 texts, accuracy 100.0%" in capsys.readouterr().out
    assert not Review.objects.filter(sentiment=None).exists()
    assert SentimentModel.objects.get().origin == "file"
    path.write_text("stars,text\n", encoding="utf-8")
    with pytest.raises(CommandError, match="no column label"):
        call_command("train_sentiment", str(path))


def test_a_text_that_changes_while_it_is_scored_gets_the_sentiment_of_the_new_text(monkeypatch: pytest.MonkeyPatch):
    write_reviews(240)
    refresh_sentiment(now=NOW)
    good = {"review_id": "new", "product_id": "tea", "rating": 5, "body": "Great taste. We love it."}
    record_reviews(items=[good], received_at=NOW)

    def predict_slowly(models: Any, texts: list[str]) -> Any:
        if texts == [good["body"]]:
            record_reviews(items=[good | {"body": "Stale and dry. Never again."}], received_at=NOW)
        return predict_positive(models, texts)

    monkeypatch.setattr("customers.feedback.sentiment_scoring.predict_positive", predict_slowly)
    assert refresh_sentiment(now=NOW + timedelta(minutes=10)).scored == 1
    review = Review.objects.get(review_id="new")
    assert review.sentiment < -0.5
    assert review.contradicts


def test_reviews_in_other_languages_do_not_start_training_again():
    write_reviews(240)
    items = [
        {"review_id": f"ru{number}", "product_id": "tea", "rating": 5, "body": "Очень вкусный чай"}
        for number in range(60)
    ]
    record_reviews(items=items, received_at=NOW)
    assert refresh_sentiment(now=NOW).trained == ("en",)
    later = NOW + timedelta(days=2)
    assert refresh_sentiment(now=later).trained == ()
    write_reviews(70, start=240)
    assert refresh_sentiment(now=later).trained == ("en",)


def test_without_enough_reviews_in_one_language_the_scores_stay():
    write_reviews(30)
    items = [
        {"review_id": f"ru{number}", "product_id": "tea", "rating": 5, "body": "Очень вкусный чай"}
        for number in range(210)
    ]
    record_reviews(items=items, received_at=NOW)
    Review.objects.update(scored_at=NOW)
    assert refresh_sentiment(now=NOW).trained == ()
    assert not Review.objects.filter(scored_at=None).exists()
