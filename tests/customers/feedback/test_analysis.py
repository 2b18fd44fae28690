"""Figures of feedback: NPS and CSAT by hand, worst products with reasons, and orders after bad reviews."""

from datetime import UTC, date, datetime, timedelta
from math import sqrt

import numpy as np
import pytest
from django.core.cache import cache
from django.db import connection
from django.db.models import Q
from django.test.utils import CaptureQueriesContext
from django.utils.translation import override

from config.foundation import slow_figures
from config.foundation.backoffice.date_range import DayRange
from customers.feedback.analysis import products, topics
from customers.feedback.analysis.categories import BY_CATEGORY, list_worst_categories
from customers.feedback.analysis.figures import get_group_figures
from customers.feedback.analysis.products import list_worst_products
from customers.feedback.analysis.ratings import Ratings, list_weeks, measure_ratings
from customers.feedback.analysis.repeat_orders import Stratum, compare_strata, measure_repeat_orders
from customers.feedback.analysis.satisfaction import compute_nps, measure_satisfaction, summarize_answers
from customers.feedback.analysis.topics import count_phrases, list_topics
from customers.feedback.backoffice.texts import describe_ratings
from customers.feedback.models import Review, SurveyAnswer
from tests.makers import make_customer, make_order, make_product

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
NOVEMBER = DayRange(date(2026, 11, 1), date(2026, 11, 30))


@pytest.mark.parametrize("count", [3, 5, 20])
def test_the_interval_of_the_average_rating_contains_the_true_one_also_from_few_reviews(count: int) -> None:
    shares = np.array([0.05, 0.03, 0.04, 0.13, 0.75])
    truth = shares @ np.arange(1, 6)
    draws = np.random.default_rng(1).multinomial(count, shares, 400).tolist()
    intervals = [Ratings(tuple(draw)).interval for draw in draws]
    assert np.mean([interval.low <= truth <= interval.high for interval in intervals]) > 0.93
    assert Ratings((0, 0, 0, 0, 5)).interval.low < 4.2
    assert Ratings((0, 0, 0, 0, 5)).interval.high == 5
    assert Ratings((0, 0, 0, 0, 1)).interval is None


def make_review(product, rating: int, body: str = "", *, at: datetime = NOW, customer=None) -> Review:
    return Review.objects.create(
        review_id=f"r{Review.objects.count()}",
        product=product,
        rating=rating,
        body=body,
        written_at=at,
        customer=customer,
    )


def test_nps_and_its_interval_match_a_calculation_by_hand():
    # 50 promoters, 30 passives, 20 detractors; 0.75 added to the ends, 1.5 to the middle
    nps = compute_nps(50, 20, 100)
    plus, minus = 50.75 / 103, 20.75 / 103
    margin = 1.959964 * sqrt((plus + minus - (plus - minus) ** 2) / 103)
    assert nps.value == 30
    assert nps.low == pytest.approx(100 * (plus - minus - margin), abs=1e-3)
    assert nps.high == pytest.approx(100 * (plus - minus + margin), abs=1e-3)
    assert compute_nps(0, 0, 0).value is None
    alone = compute_nps(1, 0, 1)
    assert (alone.value, alone.high) == (100, 100)
    assert alone.low < 0


def test_csat_is_the_share_of_4_and_5_with_wilsons_interval():
    figures = summarize_answers({10: 1, 8: 1, 6: 1}, {5: 6, 4: 2, 3: 1, 1: 1})
    assert (figures.promoters, figures.passives, figures.detractors) == (1, 1, 1)
    assert figures.csat.value == 0.8
    assert (figures.csat.low, figures.csat.high) == (pytest.approx(0.4902, abs=1e-3), pytest.approx(0.9433, abs=1e-3))


def test_orders_after_bad_reviews_are_compared_within_groups():
    # regulars: 8 of 10 against 90 of 100; others: 10 of 40 against 10 of 20; a group without good reviews does not count
    effect = compare_strata([Stratum(10, 8, 100, 90), Stratum(40, 10, 20, 10), Stratum(5, 5, 0, 0)])
    assert (effect.low, effect.high, effect.unmatched) == (50, 120, 5)
    assert effect.low_share == pytest.approx(18 / 50)
    assert effect.high_share == pytest.approx((10 * 0.9 + 40 * 0.5) / 50)
    assert effect.difference == pytest.approx(0.36 - 0.58)
    variance = 0.2**2 * ((9 / 12) * (3 / 12) / 12 + (91 / 102) * (11 / 102) / 102)
    variance += 0.8**2 * ((11 / 42) * (31 / 42) / 42 + 0.5 * 0.5 / 22)
    assert effect.interval_low == pytest.approx(-0.22 - 1.959964 * sqrt(variance))
    assert compare_strata([Stratum(10, 5, 100, 50)]).difference is None


@pytest.mark.django_db
def test_only_first_reviews_of_customers_who_had_ordered_count():
    product = make_product()
    written_at = NOW - timedelta(days=60)
    for number, (rating, days_after) in enumerate([(1, 10), (1, 40), (2, 29), (5, 5), (4, 31), (3, 5)]):
        customer = make_customer(f"c{number}")
        make_order(customer, products=[product], placed_at=written_at - timedelta(days=3))
        make_order(customer, products=[product], placed_at=written_at + timedelta(days=days_after))
        make_review(product, rating, at=written_at, customer=customer)
        make_review(product, 5, at=written_at + timedelta(days=1), customer=customer)
    make_review(product, 1, at=written_at, customer=make_customer("new"))
    make_review(product, 1, at=written_at)
    effect = measure_repeat_orders(as_of=NOW)
    assert (effect.low, effect.high) == (3, 2)


@pytest.mark.django_db
def test_the_worst_product_is_explained_by_what_its_bad_reviews_say():
    tea, soup, rare = make_product("tea"), make_product("soup"), make_product("rare")
    for number in range(12):
        make_review(tea, 5, "Great tea, fresh and tasty.")
        bad = number % 2 == 0
        make_review(soup, 1 if bad else 4, "The lid was open and it leaked." if bad else "Tasty soup.")
    make_review(rare, 1, "The lid was open.")
    worst = list_worst_products(NOVEMBER)
    assert [product.product_id for product in worst] == ["soup", "tea"]
    assert (worst[0].count, worst[0].average, worst[0].low) == (12, 2.5, 6)
    assert [reason.text for reason in worst[0].reasons] == ["lid was open"]
    assert len(worst[0].examples) == 2
    assert worst[1].reasons == ()
    topics = list_topics(NOVEMBER, Q(rating__lte=2), count_phrases(NOVEMBER))
    assert topics[0].text == "lid was open"
    ratings = measure_ratings(NOVEMBER)
    assert (ratings.stars, ratings.low, ratings.unanswered) == ((7, 0, 0, 6, 12), 7, 7)
    assert ratings.average == pytest.approx((7 + 24 + 60) / 25)
    assert "1–2★. Worst rated: soup" in describe_ratings(ratings, worst)
    with override("zh-hans"):
        assert "。 " not in describe_ratings(ratings, worst)
    assert [(week.week, week.count) for week in list_weeks(NOVEMBER)] == [(date(2026, 11, 23), 25)]


@pytest.mark.django_db
def test_the_worst_category_is_explained_by_the_reviews_of_its_products():
    tea = make_product("tea", category="Drinks > Tea")
    soups = [make_product(f"soup{number}", category="Food > Soup") for number in range(2)]
    make_review(make_product("rare", category="Food"), 1, "Cold.")
    for number in range(12):
        make_review(tea, 5, "Great tea, fresh and tasty.")
        bad = number % 2 == 0
        make_review(soups[number % 2], 1 if bad else 4, "The lid was open and it leaked." if bad else "Tasty soup.")
    worst = list_worst_categories(NOVEMBER)
    assert [(row.path, row.products, row.count, row.average, row.low) for row in worst] == [
        ("Food > Soup", 2, 12, 2.5, 6),
        ("Drinks > Tea", 1, 12, 5.0, 0),
    ]
    mean = (30 + 60 + 1) / 25
    assert worst[0].shrunk == pytest.approx((30 + 5 * mean) / 17)
    assert [reason.text for reason in worst[0].reasons] == ["lid was open"]


@pytest.mark.django_db
def test_the_texts_of_bad_reviews_are_limited_to_the_latest_of_each_group(monkeypatch: pytest.MonkeyPatch) -> None:
    tea, soup = make_product("tea", category="Drinks"), make_product("soup", category="Food")
    reviews = {
        product.pk: [
            make_review(product, 1 + number % 3, "Cold.", at=NOW - timedelta(hours=number)).pk for number in range(8)
        ]
        for product in (tea, soup)
    }
    make_review(tea, 1, at=NOW + timedelta(hours=1))  # without a text
    make_review(tea, 5, "Good.", at=NOW + timedelta(hours=1))
    monkeypatch.setattr(products, "MAX_REVIEWS", 8)
    bad = products.list_bad_reviews([tea.pk, soup.pk], NOVEMBER)
    # the latest four of each have 1, 2, 3 and 1★
    assert {key: [review_id for review_id, _text in rows] for key, rows in bad.items()} == {
        key: [ids[0], ids[3], ids[1], ids[2]] for key, ids in reviews.items()
    }
    by_category = products.list_bad_reviews([tea.category_id], NOVEMBER, by=BY_CATEGORY)
    assert len(by_category[tea.category_id]) == 8
    monkeypatch.setattr(topics, "MAX_REVIEWS", 1)
    figures = get_group_figures(NOVEMBER, by=BY_CATEGORY, pk=tea.category_id)
    assert figures.ratings.stars == (4, 3, 2, 0, 1)
    assert len(figures.examples) == 8


@pytest.mark.django_db
def test_figures_of_a_group_that_take_long_are_not_counted_for_each_view(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slow_figures, "SLOW_SECONDS", 0.0)
    tea = make_product("tea")
    for _number in range(12):
        make_review(tea, 1, "The lid was open and it leaked.")
        make_review(make_product(), 4, "Tasty soup.")
    try:
        counted = get_group_figures(NOVEMBER, by="product_id", pk=tea.pk)
        with CaptureQueriesContext(connection) as queries:
            assert get_group_figures(NOVEMBER, by="product_id", pk=tea.pk) == counted
    finally:
        cache.delete(f"figures:feedback.product_id:{tea.pk}:{NOVEMBER.first}:{NOVEMBER.last}")
    assert [phrase.text for phrase in counted.complaints] == ["lid was open"]
    assert not [query for query in queries if "feedback_review" in query["sql"]]


@pytest.mark.django_db
def test_satisfaction_counts_the_answers_of_the_period():
    for kind, score, at in (("nps", 10, NOW), ("nps", 0, NOW - timedelta(days=40)), ("csat", 4, NOW)):
        SurveyAnswer.objects.create(kind=kind, score=score, answered_at=at)
    figures = measure_satisfaction(NOVEMBER)
    assert (figures.nps.answers, figures.nps.value, figures.csat.value) == (1, 100, 1)
