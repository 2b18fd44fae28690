from typing import Any

import numpy as np
import pytest
from django.test import Client
from django.urls import reverse

from recommendations.engine import Interactions, Products
from recommendations.engine.cold_start import CustomerTraits
from recommendations.engine.data.event_weights import EventWeights
from recommendations.training.backoffice.cold_start_card import describe_result
from recommendations.training.data.time_split import split_by_time
from recommendations.training.models import ModelVersion
from recommendations.training.tuning.cold_start import holdout
from recommendations.training.tuning.cold_start.contestant_evaluation import find_best_contestant, summarize_scores
from recommendations.training.tuning.cold_start.holdout import CustomerHoldout


def test_popularity_serves_if_no_contestant_beats_it() -> None:
    popularity = np.array([0.2, 0.4])
    assert find_best_contestant({"popularity": popularity, "traits": np.array([0.2, 0.3])}) == "popularity"
    assert find_best_contestant({"popularity": popularity, "traits": popularity}) == "popularity"
    assert (
        find_best_contestant({"popularity": popularity, "traits": np.array([0.3, 0.4]), "all": popularity}) == "traits"
    )


def test_rows_contain_the_difference_to_popularity_on_the_same_customers() -> None:
    def scores(*values: float) -> dict[str, Any]:
        return dict.fromkeys(("ndcg", "hit_rate", "recall"), np.array(values))

    plain, traits = summarize_scores({"popularity": scores(0.2, 0.4, np.nan), "traits": scores(0.3, 0.5, np.nan)})
    assert plain["difference"] is None
    assert traits["figures"]["ndcg@10"]["value"] == pytest.approx(0.4)
    assert traits["difference"] == {"value": 0.1, "low": None, "high": None}, "too few customers for an interval"
    assert "too few customers" in describe_result([plain, traits], "traits")


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [(0.1, 0.3, "significantly better"), (-0.1, 0.3, "not significant"), (-0.3, -0.1, "worse than popularity")],
)
def test_the_result_text_follows_the_interval(low: float, high: float, words: str) -> None:
    row = {"contestant": "traits", "difference": {"value": (low + high) / 2, "low": low, "high": high}}
    assert words in describe_result([row], "traits")
    assert "get popular products" in describe_result([row], "popularity")


def test_new_customers_are_evaluated_by_models_that_have_not_seen_them(trained_with_tastes: ModelVersion) -> None:
    figures = trained_with_tastes.evaluations.get().cold_start["people"]
    values = {row["contestant"]: row["figures"]["ndcg@10"]["value"] for row in figures["held_out"]["rows"]}
    assert set(values) == {"popularity", "traits", "cluster", "landing", "all"}
    assert figures["held_out"]["people"] == 40
    assert values["traits"] > values["popularity"] + 0.1, "the trait alone separates tea from coffee"
    assert values["landing"] > values["popularity"] + 0.1, "so does the category of the first product"
    assert figures["served"] != "popularity"
    assert figures["fields"] == ["traits.taste"]
    assert figures["new"] == {"people": 0, "rows": []}


def test_many_new_customers_are_represented_by_a_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(holdout, "EVALUATION_CUSTOMERS", 30)
    old, new = np.arange(100), np.arange(100, 200)
    customers = np.concatenate([old, old, new, new])
    days = np.concatenate([old / 2, old / 2 + 20, np.tile(60 + (new - 100) / 10, 2)])
    interactions = Interactions.from_ids(
        user_ids=[f"{number:03d}" for number in customers], item_ids=[f"p{number % 7}" for number in customers],
        order=days * 86_400.0, as_of=70 * 86_400.0,
    )  # fmt: skip
    traits = CustomerTraits.of_columns({"country": ["de"] * 200})
    time_split = split_by_time(interactions)
    held_out = CustomerHoldout(interactions, traits, Products(7), time_split, EventWeights()).hold_out_newest()
    assert len(held_out.users) == 30
    assert (np.diff(held_out.users) > 0).all()
    assert held_out.users[-1] - held_out.users[0] > 80, "from the whole period"


def test_without_useful_traits_popularity_serves_new_customers(trained: ModelVersion) -> None:
    figures = trained.evaluations.get().cold_start["people"]
    values = {row["contestant"]: row["figures"]["ndcg@10"]["value"] for row in figures["held_out"]["rows"]}
    assert values["traits"] == values["popularity"]
    assert figures["with_traits"] == 0


@pytest.mark.parametrize(
    ("language", "words"), [("en", "Customers without a history"), ("zh-hans", "没有历史记录的客户")]
)
def test_the_model_card_describes_cold_start_in_both_languages(
    client: Client, django_user_model: Any, trained_with_tastes: ModelVersion, language: str, words: str
) -> None:
    client.force_login(django_user_model.objects.create_superuser("eve", password="-"))
    address = reverse("admin:training_modelversion_change", args=[trained_with_tastes.pk])
    page = client.get(address, headers={"accept-language": language}).content.decode()
    assert words in page
    assert "COLD_START_TRAITS" in page
