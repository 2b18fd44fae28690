"""Position bias estimated from simulated clicks equals the simulated bias, and models are evaluated without it."""

from datetime import timedelta

import pytest
from pytest_django.fixtures import DjangoAssertNumQueries

from recommendations.engine.position_bias import CLICK_MODEL, PRIOR
from recommendations.serving.impressions import position_bias
from recommendations.serving.impressions.position_bias import expand_slates, get_curve, learn_position_bias
from recommendations.serving.impressions.store import insert_entries
from recommendations.serving.models import LoggedJudgement, PositionBias, PositionBiasRun
from tests.makers import NOON
from tests.recommendations.serving.impressions.clickstream import EXAMINATION, simulate_clicks
from tests.recommendations.serving.impressions.entries import make_entry

pytestmark = pytest.mark.django_db
LATER = NOON + timedelta(days=1)


def test_the_curve_is_estimated_from_stored_clicks_and_saved_with_its_run() -> None:
    clicks = simulate_clicks(responses=3000)
    insert_entries([make_entry("other", scenario="similar", products=["p1", "p2"])])
    run = learn_position_bias(at=LATER)
    assert (run.status, run.clicks, run.impressions) == ("done", clicks, 3001)
    rows = PositionBias.objects.filter(run=run, scenario="for-you").order_by("position")
    assert [row.examination for row in rows] == pytest.approx(EXAMINATION, abs=0.09)
    assert [row.shown for row in rows] == [3000] * 6
    assert {row.method for row in rows} == {CLICK_MODEL}
    assert get_curve(scenario="for-you").get_examination([2]) == pytest.approx([rows[1].examination])
    assert {row.method for row in run.positions.filter(scenario="similar")} == {PRIOR}
    assert get_curve(scenario="unknown").method == PRIOR


def test_models_are_evaluated_independently_of_positions() -> None:
    simulate_clicks(responses=2000)
    simulate_clicks(responses=2000, model_version="blend-2", skill=0.9, seed=5)
    learn_position_bias(at=LATER)
    random_order, sorted_order = LoggedJudgement.objects.order_by("model_version")
    # both show the same products in another order, so raw rates differ while the estimates do not
    assert sorted_order.clicks / sorted_order.items > 1.15 * random_order.clicks / random_order.items
    assert (
        sorted_order.low < random_order.estimate < sorted_order.high
        or random_order.low < sorted_order.estimate < random_order.high
    )
    assert random_order.low < random_order.estimate < random_order.high


def test_large_volumes_are_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    simulate_clicks(responses=400)
    monkeypatch.setattr(position_bias, "MAX_IMPRESSIONS", 100)
    run = learn_position_bias(at=LATER)
    assert 50 < run.impressions < 150
    assert PositionBias.objects.get(run=run, position=1).shown == run.impressions


def test_counted_slates_are_expanded_to_responses() -> None:
    lengths, response, position = expand_slates([(5, [], 2), (5, [1, 3], 2), (4, [2], 1)])
    assert lengths.tolist() == [5, 5, 5, 5, 4]
    assert response.tolist() == [2, 2, 3, 3, 4]
    assert position.tolist() == [1, 3, 1, 3, 2]


def test_the_number_of_queries_does_not_depend_on_the_data(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    simulate_clicks(responses=5)
    with django_assert_num_queries(QUERIES):
        learn_position_bias(at=LATER)
    simulate_clicks(responses=100, seed=9)
    with django_assert_num_queries(QUERIES):
        learn_position_bias(at=LATER)


QUERIES = 12


def test_without_impressions_there_is_no_curve() -> None:
    assert learn_position_bias(at=LATER).impressions == 0
    assert PositionBiasRun.objects.get().positions.count() == 0
