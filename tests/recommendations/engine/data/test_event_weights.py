"""Event weights and their tuning on validation data."""

import numpy as np
import pytest

from recommendations.engine import KIND_CODES, IdMap, Interactions, WrongInteractionsError
from recommendations.engine.algorithms.ensembles.event_type_ensemble import EventTypeEnsemble
from recommendations.engine.algorithms.popularity.popularity import Popularity
from recommendations.engine.data.event_weights import (
    DEFAULT_EVENT_WEIGHTS,
    EventWeights,
    build_weight_space,
    choose_event_weights,
    parse_event_weights,
)

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


def test_weight_is_that_of_the_kind_decayed_by_age():
    weights = EventWeights({"view": 4.0}, half_life_days=5.0)
    assert weights.of(make_events()).weight.tolist() == [1.0] * 6 + [1.0] * 2
    histories = weights.of_histories(make_events().build_histories())
    assert histories.weight.tolist() == [1.0] * 8
    assert EventWeights().of(make_events()).weight.tolist() == [1.0] * 8


def make_lines(kinds: list[str], weights: list[float]) -> Interactions:
    """One interaction per user and product, with the given weights."""
    n = len(kinds)
    names = IdMap.of([f"{number:02d}" for number in range(n)])
    return Interactions.from_rows(
        user=np.arange(n), item=np.arange(n), users=names, items=names, weight=weights,
        kind=[KIND_CODES[kind] for kind in kinds],
    )  # fmt: skip


def test_quantity_exponent_applies_only_to_purchases():
    events = make_lines(["purchase", "purchase", "rating", "view"], [4, 1, 0.5, 1])
    weights = EventWeights({"purchase": 1.0, "rating": 2.0, "view": 0.2}, quantity=0.5)
    assert weights.of(events).weight.tolist() == pytest.approx([2, 1, 1, 0.2])
    assert weights.of_histories(events.build_histories()).weight.tolist() == pytest.approx([2, 1, 1, 0.2])
    assert EventWeights(quantity=0.0).of(events).weight.tolist() == [1, 1, 0.5, 1]


def test_zero_weights_are_dropped_from_data_and_kept_in_histories():
    events = make_lines(["view", "purchase", "purchase"], [1, 9, 0])
    weights = EventWeights({"view": 0.0}, quantity=0.0)
    assert (weights.of(events).item.tolist(), weights.of(events).weight.tolist()) == ([1], [1.0])
    assert weights.of_histories(events.build_histories()).weight.tolist() == [0, 1, 0]


def test_weights_are_saved_and_read_again():
    weights = EventWeights({"view": 0.25}, 7.0, 0.5)
    assert EventWeights(**weights.to_json()) == weights
    assert EventWeights(kinds={"view": 0.25}, quantity=0.5) == EventWeights({"view": 0.25}, None, 0.5)


def test_invalid_weights_are_rejected():
    with pytest.raises(WrongInteractionsError, match="quantity must be finite"):
        EventWeights(quantity=-1.0)
    with pytest.raises(WrongInteractionsError, match="'stare' is unknown"):
        EventWeights({"stare": 1.0})
    for wrong in (-1.0, float("nan"), float("inf")):
        with pytest.raises(WrongInteractionsError, match="weight of view"):
            EventWeights({"view": wrong})


def test_weight_of_purchases_or_else_of_the_rarest_kind_is_fixed():
    few = {**dict.fromkeys(("view", "cart", "purchase"), (0.0, 0.2, 0.6, 1.0)), "quantity": (0.0, 1.0)}
    assert build_weight_space(make_lines(["purchase"], [1]), candidates=few) == {}
    mixed = make_lines(["purchase", "purchase", "cart", "view"], [2, 1, 1, 1])
    assert set(build_weight_space(mixed, candidates=few)) == {"view", "cart", "quantity"}
    assert set(build_weight_space(make_lines(["view", "cart"], [1, 1]), candidates=few)) == {"view"}
    assert set(build_weight_space(make_lines(["view", "cart", "cart"], [1, 1, 1]), candidates=few)) == {"cart"}


def test_parameters_missing_in_a_trial_keep_their_start_values():
    weights = parse_event_weights({"view": 0.05, "quantity": 0.25}, DEFAULT_EVENT_WEIGHTS)
    assert (weights.kinds["view"], weights.kinds["cart"], weights.quantity) == (0.05, 0.6, 0.25)
    evaluated = []

    def evaluate(weights: EventWeights) -> float:
        evaluated.append(weights)
        return weights.kinds["view"]

    few = {"view": (0.0, 0.2, 0.6), "quantity": (0.0, 1.0)}
    best, _result = choose_event_weights(
        train=make_lines(["view", "purchase"], [1, 3]),
        evaluate=evaluate,
        budget_s=5,
        seed=1,
        start=DEFAULT_EVENT_WEIGHTS,
        candidates=few,
    )
    assert evaluated[0] == DEFAULT_EVENT_WEIGHTS
    assert (best.kinds["view"], best.kinds["cart"]) == (0.6, 0.6)


def test_only_kinds_that_occur_are_searched_and_purchases_stay_one():
    space = build_weight_space(make_events())
    assert set(space) == {"view", "half_life_days"}
    assert space["half_life_days"] == [3.0, 7.0, 14.0, None]
    assert parse_event_weights({"view": 0.3, "half_life_days": 7.0, "k": 5}) == EventWeights({"view": 0.3}, 7.0)


def test_event_type_that_leads_to_purchases_gets_the_weight():
    events = make_events()
    target = events.items.get_row("y")

    def evaluate(weights: EventWeights) -> float:
        counts = Popularity().fit(weights.of(events)).counts_
        return float(counts[target] / counts.sum())

    weights, result = choose_event_weights(train=events, evaluate=evaluate, budget_s=5.0, seed=1)
    assert weights.kinds["view"] == 0.0
    assert result.trials[0].parameters == {"view": 1.0, "half_life_days": None}
    assert result.best.value == 1.0 > result.trials[0].value


def test_training_and_history_use_their_own_weights():
    events = make_events()
    component = {"algorithm": "popularity", "parameters": {}}
    ranked = EventTypeEnsemble(component, {"view": 0.1}).fit(events).score(events.build_histories())[0]
    assert ranked[events.items.get_row("y")] == pytest.approx(2.1)
    assert ranked[events.items.get_row("x")] == pytest.approx(0.5)
    own = EventTypeEnsemble({"algorithm": "repeat", "parameters": {}}, history_weights={"view": 0.25}).fit(events)
    assert own.score(events.build_histories()).toarray()[0].tolist() == [0.25, 1.25]
