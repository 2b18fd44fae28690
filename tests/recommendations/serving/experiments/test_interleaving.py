"""An interleaved list has products of both variants, and a click on one is credited to the variant that contributed it."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import DjangoAssertNumQueries

from catalog.models import Product
from config.access.keys import create_api_key
from config.access.models import ApiKey
from customers.events.recent.interactions import RecentActivity
from customers.identity.merging.merge import merge_customers
from customers.identity.models import Customer
from customers.identity.signals import customer_erased
from recommendations.experiments.methods.registry import measure_experiment
from recommendations.experiments.models import Experiment, ExperimentExposure
from recommendations.experiments.results import VariantPreference
from recommendations.merchandising.models import Rule
from recommendations.serving.experiments import preferences
from recommendations.serving.impressions import stream
from recommendations.serving.impressions.store import store_impressions
from recommendations.serving.impressions.writer import process_queue
from recommendations.serving.models import Impression
from recommendations.serving.recommend import recommend
from recommendations.serving.request import RecommendationRequest
from recommendations.serving.response import RecommendationResponse
from recommendations.serving.rest.search.serve import serve_search
from recommendations.serving.rest.serve import record_response
from recommendations.serving.search.order.features import list_order_features
from recommendations.serving.search.request import SearchRequest, SearchSort
from recommendations.serving.search.searcher import Searcher
from recommendations.serving.search.visitor_search import run_search
from recommendations.serving.state import loader as loader_module
from recommendations.serving.state.loader import StateLoader
from recommendations.training.models import ModelVersion
from tests.customers.events.client import make_keyed_source, send, track
from tests.customers.events.makers import make_event
from tests.makers import NOON, make_order
from tests.recommendations.experiments.makers import make_experiment

pytestmark = pytest.mark.usefixtures("valkey")
LATER = NOON + timedelta(minutes=10)
FOR_TEA = RecommendationRequest("for-you", user_id="user-0", n=6)


def make_interleaving(**fields: object) -> Experiment:
    """Interleave personal with popular products."""
    return make_experiment(method="interleaving", metric="clicks", salt="same coins in every run", **fields)  # type: ignore[arg-type]


def serve(request: RecommendationRequest, source: StateLoader, *, at=NOON) -> RecommendationResponse:  # type: ignore[no-untyped-def]
    """Recommend as the REST view does, and store what it records."""
    source.refreshed_at = float("-inf")
    response = recommend(request=request, now=at, source=source, activity=RecentActivity(), is_assigned=True)
    record_response(response, user_id=request.user_id, anonymous_id=request.anonymous_id, now=at)
    process_queue.writer.flush()
    store_impressions(at=LATER)
    return response


def list_ids(response: RecommendationResponse) -> list[str]:
    return [item.product_id for item in response.items]


def click(response: RecommendationResponse, team: int, *, times: int = 1) -> str:
    """Click the first product of a team; return its ID."""
    product_id = response.items[response.teams.index(team)].product_id
    for number in range(times):
        make_event(
            name="Product Clicked",
            message_id=f"{response.recommendation_id}-{team}-{number}",
            recommendation_id=response.recommendation_id,
            product_ids=[product_id],
            at=NOON + timedelta(minutes=1),
        )
    return product_id


def get_preference(experiment: Experiment) -> VariantPreference:
    preference = measure_experiment(experiment, as_of=LATER).preference
    assert preference is not None
    return preference


def test_a_list_has_products_of_both_variants_and_stores_which(trained: ModelVersion, loader: StateLoader) -> None:
    control = list_ids(recommend(request=FOR_TEA, now=NOON, source=loader))
    make_interleaving()
    response = serve(FOR_TEA, loader)
    shown = list_ids(response)
    assert len(set(shown)) == len(shown) == 6
    assert {0, 1} <= set(response.teams) <= {-1, 0, 1}
    of_control = [product for product, team in zip(shown, response.teams, strict=True) if team == 0]
    assert of_control
    assert of_control == [product for product in control if product in of_control], "in the order of its own ranking"
    assert abs(response.teams.count(0) - response.teams.count(1)) <= 1
    assert all(item.reason is not None for item in response.items)
    impression = Impression.objects.get()
    assert (impression.product_ids, tuple(impression.teams or ())) == (shown, response.teams)
    assert (impression.arm, impression.propensities) == ("blend:interleaved", None)
    assert not ExperimentExposure.objects.exists(), "nobody is in one variant"


def test_all_pages_are_cut_from_one_list(trained: ModelVersion, loader: StateLoader) -> None:
    make_interleaving()
    whole = serve(replace(FOR_TEA, n=8), loader)
    first = serve(replace(FOR_TEA, n=3), loader)
    second = serve(replace(FOR_TEA, n=5, cursor=first.next_cursor or ""), loader, at=NOON + timedelta(minutes=3))
    assert list_ids(first) + list_ids(second) == list_ids(whole)
    assert first.teams + second.teams == whole.teams


def test_pinned_products_belong_to_no_variant(trained: ModelVersion, loader: StateLoader) -> None:
    make_interleaving()
    Rule.objects.create(name="Cake first", action="pin", scenarios=["for-you"], product_ids=["cake-4"], position=1)
    response = serve(FOR_TEA, loader)
    assert (list_ids(response)[0], response.teams[0]) == ("cake-4", -1)
    assert {0, 1} <= set(response.teams)


def test_a_late_ranking_counts_for_nobody_and_the_fallback_of_a_variant_is_its_list(
    trained: ModelVersion, loader: StateLoader, settings: Any
) -> None:
    make_interleaving(configs=({}, {"switch": "off"}))
    assert serve(FOR_TEA, loader).teams
    assert serve(replace(FOR_TEA, scenario="categories"), loader).teams == ()
    settings.RECOMMEND_DEADLINE_MS = -1000.0
    late = serve(FOR_TEA, loader)
    assert (late.teams, late.interleaved, late.fallback_reason) == ((), None, "late")


def test_who_refuses_or_is_held_out_gets_no_interleaved_list(trained: ModelVersion, loader: StateLoader) -> None:
    make_interleaving()
    assert serve(RecommendationRequest("for-you", n=5), loader).teams == ()
    make_experiment(
        "all", kind="holdout", subject="", configs=({}, {"recommendations": True}), shares=("0.9999", "0.0001")
    )
    assert serve(FOR_TEA, loader).teams == ()


def test_interleaving_makes_no_query(
    trained: ModelVersion, loader: StateLoader, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    make_interleaving()
    serve(FOR_TEA, loader)
    with django_assert_num_queries(0):
        response = recommend(request=FOR_TEA, now=NOON, source=loader, activity=RecentActivity(), is_assigned=True)
    assert response.teams


def test_clicks_are_credited_once_per_product_and_person(trained: ModelVersion, loader: StateLoader) -> None:
    experiment = make_interleaving()
    first, second, third = (serve(replace(FOR_TEA, user_id=f"user-{number}"), loader) for number in (0, 2, 4))
    bought = click(first, 1, times=3)
    click(second, 0)
    click(second, 1)
    click(third, 1)
    known, other = (Customer.objects.get(identifiers__value=name) for name in ("user-0", "user-2"))
    product = Product.objects.get(product_id=bought)
    make_order(known, products=[product, Product.objects.get(product_id="cake-4")], placed_at=LATER)
    results = measure_experiment(experiment, as_of=LATER)
    found = get_preference(experiment)
    assert (found.people, found.clicked, found.credited, found.control, found.variant, found.ties) == (3, 3, 3, 0, 2, 1)
    assert found.share.value == pytest.approx(3 / 4)
    assert (found.clicks, found.orders, results.units, results.verdict) == ((1, 3), (0, 1), 3, "too_few")
    assert found.missing == found.needed - 3
    merge_customers(pairs=[(known.pk, other.pk)], at=LATER, causes=["x"])
    merged = get_preference(experiment)
    assert (merged.people, merged.clicked, merged.variant, merged.ties) == (2, 2, 2, 0)
    assert merged.share.value == pytest.approx(3 / 4)
    customer_erased.send(sender=None, customer_id=known.pk, at=LATER)
    erased = get_preference(experiment)
    assert (erased.people, erased.clicked, erased.variant) == (1, 1, 1)


def test_the_first_clicks_of_each_person_count(
    trained: ModelVersion, loader: StateLoader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preferences, "COUNTED_CLICKS", 2)
    experiment = make_interleaving()
    often, once = (serve(replace(FOR_TEA, user_id=f"user-{number}"), loader) for number in (0, 2))
    credited = [item.product_id for item, team in zip(often.items, often.teams, strict=True) if team >= 0]
    for number, product_id in enumerate(credited):
        make_event(
            name="Product Clicked",
            recommendation_id=often.recommendation_id,
            product_ids=[product_id],
            at=NOON + timedelta(seconds=number),
        )
    click(once, 1)
    found = get_preference(experiment)
    assert len(credited) > 2
    assert (found.people, found.clicked, found.credited, sum(found.clicks)) == (2, 2, 2, 3)
    teams = [team for team in often.teams if team >= 0][:2]
    assert found.clicks == (teams.count(0), teams.count(1) + 1)


def test_an_entry_that_is_stored_twice_changes_nothing(trained: ModelVersion, loader: StateLoader) -> None:
    experiment = make_interleaving()
    loader.refreshed_at = float("-inf")
    response = recommend(request=FOR_TEA, now=NOON, source=loader, activity=RecentActivity(), is_assigned=True)
    record_response(response, user_id="user-0", anonymous_id="", now=NOON)
    process_queue.writer.flush()
    stream.append_entries([entry.packed for entry in stream.read_entries(10)])  # of a worker killed after the commit
    store_impressions(at=LATER)
    click(response, 1)
    assert Impression.objects.count() == 1
    assert get_preference(experiment).clicks == (0, 1)


def test_a_request_over_rest_and_a_click_of_the_collector(
    trained: ModelVersion, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.RECOMMEND_DEADLINE_MS = 600_000.0
    monkeypatch.setattr(loader_module, "REFRESH_INTERVAL_SECONDS", 3600.0)
    now = timezone.now()
    experiment = make_interleaving()
    Experiment.objects.update(started_at=now - timedelta(hours=1))
    loader_module.loader.state = None
    key = create_api_key(name="shop", kind=ApiKey.Kind.SECRET, scopes=["recommendations:read"], now=now)[1]
    try:
        response = (
            Client()
            .get("/api/v1/recommendations/for-you/?user_id=user-0&n=6", headers={"Authorization": f"Bearer {key}"})
            .json()
        )
    finally:
        loader_module.loader.state = None
    process_queue.writer.flush()
    store_impressions(at=timezone.now())
    impression = Impression.objects.get()
    assert impression.product_ids == [item["product_id"] for item in response["items"]]
    chosen = impression.product_ids[(impression.teams or []).index(1)]
    clicked = {"recommendation_id": response["recommendation_id"], "product_id": chosen}
    sent = send(track("Product Clicked", userId="user-0", properties=clicked), make_keyed_source()[1], "/v1/track")
    assert sent.status_code == 200
    experiment.refresh_from_db()
    preference = measure_experiment(experiment, as_of=timezone.now() + timedelta(minutes=1)).preference
    assert preference is not None
    assert (preference.people, preference.control, preference.variant) == (1, 0, 1)


def test_search_results_of_two_orders_are_one_list_and_pins_keep_their_places(
    trained: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = Searcher(source=StateLoader(), background=False)
    make_interleaving(kind="search_order", subject="", configs=({}, {"popularity": 0.0, "personal": 3.0}))
    Rule.objects.create(name="Cake", action="pin", scenarios=["search"], product_ids=["tea-4"], position=2)
    request = SearchRequest(q="number", user_id="user-1", n=9, distinct=False)

    def run(request: SearchRequest) -> tuple[list[str], list[int]]:
        page = run_search(request, now=NOON, source=source, activity=RecentActivity(), is_assigned=True)
        assert [hit.rank for hit in page.hits] == list(range(page.hits[0].rank, page.hits[0].rank + len(page.hits)))
        assert list_order_features(page) is None, "learning takes lists of one order"
        run_next.append(page.next_cursor or "")
        return [page.snapshot.catalog.product_ids[hit.row] for hit in page.hits], list(page.teams)

    run_next: list[str] = []
    shown, teams = run(request)
    assert (shown[1], teams[1]) == ("tea-4", -1)
    assert len(set(shown)) == 9
    assert {0, 1} <= set(teams)
    first, first_teams = run(replace(request, n=4))
    second, second_teams = run(replace(request, n=5, cursor=run_next[-1]))
    assert (first + second, first_teams + second_teams) == (shown, teams)
    serve_search(request=request, now=NOON, source=source)
    process_queue.writer.flush()
    store_impressions(at=LATER)
    assert Impression.objects.get().teams == teams
    by_price = run_search(
        replace(request, sort=SearchSort.CHEAPEST), now=NOON, source=source, activity=RecentActivity(), is_assigned=True
    )
    assert by_price.teams == ()
