"""The sentence of the model card about each placement."""

from typing import Any

import pytest
from django.utils import translation

from recommendations.training.backoffice.labels.decision_labels import get_reason_label
from recommendations.training.backoffice.placements_card import (
    build_placement_row,
    describe_result,
    describe_sample,
    describe_visit,
)


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
            "Is shown: in 41.0% of cases, its list included what the customer then chose; with “Popular”, in 33.0%.",
        ),
        (
            make_placement(on=False, figures=make_figures(0.41, 0.405)),
            "Is not shown, because it is not reliably better than “Popular”: its list would have included what the customer then chose "
            "in 41.0% of cases instead of 40.5%.",
        ),
        (
            make_placement(on=True, figures={**make_figures(0.41, 0.33), "question": "rest_beside_product"}),
            "Is shown: in 41.0% of cases, its list included another product of the same order; with “Popular”, in 33.0%.",
        ),
        (
            make_placement(on=False, code="place_no_time"),
            "Is not shown, because the training had no time left to find out whether it is better than “Popular”.",
        ),
        (
            make_placement(on=True, code="place_earlier_on"),
            "Is shown, because the previous version was better than “Popular”; this time there was no evaluation.",
        ),
        (
            make_placement(on=False, code="place_earlier_off"),
            "Is not shown, because the previous version was not better than “Popular”; this time there was no evaluation.",
        ),
        (
            make_placement(on=False, code="place_not_chosen"),
            "Is not shown, because it was not better than “Popular” when its algorithms were chosen.",
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


def test_the_ranked_list_is_active_also_in_versions_that_stored_otherwise() -> None:
    placement = make_placement(
        on=False, code="place_no_better", figures={**make_figures(0.2, 0.2), "question": "popular_reordered"}
    )
    placement |= {"weights": {}}
    placement["figures"]["comparisons"] = {}
    row = build_placement_row("rank", placement)
    assert row["on"]
    assert row["why"] == "Active: needs no evaluation."


def test_versions_compared_on_too_few_customers_are_not_called_equally_good() -> None:
    values = {"algorithm": "blend", "value": 0.2, "difference": 0.1, "difference_low": None, "difference_high": None}
    label = get_reason_label("as_good", values)
    assert "As good" not in label
    assert "fewer than 30 customers" in label
    assert "As good" in get_reason_label("as_good", values | {"difference_low": -0.1, "difference_high": 0.2})


def test_the_current_visit_has_a_sentence_where_it_was_evaluated() -> None:
    assert "in 5.0% of cases" in describe_visit({"figures": make_figures(0.05, 0.03)})
    assert describe_visit({"figures": make_figures(0.05, 0.03, people=3)}) == ""
    assert describe_visit(None) == ""


def test_the_numbers_of_queries_and_customers_are_grouped_in_thousands() -> None:
    assert describe_sample({"queries": 2500, "people": 1000}) == "2,500 queries from 1,000 customers"
    assert describe_sample({"queries": 1000, "people": 1000}) == "1,000 customers"
