"""Two-step transition walks against known answers."""

import numpy as np
import pytest

from recommendations.engine import Histories, Interactions
from recommendations.engine.algorithms.sequences.transition_walk import TransitionWalk
from recommendations.engine.algorithms.sequences.transitions import Transitions

ONLY_NEXT = {"reach": 1, "backward": 0.0, "length_damping": 0.0, "source_damping": 0.0, "target_damping": 0.0}


def make_visits(*visits: str) -> Interactions:
    users = [f"visit {number}" for number, visit in enumerate(visits) for _ in visit]
    return Interactions.from_ids(user_ids=users, item_ids=list("".join(visits)))


def test_pairs_without_a_common_visit_are_reached_in_two_steps():
    visits = make_visits("ab", "ab", "ac", "bd", "bd", "be", "cd")
    model = TransitionWalk(**ONLY_NEXT).fit(visits)
    # a → b ⅔, a → c ⅓; b → d ⅔, b → e ⅓; c → d 1
    scores = model.score(Histories.of_lists([visits.items.get_rows(["a"])], n_items=visits.n_items))
    reached = dict(zip(visits.items.get_ids(scores.indices), scores.data.tolist(), strict=True))
    assert reached == pytest.approx({"d": 2 / 3 * 2 / 3 + 1 / 3, "e": 2 / 9})
    single = Transitions(**ONLY_NEXT).fit(visits).score(Histories.of_lists([visits.items.get_rows(["a"])], n_items=5))
    assert set(visits.items.get_ids(single.indices)) == {"b", "c"}


def test_only_the_largest_branches_are_walked():
    visits = make_visits("ab", "ab", "ac", "bd", "ce")
    model = TransitionWalk(branches=1, **ONLY_NEXT).fit(visits)
    scores = model.score(Histories.of_lists([visits.items.get_rows(["a"])], n_items=visits.n_items))
    assert visits.items.get_ids(scores.indices) == ["d"]
    assert scores.data.tolist() == [1.0]


def test_history_decays_by_moments_back():
    visits = make_visits("ab", "bc", "xy", "yz")
    model = TransitionWalk(recency=0.5, **ONLY_NEXT).fit(visits)
    scores = model.score(Histories.of_lists([visits.items.get_rows(["a", "x"])], n_items=visits.n_items))
    dense = scores.toarray()[0]
    assert dense[visits.items.get_rows(["z", "c"])].tolist() == pytest.approx([1.0, 0.5])
    assert np.count_nonzero(dense) == 2


@pytest.mark.parametrize("name", ["k", "branches"])
def test_invalid_parameters_are_rejected(name):
    with pytest.raises(ValueError, match=name):
        TransitionWalk(**{name: 0}).fit(make_visits("ab"))
