"""Kinds and ages of events, weighed by what a validation part says."""

import numpy as np
import pytest

from recommendations.engine import KIND_CODES, Interactions, WrongInteractionsError
from recommendations.engine.algorithms.by_kind import ByKind
from recommendations.engine.algorithms.popularity import Popularity
from recommendations.engine.event_weights import EventWeights, choose_event_weights, weights_of, weights_space

DAY = 86_400.0


def make_events() -> Interactions:
    """x is viewed five times and never bought; y is viewed once and bought twice, ten days later."""
    kinds = ["view"] * 6 + ["purchase"] * 2
    return Interactions.from_ids(
        user_ids=list("abcdeaab"),
        item_ids=list("xxxxxyyy"),
        order=np.array([0, 0, 0, 0, 0, 0, 10, 10]) * DAY,
        kind=[KIND_CODES[kind] for kind in kinds],
    )


def test_weight_is_that_of_the_kind_halved_by_age():
    weights = EventWeights({"view": 4.0}, half_life_days=5.0)
    assert weights.of(make_events()).weight.tolist() == [1.0] * 6 + [1.0] * 2
    histories = weights.of_histories(make_events().histories())
    assert histories.weight.tolist() == [1.0] * 8
    assert EventWeights().of(make_events()).weight.tolist() == [1.0] * 8


def test_wrong_weights_are_refused():
    with pytest.raises(WrongInteractionsError, match="'stare' is unknown"):
        EventWeights({"stare": 1.0})
    for wrong in (-1.0, float("nan"), float("inf")):
        with pytest.raises(WrongInteractionsError, match="weight of view"):
            EventWeights({"view": wrong})


def test_only_kinds_that_occur_are_searched_and_the_rarest_stays_one():
    space = weights_space(make_events())
    assert set(space) == {"view", "half_life_days"}
    assert space["half_life_days"] == [3.0, 7.0, 14.0, None]
    assert weights_of({"view": 0.3, "half_life_days": 7.0, "k": 5}) == EventWeights({"view": 0.3}, 7.0)


def test_what_leads_to_purchases_is_found():
    events = make_events()
    wanted = events.items.row("y")

    def evaluate(weights: EventWeights) -> float:
        counts = Popularity().fit(weights.of(events)).counts_
        return float(counts[wanted] / counts.sum())

    weights, found = choose_event_weights(train=events, evaluate=evaluate, budget_s=5.0, seed=1)
    assert weights.kinds["view"] == 0.0
    assert found.tried[0].parameters == {"view": 1.0, "half_life_days": None}
    assert found.best.value == 1.0 > found.tried[0].value


def test_an_algorithm_by_kind_learns_from_one_and_asks_with_the_other():
    events = make_events()
    component = {"algorithm": "popularity", "parameters": {}}
    ranked = ByKind(component, {"view": 0.1}).fit(events).score(events.histories())[0]
    assert ranked[events.items.row("y")] == pytest.approx(2.1)
    assert ranked[events.items.row("x")] == pytest.approx(0.5)
    own = ByKind({"algorithm": "repeat", "parameters": {}}, history_weights={"view": 0.25}).fit(events)
    assert own.score(events.histories()).toarray()[0].tolist() == [0.25, 1.25]
