from typing import Any

import numpy as np
import pytest
from django.test import Client
from django.urls import reverse

from recommendations.training.backoffice.cold_start_card import meaning_of
from recommendations.training.models import ModelVersion
from recommendations.training.tuning.cold_start import rows_of, served_name


def test_popularity_serves_where_nothing_beats_it() -> None:
    popularity = np.array([0.2, 0.4])
    assert served_name({"popularity": popularity, "traits": np.array([0.2, 0.3])}) == "popularity"
    assert served_name({"popularity": popularity, "traits": popularity}) == "popularity"
    assert served_name({"popularity": popularity, "traits": np.array([0.3, 0.4]), "all": popularity}) == "traits"


def test_rows_carry_the_difference_to_popularity_on_the_same_people() -> None:
    def scores(*values: float) -> dict[str, Any]:
        return dict.fromkeys(("ndcg", "hit_rate", "recall"), np.array(values))

    plain, traits = rows_of({"popularity": scores(0.2, 0.4, np.nan), "traits": scores(0.3, 0.5, np.nan)})
    assert plain["difference"] is None
    assert traits["figures"]["ndcg@10"]["value"] == pytest.approx(0.4)
    assert traits["difference"] == {"value": 0.1, "low": 0.1, "high": 0.1}


@pytest.mark.parametrize(
    ("low", "high", "words"), [(0.1, 0.3, "beyond chance"), (-0.1, 0.3, "may be chance"), (-0.3, -0.1, "was worse")]
)
def test_the_meaning_is_that_of_the_interval(low: float, high: float, words: str) -> None:
    row = {"contestant": "traits", "difference": {"value": (low + high) / 2, "low": low, "high": high}}
    assert words in meaning_of([row], "traits")
    assert "what is popular" in meaning_of([row], "popularity")


def test_new_people_are_judged_apart_by_models_that_have_not_seen_them(trained_with_tastes: ModelVersion) -> None:
    found = trained_with_tastes.evaluations.get().cold_start["people"]
    values = {row["contestant"]: row["figures"]["ndcg@10"]["value"] for row in found["held_out"]["rows"]}
    assert set(values) == {"popularity", "traits", "cluster", "landing", "all"}
    assert found["held_out"]["people"] == 40
    assert values["traits"] > values["popularity"] + 0.1, "tea and coffee are told by the trait alone"
    assert values["landing"] > values["popularity"] + 0.1, "and by the category of the first product"
    assert found["served"] != "popularity"
    assert found["fields"] == ["traits.taste"]
    assert found["new"] == {"people": 0, "rows": []}


def test_without_traits_and_weights_that_help_nothing_is_kept_for_serving(trained: ModelVersion) -> None:
    found = trained.evaluations.get().cold_start["people"]
    values = {row["contestant"]: row["figures"]["ndcg@10"]["value"] for row in found["held_out"]["rows"]}
    assert values["traits"] == values["popularity"]
    assert found["with_traits"] == 0


@pytest.mark.parametrize(
    ("language", "words"), [("en", "Customers without a history"), ("zh-hans", "没有历史记录的客户")]
)
def test_the_card_says_it_in_words(
    client: Client, django_user_model: Any, trained_with_tastes: ModelVersion, language: str, words: str
) -> None:
    client.force_login(django_user_model.objects.create_superuser("eve", password="-"))
    address = reverse("admin:training_modelversion_change", args=[trained_with_tastes.pk])
    page = client.get(address, headers={"accept-language": language}).content.decode()
    assert words in page
    assert "COLD_START_TRAITS" in page
