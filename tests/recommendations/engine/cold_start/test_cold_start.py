import json
from math import log

import numpy as np
import pytest

from recommendations.engine import Interactions, NothingToLearnError, Products, WrongModelError
from recommendations.engine.algorithms.popularity.popularity import Popularity
from recommendations.engine.cold_start import (
    ColdStart,
    CustomerTraits,
    LandingPopularity,
    NewVisitors,
    TraitClusters,
    TraitLifts,
    assign_bands,
    compute_quantile_edges,
    get_trait_field,
    make_trait,
    normalize_trait_value,
)
from recommendations.engine.cold_start.trait_lifts import build_user_items, compute_log_lifts
from recommendations.engine.linear_algebra.sparse import make_csr
from tests.recommendations.engine.makers import make_products, make_random_interactions

TEA, COFFEE = range(5), range(5, 10)


def make_two_tastes(users_each: int = 30, of_five: int = 2) -> tuple[Interactions, CustomerTraits]:
    """Make young users with two of five teas each and old ones with two of five coffees; all have the cake, item 10."""
    users, items = [], []
    for user in range(2 * users_each):
        taste = TEA if user < users_each else COFFEE
        users += [user] * (of_five + 1)
        items += [*(taste[(user + offset) % 5] for offset in range(of_five)), 10]
    interactions = Interactions.from_ids(
        user_ids=[f"{user:03d}" for user in users], item_ids=[f"{item:02d}" for item in items]
    )
    ages = ["young"] * users_each + ["old"] * users_each
    return interactions, CustomerTraits.of_columns({"age": ages})


class TestCustomerTraits:
    def test_each_field_and_value_is_a_column_and_unknown_values_have_none(self):
        traits = CustomerTraits.of_columns({"age": ["young", "old", ""], "size": ["1", "", ""]})
        names = [value.replace("\x1f", "=") for value in traits.values.get_ids()]
        assert names == ["age=old", "age=young", "size=1"]
        np.testing.assert_array_equal(traits.has.toarray(), [[0, 1, 1], [1, 0, 0], [0, 0, 0]])
        assert traits.has_traits().tolist() == [True, True, False]
        assert get_trait_field(traits.values.get_id(2)) == "size"

    def test_values_unknown_to_the_model_are_ignored(self):
        known = CustomerTraits.of_columns({"age": ["young"]}).values
        traits = CustomerTraits.of_columns({"age": ["old", "young"], "size": ["1", "1"]}, values=known)
        np.testing.assert_array_equal(traits.has.toarray(), [[0], [1]])

    def test_row_minus_one_has_no_traits(self):
        traits = CustomerTraits.of_columns({"age": ["young", "old"]}).select_users(np.array([1, -1, 0]))
        np.testing.assert_array_equal(traits.has.toarray(), [[1, 0], [0, 0], [0, 1]])

    def test_columns_of_unequal_length_are_rejected(self):
        with pytest.raises(ValueError, match="same length"):
            CustomerTraits.of_columns({"age": ["young"], "size": ["1", "2"]})

    def test_numbers_become_bands_of_similar_size(self):
        edges = compute_quantile_edges(np.arange(1.0, 12.0))  # quintiles of 1 to 11: 3, 5, 7, 9
        assert edges == [3.0, 5.0, 7.0, 9.0]
        assert assign_bands(np.array([1, 3, 6, 11, np.nan]), edges) == ["< 3", "3 – 5", "5 – 7", "≥ 9", ""]
        assert assign_bands(np.array([1.0]), compute_quantile_edges(np.array([np.nan]))) == [""]

    def test_languages_are_compared_without_their_region_and_countries_without_case(self):
        assert [normalize_trait_value("language", text) for text in ("en-GB", "EN_us", " zh-Hans ")] == [
            "en",
            "en",
            "zh",
        ]
        assert (normalize_trait_value("country", "DE"), normalize_trait_value("traits.taste", " Tea ")) == ("de", "Tea")


def test_lifts_are_observed_over_expected_shrunk_to_one():
    # both groups have 10 pairs, 5 of each item are expected; 5 pseudo users
    lifts = compute_log_lifts(np.array([[8.0, 2.0], [5.0, 5.0]]), np.array([0.5, 0.5]), 5.0)
    np.testing.assert_allclose(lifts, [[log(13 / 10), log(7 / 10)], [0.0, 0.0]], rtol=1e-6)


class TestTraitLifts:
    def test_lifts_of_several_traits_add_up_and_rare_values_are_ignored(self):
        user_traits = CustomerTraits.of_columns({"age": ["young", "young", "old", "old"], "size": ["1", "1", "1", "2"]})
        has = make_csr(np.ones(4), [0, 0, 1, 1], [0, 1, 2, 3, 4], (4, 2))
        model = TraitLifts(pseudo_count=1.0, min_people=2).fit(user_traits, has, np.array([0.5, 0.5]))
        # young: 2 of 2 pairs are item 0, 1 expected; size 1: 2 and 1 of 3 pairs, 1.5 expected; size 2: one user only
        young, size = np.log([3 / 2, 1 / 2]), np.log([3 / 2.5, 2 / 2.5])
        np.testing.assert_allclose(model.compute_terms(user_traits.has)[0], young + size, rtol=1e-5)
        np.testing.assert_allclose(model.compute_terms(user_traits.has)[3], np.log([1 / 2, 3 / 2]), rtol=1e-5)
        parts = model.split_by_field(user_traits.has[[0]].indices, [0, 1])
        assert set(parts) == {"age", "size"}
        np.testing.assert_allclose(parts["age"], young, rtol=1e-5)

    def test_pseudo_count_must_be_positive(self):
        user_traits = CustomerTraits.of_columns({"age": ["young"]})
        with pytest.raises(ValueError, match="pseudo_count"):
            TraitLifts(pseudo_count=0.0).fit(user_traits, make_csr([1], [0], [0, 1], (1, 1)), np.array([1.0]))


class TestTraitClusters:
    @pytest.fixture
    def fitted(self):
        interactions, user_traits = make_two_tastes(of_five=5)
        has = build_user_items(interactions)
        shares = np.bincount(has.indices, minlength=11) / has.nnz
        return TraitClusters(clusters=2, damping=1.0, seed=1).fit(interactions, user_traits, has, shares), user_traits

    def test_cluster_distribution_follows_the_trait_and_sums_to_one(self, fitted):
        model, user_traits = fitted
        probabilities = model.compute_cluster_probabilities(user_traits.has[[0, 59]])
        np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, rtol=1e-6)
        assert probabilities[0].argmax() != probabilities[1].argmax()
        # 30 of 30 against 15 expected and 0 against 15, 20 pseudo users: odds of (50 / 35) : (20 / 35)
        assert probabilities[0].max() == pytest.approx(50 / 70, rel=1e-5)

    def test_term_is_the_log_of_the_expected_lift(self, fitted):
        model, user_traits = fitted
        # a tea: 30 of the 180 pairs of its cluster; 15 are expected, as it is 30 of all 360
        inside, outside = (30 + 20) / (15 + 20), (0 + 20) / (15 + 20)
        expected = log(50 / 70 * inside + 20 / 70 * outside)
        np.testing.assert_allclose(model.compute_terms(user_traits.has[[0]])[0, list(TEA)], expected, rtol=1e-5)

    def test_users_without_traits_have_a_term_of_zero(self, fitted):
        model, _user_traits = fitted
        np.testing.assert_array_equal(model.compute_terms(make_csr([], [], [0, 0], (1, 2))), np.zeros((1, 11)))


class TestLandingPopularity:
    def test_shares_include_subcategories(self):
        products = Products.of_columns({"category": ["A > a", "A > b", "B", "", "A"]})
        model = LandingPopularity().fit(np.array([6.0, 3.0, 1.0, 5.0, 0.0]), products)
        rows = model.find_rows(["A", "A > b", "B", "C", ""])
        shares = model.select_shares(rows).toarray()
        np.testing.assert_allclose(shares[0], [2 / 3, 1 / 3, 0, 0, 0], rtol=1e-6)
        np.testing.assert_allclose(shares[1:3], [[0, 1, 0, 0, 0], [0, 0, 1, 0, 0]])
        np.testing.assert_array_equal(shares[3:], 0)
        assert model.has_interactions(rows).tolist() == [True, True, True, False, False]

    def test_paths_are_truncated_to_the_given_levels(self):
        products = Products.of_columns({"category": ["A > a", "A > b"]})
        model = LandingPopularity(levels=1).fit(np.array([1.0, 1.0]), products)
        assert model.find_rows(["A > a"]) == model.find_rows(["A"])

    def test_no_categories_give_no_shares(self):
        model = LandingPopularity().fit(np.array([1.0]), None)
        assert model.find_rows(["A"]).tolist() == [-1]
        assert model.select_shares(np.array([-1])).shape == (1, 1)


INTERACTIONS = make_random_interactions()
PRODUCTS = make_products(INTERACTIONS.n_items)
PEOPLE = CustomerTraits.of_columns(
    {
        "group": [str(user % 7) for user in range(INTERACTIONS.n_users)],
        "half": ["low" if user % 2 else "" for user in range(INTERACTIONS.n_users)],
    }
)
EVERY_PART = {"traits": 0.5, "cluster": 0.7, "landing": 0.3, "levels": 1, "clusters": 3}


@pytest.fixture(scope="module")
def model():
    return ColdStart(**EVERY_PART).fit(INTERACTIONS, PEOPLE, PRODUCTS)


@pytest.fixture(scope="module")
def visitors(model):
    return model.make_visitors(
        PEOPLE.select_users(np.array([0, 1, 2, -1, -1])), ["Food", "Food > 分类1", "", "Food", "Nowhere"]
    )


class TestColdStart:
    def test_without_weights_the_order_is_that_of_popularity(self, model, visitors):
        plain = model.with_weights(traits=0.0, cluster=0.0, landing=0.0, levels=None)
        counts = Popularity(90.0).fit(INTERACTIONS).counts_
        with np.errstate(divide="ignore"):
            np.testing.assert_allclose(plain.score(visitors), np.tile(np.log(counts / counts.sum()), (5, 1)), rtol=1e-4)
        assert not plain.is_personalized(visitors).any()

    def test_landing_is_a_mixture_of_overall_and_category_popularity(self):
        interactions = Interactions.from_ids(user_ids=[str(user) for user in range(10)], item_ids=list("xxxxxxyyyz"))
        products = Products.of_columns({"category": ["A > a", "A > b", "B"]})
        user_traits = CustomerTraits.of_columns({"age": [""] * 10})
        model = ColdStart(traits=0.0, landing=0.5, half_life_days=None).fit(interactions, user_traits, products)
        probabilities = np.exp(model.score(model.make_visitors(user_traits.select_users(np.array([0])), ["A"])))
        # half of 0.6, 0.3 and 0.1, and half of 2 and 1 thirds
        np.testing.assert_allclose(probabilities, [[0.3 + 1 / 3, 0.15 + 1 / 6, 0.05]], rtol=1e-5)

    def test_users_with_a_trait_get_items_of_similar_users(self):
        interactions, user_traits = make_two_tastes()
        model = ColdStart(traits=1.0, landing=0.0, half_life_days=None, pseudo_count=5.0).fit(interactions, user_traits)
        young, old = model.score(model.make_visitors(user_traits.select_users(np.array([0, 59])), ["", ""]))
        assert young[list(TEA)].min() > young[list(COFFEE)].max()
        assert old[list(COFFEE)].min() > old[list(TEA)].max()
        # 12 of each tea against 6 expected, 5 pseudo users; a tea is 12 of all 180 pairs
        assert young[0] == pytest.approx(log(12 / 180) + log(17 / 11), rel=1e-5)

    def test_parts_sum_to_the_score(self, model, visitors):
        items = np.flatnonzero(np.isfinite(model.log_shares_))
        scores = model.score(visitors)
        for row in range(len(visitors)):
            visitor = NewVisitors(visitors.has[[row]], visitors.landing[row : row + 1])
            explanations = model.explain_many(visitor, items.tolist())
            sums = [sum(part.value for part in parts) for parts in explanations]
            np.testing.assert_allclose(sums, scores[row, items], rtol=1e-4)
            assert {part.source for parts in explanations for part in parts} <= {
                "popularity",
                "trait.group",
                "trait.half",
                "trait-cluster",
                "landing",
            }

    def test_batch_equals_its_single_rows(self, model, visitors):
        single = [
            model.score(NewVisitors(visitors.has[[row]], visitors.landing[row : row + 1]))
            for row in range(len(visitors))
        ]
        np.testing.assert_array_equal(model.score(visitors), np.concatenate(single))

    def test_head_scores_equal_those_of_its_items(self, model, visitors):
        np.testing.assert_allclose(
            model.score(visitors, only_head=True), model.score(visitors)[:, model.items_], rtol=1e-5
        )

    def test_items_without_users_are_never_shown(self, model, visitors):
        without_users = np.bincount(INTERACTIONS.item, minlength=INTERACTIONS.n_items) == 0
        assert without_users.any()
        assert (model.score(visitors)[:, without_users] == -np.inf).all()

    def test_only_users_with_known_traits_or_landing_are_affected(self, model, visitors):
        assert model.is_personalized(visitors).tolist() == [True, True, True, True, False]

    def test_fitting_again_gives_the_same(self, model, visitors):
        again = ColdStart(**EVERY_PART).fit(INTERACTIONS, PEOPLE, PRODUCTS)
        np.testing.assert_array_equal(model.score(visitors), again.score(visitors))

    def test_loaded_model_gives_the_same_from_mapped_arrays(self, model, visitors, tmp_path):
        arrays, saved = model.to_arrays()
        for number, array in enumerate(arrays.values()):
            np.save(tmp_path / f"{number}.npy", array, allow_pickle=False)
        mapped = {key: np.load(tmp_path / f"{number}.npy", mmap_mode="r") for number, key in enumerate(arrays)}
        loaded = ColdStart.from_arrays(mapped, json.loads(json.dumps(saved)))
        np.testing.assert_array_equal(model.score(visitors), loaded.score(visitors))
        with pytest.raises(WrongModelError):
            ColdStart.from_arrays({}, saved)

    def test_memory_is_bounded_by_the_items_with_lifts(self):
        model = ColdStart(items=7).fit(INTERACTIONS, PEOPLE, PRODUCTS)
        assert model.lifts_.lifts_.shape == (len(PEOPLE.values), 7)

    @pytest.mark.parametrize("wrong", [{"traits": -1.0}, {"cluster": float("nan")}, {"landing": 1.0}])
    def test_invalid_weights_are_rejected(self, wrong):
        with pytest.raises(ValueError, match="landing"):
            ColdStart(**wrong).fit(INTERACTIONS, PEOPLE)

    def test_traits_of_other_users_and_empty_data_are_rejected(self):
        with pytest.raises(ValueError, match="users"):
            ColdStart().fit(INTERACTIONS, PEOPLE.select_users(np.array([0])))
        with pytest.raises(NothingToLearnError):
            ColdStart().fit(INTERACTIONS.select(np.array([], np.int64)), PEOPLE)


def test_field_and_value_are_separated():
    assert get_trait_field(make_trait("traits.age", "19-24")) == "traits.age"
