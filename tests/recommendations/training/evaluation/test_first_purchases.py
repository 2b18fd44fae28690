"""Figures of products new to the customer, against known answers."""

import pytest

from recommendations.engine import IdMap, Interactions
from recommendations.engine.algorithms.popularity.popularity import Popularity
from recommendations.engine.data.interactions import KIND_CODES
from recommendations.engine.evaluation import Split
from recommendations.training.data.time_split import TimeSplit
from recommendations.training.evaluation.first_purchases import measure_first_purchases

USERS, ITEMS = IdMap.of(["u1", "u2", "u3"]), IdMap.of(["a", "b", "c", "d", *(f"m{number}" for number in range(10))])


def make_purchases(pairs: str, *, kind: str = "purchase") -> Interactions:
    user_ids, item_ids = zip(*(pair.split("-") for pair in pairs.split()), strict=True)
    return Interactions.from_ids(
        user_ids=user_ids, item_ids=item_ids, kind=[KIND_CODES[kind]] * len(user_ids), users=USERS, items=ITEMS
    )


def measure(past: Interactions, later: Interactions, *, exclude_seen: bool = False) -> dict[str, dict[str, object]]:
    split = Split(past, later)
    seen_kinds = [KIND_CODES["purchase"]]
    time_split = TimeSplit(split, split, "purchase", seen_kinds, repeat_share=0.3, exclude_seen=exclude_seen)
    return measure_first_purchases(
        contestants={"popularity": Popularity().fit(past)}, past=past, test=later, time_split=time_split
    )


def test_only_first_purchases_count_for_the_customers_who_made_one() -> None:
    """u1 buys b for the first time and it is listed; u2 buys only a again; u3 buys d, which nobody had bought."""
    more = " ".join(f"u2-m{number}" for number in range(10))
    past = make_purchases(f"u1-a u1-a u2-a u2-b u2-b u2-b u3-c {more}")
    figures = measure(past, make_purchases("u1-b u2-a u3-d"))["popularity"]
    assert figures["people_new"] == 2
    assert figures["hit_rate_new@10"]["value"] == 0.5  # type: ignore[index]
    assert figures["hit_rate_limited@10"]["value"] == pytest.approx(2 / 3, abs=1e-6)  # type: ignore[index]
    assert figures["people_limited"] == 3
    assert set(figures) == {f"{metric}_{part}@10" for metric in ("ndcg", "hit_rate") for part in ("new", "limited")} | {
        "people_new",
        "people_limited",
    }


def test_the_interval_of_two_customers_who_agree_is_wide() -> None:
    more = " ".join(f"u2-m{number}" for number in range(10))
    figures = measure(make_purchases(f"u1-a u3-a u2-b {more}"), make_purchases("u1-b u3-b"))["popularity"]
    interval = figures["hit_rate_new@10"]
    assert interval["value"] == 1.0  # type: ignore[index]
    assert interval["low"] < 0.5, "resamples of two equal values would have no spread"  # type: ignore[index]


def test_without_a_first_purchase_there_is_no_figure() -> None:
    figures = measure(make_purchases("u1-a u2-b"), make_purchases("u1-a u2-b"))["popularity"]
    assert (figures["people_new"], figures["hit_rate_new@10"]["value"]) == (0, None)  # type: ignore[index]


def test_a_shop_that_hides_purchased_products_has_the_same_figures_with_the_limit() -> None:
    past, later = make_purchases("u1-a u2-a u2-b u3-c"), make_purchases("u1-b u2-a u3-d")
    figures = measure(past, later, exclude_seen=True)["popularity"]
    assert figures["ndcg_new@10"] == figures["ndcg_limited@10"]


def test_a_shop_without_purchases_has_no_such_figures() -> None:
    assert measure(make_purchases("u1-a u2-b", kind="view"), make_purchases("u1-b", kind="view")) == {}
