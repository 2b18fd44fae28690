"""Visitors of an experiment get the lists of their variant, and their first exposure is stored exactly once."""

from dataclasses import replace
from datetime import timedelta

import pytest
import redis
from pytest_django.fixtures import DjangoAssertNumQueries

from customers.events.recent.interactions import RecentActivity, link_identifiers
from customers.identity.models import ConsentDenial
from recommendations.experiments.editing import promote_variant, stop_experiment, undo_promotion
from recommendations.experiments.methods.registry import measure_experiment
from recommendations.experiments.models import Experiment, ExperimentExposure
from recommendations.experiments.running import compile_experiment
from recommendations.serving.impressions import stream
from recommendations.serving.impressions.store import store_impressions
from recommendations.serving.impressions.writer import process_queue
from recommendations.serving.models import Impression, PlacementSettings, SearchOrder
from recommendations.serving.recommend import recommend
from recommendations.serving.request import RecommendationRequest
from recommendations.serving.rest.serve import record_response
from recommendations.serving.search.order.weights import load_order_weights
from recommendations.serving.state.loader import StateLoader
from recommendations.training.models import ModelVersion
from tests.customers.events.makers import make_event
from tests.makers import NOON, make_customer, make_identifier
from tests.recommendations.experiments.makers import make_experiment

LATER = NOON + timedelta(minutes=1)
FOR_TEA = RecommendationRequest("for-you", user_id="user-0", n=5)
POPULAR = {"weights": {"popularity": 1.0}}


def list_ids(response) -> list[str]:  # type: ignore[no-untyped-def]
    return [item.product_id for item in response.items]


def serve(request: RecommendationRequest, source: StateLoader, *, at=NOON):  # type: ignore[no-untyped-def]
    """Recommend as the REST view does, and store what it records."""
    source.refreshed_at = float("-inf")
    response = recommend(request=request, now=at, source=source, activity=RecentActivity(), is_assigned=True)
    record_response(response, user_id=request.user_id, anonymous_id=request.anonymous_id, now=at)
    process_queue.writer.flush()
    store_impressions(at=LATER)
    return response


def click(response, *positions: int) -> None:  # type: ignore[no-untyped-def]
    """Click the products at these positions, counted from 0, one after the other."""
    for number, position in enumerate(positions):
        make_event(
            name="Product Clicked",
            message_id=f"{response.recommendation_id}-{number}",
            recommendation_id=response.recommendation_id,
            product_ids=[response.items[position].product_id],
            at=NOON + timedelta(seconds=30),
        )


def count_clicks(experiment: Experiment) -> float:
    """Return the clicks of all variants."""
    metrics = [variant.get_metric("clicks") for variant in measure_experiment(experiment, as_of=LATER).variants]
    return sum(metric.total for metric in metrics if metric is not None)


def test_lists_differ_by_variant_and_only_for_visitors_of_the_shop(trained: ModelVersion, loader: StateLoader) -> None:
    present = list_ids(recommend(request=FOR_TEA, now=NOON, source=loader))
    make_experiment(configs=({}, {"switch": "off"}), shares=("0.0001", "0.9999"))
    response = serve(FOR_TEA, loader)
    assert response.fallback == "popular"
    assert list_ids(response) != present
    loader.refreshed_at = float("-inf")
    assert (
        list_ids(recommend(request=FOR_TEA, now=NOON, source=loader)) == present
    )  # the back office shows the settings
    other = serve(replace(FOR_TEA, scenario="popular"), loader)
    assert other.assignments == ()


def test_weights_of_a_variant_change_its_list(trained: ModelVersion, loader: StateLoader) -> None:
    make_experiment(configs=({}, POPULAR), shares=("0.5", "0.5"))
    Experiment.objects.update(salt="tea")  # with a random one, all six are in one group one time in 32
    answers = {i: serve(replace(FOR_TEA, user_id=f"user-{i}"), loader) for i in range(0, 12, 2)}
    lists = {"a": [], "b": []}  # type: ignore[var-annotated]
    for answer in answers.values():
        lists[answer.assignments[0].variant.key].append(list_ids(answer))
    assert lists["a"]
    assert lists["b"]
    assert all(name.startswith("tea") for shown in lists["a"] for name in shown)
    assert any(not name.startswith("tea") for shown in lists["b"] for name in shown)


def test_the_first_exposure_is_stored_once_with_its_propensity(
    trained: ModelVersion, loader: StateLoader, valkey: redis.Redis
) -> None:
    experiment = make_experiment(shares=("0.25", "0.75"))
    first = serve(FOR_TEA, loader, at=NOON)
    serve(FOR_TEA, loader, at=NOON + timedelta(seconds=5))
    exposure = ExperimentExposure.objects.get()
    assert (exposure.unit_key, exposure.exposed_at, exposure.experiment) == ("user_id:user-0", NOON, experiment)
    assert exposure.propensity == (0.25 if exposure.variant.is_control else 0.75)
    assert exposure.customer is not None
    assert set(Impression.objects.values_list("arm", flat=True)) == {f"blend:{first.assignments[0].variant.key}"}


def test_every_clicked_product_of_a_list_counts_once(
    trained: ModelVersion, loader: StateLoader, valkey: redis.Redis
) -> None:
    experiment = make_experiment()
    first, second = serve(FOR_TEA, loader), serve(FOR_TEA, loader, at=NOON + timedelta(seconds=5))
    click(first, 0, 2, 2)
    assert count_clicks(experiment) == 2
    click(second, 0)
    assert count_clicks(experiment) == 3


@pytest.mark.parametrize("unit", [Experiment.Unit.CUSTOMER, Experiment.Unit.VISITOR])
def test_clicks_of_a_visitor_who_becomes_a_customer_count_at_once(
    unit: str, trained: ModelVersion, loader: StateLoader, valkey: redis.Redis
) -> None:
    experiment = make_experiment(unit=unit)
    visitor = RecommendationRequest("for-you", anonymous_id="phone", n=5)
    click(serve(visitor, loader), 0)
    click(serve(replace(visitor, user_id="newcomer"), loader, at=NOON + timedelta(seconds=1)), 1)
    assert count_clicks(experiment) == 2
    make_identifier(make_customer("newcomer"), "phone", kind="anonymous_id")
    assert set(Impression.objects.values_list("customer_id", flat=True)) == {None}, "the attribution has not run yet"
    assert count_clicks(experiment) == 2


def test_an_entry_that_is_stored_again_or_too_late_changes_nothing(
    trained: ModelVersion, loader: StateLoader, valkey: redis.Redis
) -> None:
    make_experiment()
    loader.refreshed_at = float("-inf")
    answers = [
        (at, recommend(request=FOR_TEA, now=at, source=loader, activity=RecentActivity(), is_assigned=True))
        for at in (NOON + timedelta(seconds=9), NOON)
    ]
    for at, response in answers:
        record_response(response, user_id="user-0", anonymous_id="", now=at)
        process_queue.writer.flush()
        packed = [entry.packed for entry in stream.read_entries(10)]
        stream.append_entries(packed)  # a worker that was killed after the commit reads its entries again
        store_impressions(at=LATER)
        store_impressions(at=LATER)
    assert ExperimentExposure.objects.get().exposed_at == NOON  # the earliest counts, in whatever order they arrive


def test_an_empty_list_is_an_exposure_too(trained: ModelVersion, loader: StateLoader, valkey: redis.Redis) -> None:
    make_experiment()
    assert not serve(replace(FOR_TEA, brand="nobody", strict=True), loader).items
    assert ExperimentExposure.objects.count() == 1


def test_who_refuses_personalization_is_in_no_experiment(trained: ModelVersion, loader: StateLoader) -> None:
    make_experiment()
    ConsentDenial.objects.create(kind="user_id", value="user-0")
    assert serve(FOR_TEA, loader).assignments == ()
    assert serve(RecommendationRequest("for-you", n=5), loader).assignments == ()
    assert not ExperimentExposure.objects.exists()


def test_a_visitor_who_logs_in_keeps_the_variant(
    trained: ModelVersion, loader: StateLoader, valkey: redis.Redis
) -> None:
    compiled = compile_experiment(make_experiment())
    by_visitor = {
        name: compiled.find_variant(f"anonymous_id:{name}").key for name in ("v1", "v2", "v3", "v4", "v5", "v6")
    }
    of_customer = compiled.find_variant("user_id:user-0").key
    visitor = next(name for name, key in by_visitor.items() if key != of_customer)
    before = serve(RecommendationRequest("for-you", anonymous_id=visitor, n=5), loader)
    after = serve(replace(FOR_TEA, anonymous_id=visitor), loader, at=NOON + timedelta(seconds=1))
    assert after.assignments[0].variant == before.assignments[0].variant
    link_identifiers(groups=[[("user_id", "user-0"), ("anonymous_id", visitor)]])
    loader.refreshed_at = float("-inf")
    elsewhere = recommend(request=FOR_TEA, now=NOON, source=loader, is_assigned=True)
    assert elsewhere.assignments[0].variant == before.assignments[0].variant


def test_held_out_visitors_get_popular_products_and_are_in_no_other_experiment(
    trained: ModelVersion, loader: StateLoader
) -> None:
    make_experiment()
    make_experiment(
        "all", kind="holdout", subject="", configs=({}, {"recommendations": True}), shares=("0.9999", "0.0001")
    )
    response = serve(FOR_TEA, loader)
    assert (response.fallback, [one.arm for one in response.assignments]) == ("popular", ["all:a"])
    assert serve(replace(FOR_TEA, scenario="popular"), loader).assignments == ()


def test_requests_in_an_experiment_make_no_query(
    trained: ModelVersion, loader: StateLoader, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    make_experiment()
    serve(FOR_TEA, loader)
    with django_assert_num_queries(0):
        response = recommend(request=FOR_TEA, now=NOON, source=loader, activity=RecentActivity(), is_assigned=True)
    assert response.assignments


@pytest.mark.django_db
def test_promotion_writes_the_settings_and_undo_restores_them() -> None:
    row = PlacementSettings.objects.get(placement="for-you")
    row.diversity = 0.1
    row.save()
    experiment = make_experiment(configs=({}, {"diversity": 0.6, "fallback": "trending"}))
    promote_variant(experiment=experiment, variant=experiment.variants.get(key="b"), user=None, now=LATER)
    row.refresh_from_db()
    assert (row.diversity, row.fallback) == (0.6, "trending")
    experiment.refresh_from_db()
    assert (experiment.status, experiment.stopped_at) == ("promoted", LATER)
    undo_promotion(experiment=experiment)
    row.refresh_from_db()
    assert (row.diversity, row.fallback) == (0.1, "")


@pytest.mark.django_db
def test_a_promoted_search_order_is_served_until_the_promotion_is_undone() -> None:
    SearchOrder.objects.create(learned_at=NOON, popularity=1.5, is_served=True)
    experiment = make_experiment(kind="search_order", subject="", configs=({}, {"popularity": 0.2}))
    stop_experiment(experiment=experiment, user=None, now=LATER)
    promote_variant(experiment=experiment, variant=experiment.variants.get(key="b"), user=None, now=LATER)
    assert load_order_weights().popularity == 0.2
    undo_promotion(experiment=experiment)
    assert load_order_weights().popularity == 1.5
