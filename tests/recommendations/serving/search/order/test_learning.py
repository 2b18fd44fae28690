"""Clicks on search results change how much popularity counts, once later clicks prove it better."""

from datetime import timedelta

import numpy as np
import pytest

from catalog.models import Product
from customers.events.models import Event
from recommendations.engine.position_bias import ExaminationCurve, compute_prior
from recommendations.serving.impressions.store import insert_entries
from recommendations.serving.models import Impression, SearchOrder
from recommendations.serving.search.order.features import list_order_features
from recommendations.serving.search.order.learning import MIN_PAGES, build_page, learn_search_order
from recommendations.serving.search.order.weights import DEFAULT_ORDER, load_order_weights
from recommendations.serving.search.request import SearchRequest, SearchSort
from recommendations.serving.search.search import SearchPage, search
from recommendations.serving.search.searcher import Searcher
from tests.makers import NOON, make_product, make_source
from tests.recommendations.serving.impressions.entries import make_entry

pytestmark = pytest.mark.django_db
LATER = NOON + timedelta(days=30)
PAGE = 6


def store_clicks(pages: int, *, prefers_popular: bool) -> None:
    """Store pages of equal matches with one click each: on the most popular product that is looked at, or on a random one."""
    rng = np.random.default_rng(3)
    entries, clicks = [], []
    for number in range(pages):
        popularity = 1 + rng.random(PAGE)
        text = rng.random(PAGE) + 1
        order = np.argsort(-(text * popularity))
        popularity, text = popularity[order], text[order]
        features = [1.0, 1.0]
        for score, factor in zip((text * popularity).tolist(), popularity.tolist(), strict=True):
            features += [16.0, score, factor, 1.0]
        is_examined = rng.random(PAGE) < 1 / np.log2(1 + np.arange(1, PAGE + 1))
        liked = popularity if prefers_popular else rng.random(PAGE)
        clicked = int(np.argmax(np.where(is_examined, liked, -1)))
        at = NOON + number * timedelta(minutes=1)
        entries.append(
            make_entry(
                f"s{number}",
                scenario="search",
                products=[f"p{index}" for index in range(PAGE)],
                served_at=at,
                anonymous_id=f"v{number % 200}",
                order_features=features,
            )
        )
        clicks.append((f"s{number}", f"p{clicked}", at + timedelta(seconds=9)))
    insert_entries(entries)
    source = make_source()
    Event.objects.bulk_create(
        Event(
            source=source,
            message_id=f"{recommendation_id}/{product}",
            type="track",
            name="Product Clicked",
            anonymous_id="v",
            occurred_at=at,
            received_at=at,
            product_ids=[product],
            recommendation_id=recommendation_id,
        )
        for recommendation_id, product, at in clicks
    )


def test_visitors_who_choose_what_sells_make_popularity_count_more() -> None:
    store_clicks(3 * MIN_PAGES, prefers_popular=True)
    order = learn_search_order(at=LATER)
    assert (order.pages, order.people, order.is_served) == (3 * MIN_PAGES, 200, True)
    assert order.popularity > 1.3
    assert order.personal == pytest.approx(1), "nobody had a personal order"
    assert order.gain is not None
    assert order.gain > 0
    assert load_order_weights().popularity == pytest.approx(order.popularity)


def test_pages_without_popularity_in_their_order_are_learned_from(fresh_searcher: Searcher) -> None:
    make_product("red", title="Red kettle")
    make_product("blue", title="Blue kettle")
    before = list_order_features(find(fresh_searcher))
    SearchOrder.objects.create(learned_at=NOON, popularity=0.0, personal=1.0, is_served=True)
    fresh_searcher.refresh(now=NOON)
    page = find(fresh_searcher)
    assert page.hits[0].score == page.hits[1].score
    features = list_order_features(page)
    assert features is not None
    assert before is not None
    by_popularity = sorted(np.reshape(features[2:], (-1, 4)).tolist(), key=lambda values: -values[2])
    assert by_popularity == pytest.approx(np.reshape(before[2:], (-1, 4)))
    learned = build_page(1, 1, features, [1], ExaminationCurve(compute_prior(np.arange(1, 3)), "prior"))
    assert sorted(learned.factors[:, 0]) == pytest.approx([0, np.log(1.5)])


def test_stored_factors_of_the_exponent_0_are_left_out() -> None:
    store_clicks(3 * MIN_PAGES, prefers_popular=True)
    expected = learn_search_order(at=LATER)
    first = Impression.objects.order_by("served_at").first()
    assert first is not None
    assert first.order_features is not None
    zero = [0.0, *first.order_features[1:]]
    Impression.objects.filter(recommendation_id=first.recommendation_id).update(order_features=zero)
    order = learn_search_order(at=LATER)
    assert (order.pages, order.is_served) == (expected.pages - 1, True)
    assert order.popularity == pytest.approx(expected.popularity, rel=0.05)


def test_few_clicks_keep_the_default_weights_and_replace_older_ones() -> None:
    SearchOrder.objects.create(learned_at=NOON, popularity=3.0, is_served=True)
    store_clicks(MIN_PAGES // 4, prefers_popular=True)
    assert not learn_search_order(at=LATER).is_served
    assert SearchOrder.objects.count() == 1
    assert load_order_weights() == DEFAULT_ORDER


def find(searcher: Searcher, **fields: object) -> SearchPage:
    snapshot = searcher.get_snapshot(now=NOON)
    values = np.zeros(snapshot.catalog.n, np.float32)
    values[snapshot.catalog.find_row("red")] = 0.5
    request = SearchRequest(**({"q": "kettle", "strict": True, "language": "en"} | fields))  # type: ignore[arg-type]
    return search(request, snapshot=snapshot, popularity=lambda rows: values[rows])


def test_learned_weights_are_served_at_the_next_refresh_and_the_scores_are_stored(fresh_searcher: Searcher) -> None:
    make_product("red", title="Red kettle")
    make_product("blue", title="Blue kettle")
    before = find(fresh_searcher)
    assert [hit.popularity for hit in before.hits] == pytest.approx([1.5, 1.0])
    SearchOrder.objects.create(learned_at=NOON, popularity=2.0, personal=1.0, is_served=True)
    fresh_searcher.refresh(now=NOON)
    after = find(fresh_searcher)
    assert [hit.score / hit.text**2 for hit in after.hits] == pytest.approx([1.5**2, 1.0])
    features = list_order_features(after)
    assert features is not None
    insert_entries([make_entry("s", scenario="search", order_features=features)])
    stored = Impression.objects.get().order_features
    assert stored is not None
    assert stored == pytest.approx(features)
    assert stored == pytest.approx(list_order_features(before)), "the numbers do not depend on the exponents"
    assert stored[2] == stored[6], "both match equally well"


def test_pages_in_another_order_store_no_scores(fresh_searcher: Searcher) -> None:
    make_product("red", title="Red kettle")
    make_product("blue", title="Blue kettle")
    assert list_order_features(find(fresh_searcher, sort=SearchSort.NEWEST)) is None
    assert list_order_features(find(fresh_searcher, q="")) is None
    Product.objects.all().delete()
    insert_entries([make_entry("f")])
    assert Impression.objects.get().order_features is None
