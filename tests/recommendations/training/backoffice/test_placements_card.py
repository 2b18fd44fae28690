"""The sentence of the model card about each placement."""

from typing import Any

import pytest
from django.utils import translation

from recommendations.training.backoffice.placements_card import describe_result, describe_visit


def make_figures(own: float, fallback: float, *, people: int = 100) -> dict[str, Any]:
    sides = {side: {"value": value, "low": 0.0, "high": 1.0} for side, value in (("own", own), ("fallback", fallback))}
    return {"queries": people, "people": people, "hit_rate@10": sides}


def make_placement(*, on: bool, code: str = "", figures: dict[str, Any] | None = None) -> dict[str, Any]:
    return {
        "on": on,
        "fallback": "popular",
        "why": {"code": code, "values": {}},
        "figures": figures or {"queries": 0, "people": 0},
    }


@pytest.mark.parametrize(
    ("placement", "sentence"),
    [
        (
            make_placement(on=True, figures=make_figures(0.41, 0.33)),
            "Is shown: in 41.0% of cases, the ten products included what the customer then chose; with “Popular”, in 33.0%.",
        ),
        (
            make_placement(on=False, figures=make_figures(0.41, 0.405)),
            "Is not shown, because it is not reliably better than “Popular”: the ten products would have included what the customer "
            "then chose in 41.0% of cases instead of 40.5%.",
        ),
        (
            make_placement(on=False, code="place_too_few", figures=make_figures(1.0, 0.0, people=3)),
            "Is not shown, because there are no data yet to say whether it is better than “Popular”.",
        ),
        (
            make_placement(on=True, code="place_content"),
            "Is shown, but there are no data yet to say whether it is better than “Popular”.",
        ),
    ],
)
def test_one_sentence_says_what_a_placement_achieves(placement: dict[str, Any], sentence: str) -> None:
    assert describe_result("cart", placement) == sentence
    with translation.override("zh-hans"):
        assert describe_result("cart", placement).endswith("。")


def test_the_floor_and_facts_have_sentences_of_their_own() -> None:
    assert "best sellers" in describe_result("popular", make_placement(on=True))
    assert "nothing to evaluate" in describe_result("new", make_placement(on=True, code="place_factual"))


def test_the_current_visit_has_a_sentence_where_it_was_evaluated() -> None:
    assert "in 5.0% of cases" in describe_visit({"figures": make_figures(0.05, 0.03)})
    assert describe_visit({"figures": make_figures(0.05, 0.03, people=3)}) == ""
    assert describe_visit(None) == ""
