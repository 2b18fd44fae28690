"""A variant of a placement is estimated from the log before it serves, or the page says what is missing."""

import random
from datetime import timedelta

import pytest
import redis
from django.test import Client
from django.urls import reverse
from django.utils import translation

from customers.events.models import Event
from customers.events.recent.interactions import RecentActivity
from recommendations.experiments.backoffice.estimate_texts import describe_estimate
from recommendations.experiments.log_estimates import EstimateProblem
from recommendations.experiments.models import Experiment
from recommendations.serving.experiments import log_estimates
from recommendations.serving.experiments.log_estimates import RandomDecision, estimate_placement, evaluate_decisions
from recommendations.serving.impressions.store import store_impressions
from recommendations.serving.impressions.writer import process_queue
from recommendations.serving.models import PlacementSettings
from recommendations.serving.recommend import recommend
from recommendations.serving.request import RecommendationRequest
from recommendations.serving.rest.serve import record_response
from recommendations.serving.state.loader import StateLoader
from recommendations.training.models import ModelVersion
from tests.makers import NOON, make_source
from tests.recommendations.experiments.makers import make_experiment

LISTS = 400
GREEDY = {"rotation": 0.0}


@pytest.fixture
def rotated(trained: ModelVersion, loader: StateLoader, valkey: redis.Redis) -> StateLoader:
    """Serve rotated lists of popular products to 400 visitors, who click the first product with the rate of its kind."""
    PlacementSettings.objects.filter(placement="popular").update(rotation=1.0)
    loader.get_state(now=NOON)
    loader.has_refresh_thread = True
    clicks, source = random.Random(5), make_source()
    events: list[Event] = []
    for number in range(LISTS):
        visitor, at = f"visitor-{number}", NOON + timedelta(seconds=number)
        request = RecommendationRequest("popular", anonymous_id=visitor, n=4, explain=False)
        response = recommend(request=request, now=at, source=loader, activity=RecentActivity())
        record_response(response, user_id="", anonymous_id=visitor, now=at)
        first = response.items[0].product_id
        if clicks.random() < (0.6 if first.startswith("tea") else 0.1):
            events.append(
                Event(
                    source=source,
                    message_id=visitor,
                    type="track",
                    name="Recommendation Clicked",
                    anonymous_id=visitor,
                    occurred_at=at,
                    received_at=at,
                    product_ids=[first],
                    recommendation_id=response.recommendation_id,
                )
            )
    Event.objects.bulk_create(events)
    process_queue.writer.flush()
    store_impressions(at=NOON + timedelta(hours=1))
    return loader


def test_the_present_settings_are_estimated_to_earn_what_they_earned(rotated: StateLoader) -> None:
    at = NOON + timedelta(hours=2)
    same = estimate_placement("popular", {"fallback": "new"}, at=at, source=rotated)
    assert (same.problem, same.decisions, same.reproduced) == (None, LISTS, LISTS)
    assert same.measured is not None
    assert same.ips is not None
    assert same.ips.value == pytest.approx(same.measured.value, abs=1e-4)
    assert same.effective == pytest.approx(LISTS, rel=1e-4)
    assert "too uncertain to tell" in describe_estimate(same).sentence
    with translation.override("zh-hans"):
        assert "。 " not in describe_estimate(same).sentence
    narrower = estimate_placement("popular", {"rotation": 0.5}, at=at, source=rotated)
    assert narrower.dr is not None
    assert narrower.dr.low < narrower.dr.value < narrower.dr.high
    assert narrower.effective < LISTS


def test_what_is_missing_is_said(rotated: StateLoader, monkeypatch: pytest.MonkeyPatch) -> None:
    at = NOON + timedelta(hours=2)
    missing = estimate_placement("for-you", GREEDY, at=at, source=rotated)
    assert (missing.problem, missing.decisions) == (EstimateProblem.FEW_DECISIONS, 0)
    assert "Too few random decisions for an estimate" in describe_estimate(missing).sentence
    unknown = estimate_placement("similar", GREEDY, at=at, source=rotated)
    assert "are computed from given products" in describe_estimate(unknown).sentence
    monkeypatch.setattr(log_estimates, "MIN_EFFECTIVE", LISTS)
    different = estimate_placement("popular", GREEDY, at=at, source=rotated)
    assert different.problem == EstimateProblem.DIFFERENT
    assert "count as only" in describe_estimate(different).sentence


@pytest.mark.parametrize(("share", "is_estimated"), [(0.6, False), (0.05, True)])
def test_products_that_the_log_never_shows_first_are_not_ignored(share: float, is_estimated: bool) -> None:
    # the log has 5 products with equal probabilities; the variant also chooses new ones, which nobody clicks
    draws = random.Random(3)
    decisions = [
        RandomDecision(f"v{number}", "", f"p{number % 5}", 0.2, NOON, draws.random() < 0.1) for number in range(1000)
    ]
    present = {f"p{number}": 0.2 for number in range(5)}
    wanted = dict.fromkeys(present, (1 - share) / 5) | {f"q{number}": share / 5 for number in range(5)}
    estimate = evaluate_decisions(decisions, [wanted] * 1000, present=[present] * 1000, count=1000, read=1000)
    assert estimate.supported == pytest.approx(1 - share)
    assert estimate.effective == pytest.approx(1000)
    if is_estimated:
        assert estimate.difference is not None
        assert estimate.difference.low < -0.1 * share
        assert estimate.difference.high > 0.9 * share
    else:
        assert estimate.problem == EstimateProblem.UNSEEN
        assert "only 40.0% of the first products" in describe_estimate(estimate).sentence


@pytest.mark.django_db
def test_the_draft_of_an_experiment_says_that_there_are_too_few_random_decisions(admin_client: Client) -> None:
    experiment = make_experiment(status=Experiment.Status.DRAFT)
    page = admin_client.get(reverse("experiments:draft", args=[experiment.key]))
    assert page.text.count("Too few random decisions for an estimate") == 1
