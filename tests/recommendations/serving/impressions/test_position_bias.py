"""The curve by which the visitors of a made shop look comes back from its tables, and models are judged without it."""

from datetime import timedelta

import pytest
from pytest_django.fixtures import DjangoAssertNumQueries

from recommendations.engine.position_bias import CLICK_MODEL, PRIOR
from recommendations.serving.impressions import position_bias
from recommendations.serving.impressions.position_bias import expand_slates, get_curve, learn_position_bias
from recommendations.serving.impressions.store import insert_entries
from recommendations.serving.models import LoggedJudgement, PositionBias, PositionBiasRun
from tests.makers import NOON
from tests.recommendations.serving.impressions.clicks import LOOKED, browse
from tests.recommendations.serving.impressions.shown import shown

pytestmark = pytest.mark.django_db
LATER = NOON + timedelta(days=1)


def test_curve_is_learnt_from_what_is_stored_and_kept_with_its_run() -> None:
    clicks = browse(answers=3000)
    insert_entries([shown("other", scenario="similar", products=["p1", "p2"])])
    run = learn_position_bias(at=LATER)
    assert (run.status, run.clicks, run.impressions) == ("done", clicks, 3001)
    learnt = PositionBias.objects.filter(run=run, scenario="for-you").order_by("position")
    assert [row.examination for row in learnt] == pytest.approx(LOOKED, abs=0.09)
    assert [row.shown for row in learnt] == [3000] * 6
    assert {row.method for row in learnt} == {CLICK_MODEL}
    assert get_curve(scenario="for-you").get_examination([2]) == pytest.approx([learnt[1].examination])
    assert {row.method for row in run.positions.filter(scenario="similar")} == {PRIOR}
    assert get_curve(scenario="unknown").method == PRIOR


def test_models_are_judged_by_what_they_showed_and_not_by_where() -> None:
    browse(answers=2000)
    browse(answers=2000, model_version="blend-2", better=0.9, seed=5)
    learn_position_bias(at=LATER)
    plain, sorting = LoggedJudgement.objects.order_by("model_version")
    # both show the same products, so that only the order differs; the raw rates tell them apart, the estimate does not
    assert sorting.clicks / sorting.items > 1.15 * plain.clicks / plain.items
    assert sorting.low < plain.estimate < sorting.high or plain.low < sorting.estimate < plain.high
    assert plain.low < plain.estimate < plain.high


def test_of_very_many_answers_a_part_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    browse(answers=400)
    monkeypatch.setattr(position_bias, "MAX_IMPRESSIONS", 100)
    run = learn_position_bias(at=LATER)
    assert 50 < run.impressions < 150
    assert PositionBias.objects.get(run=run, position=1).shown == run.impressions


def test_answers_that_are_alike_come_apart_again() -> None:
    lengths, answer, position = expand_slates([(5, [], 2), (5, [1, 3], 2), (4, [2], 1)])
    assert lengths.tolist() == [5, 5, 5, 5, 4]
    assert answer.tolist() == [2, 2, 3, 3, 4]
    assert position.tolist() == [1, 3, 1, 3, 2]


def test_learning_takes_as_many_queries_whatever_there_is(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    browse(answers=5)
    with django_assert_num_queries(QUERIES):
        learn_position_bias(at=LATER)
    browse(answers=100, seed=9)
    with django_assert_num_queries(QUERIES):
        learn_position_bias(at=LATER)


QUERIES = 12


def test_nothing_shown_teaches_nothing() -> None:
    assert learn_position_bias(at=LATER).impressions == 0
    assert PositionBiasRun.objects.get().positions.count() == 0
