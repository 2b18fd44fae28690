"""Evaluation of placements on one time window: what each would have shown, compared with its fallback."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
from django.conf import settings
from scipy.sparse import csr_array

from recommendations.engine import KIND_CODES, Algorithm
from recommendations.engine.algorithms.content.content import Content
from recommendations.engine.algorithms.ensembles.weighted_ensemble import WeightedEnsemble
from recommendations.engine.algorithms.repeat.due_purchases import find_due_purchases, get_product_rhythms
from recommendations.engine.data.histories import Histories
from recommendations.engine.evaluation.evaluation_queries import (
    DAY,
    MAX_CART_ITEMS,
    NEW_DAYS,
    EvaluationQueries,
    QuerySample,
    find_first_seen,
    find_new_items,
    query_basket_items,
    query_next_after_view,
    query_next_basket,
    query_next_in_category,
    query_next_viewed,
    query_purchases,
    query_repurchases,
    select_next_baskets,
)
from recommendations.engine.evaluation.placement_evaluation import (
    Lists,
    QueryScores,
    evaluate_lists,
    list_categories,
    make_ensemble,
    rank_queries,
    repeat_for_all,
    tune_shares,
)
from recommendations.engine.pair_support.similar_pairs import find_similar
from recommendations.engine.pair_support.support import PARTNER_COMPONENTS, PairSupport, find_partners
from recommendations.engine.placements import (
    BOUGHT_TOGETHER,
    BUY_AGAIN,
    CART,
    CATEGORIES,
    NEW,
    RECENTLY_VIEWED,
    SIMILAR,
)
from recommendations.engine.topn import select_top_n
from recommendations.training.evaluation.first_purchases import rank_both
from recommendations.training.evaluation.placement_data import EvaluationWindow, ShopData
from recommendations.training.tuning.model_choice import SEED, ModelChoice

MIN_CUSTOMERS = 30  # fewer give no reliable figure
RANK = "rank"
RANKED_PRODUCTS = 200
PRODUCT_ALGORITHMS = ("content", "item-knn", "co-purchase", "transitions", "session-knn")
PLACEMENT_ALGORITHMS: dict[str, tuple[str, ...]] = {
    SIMILAR: PRODUCT_ALGORITHMS,
    BOUGHT_TOGETHER: PRODUCT_ALGORITHMS,
    CART: PRODUCT_ALGORITHMS,
    BUY_AGAIN: ("repeat-ranker", "repeat-rhythm", "repeat", "user-knn", "popularity"),
}
FILLED_PLACEMENTS = (CART,)  # whose short lists serving fills up with popular products
CATEGORY_POOL = 300  # best products considered, as in serving


@dataclass(frozen=True, eq=False)
class PlacementWeights:
    """The ensemble of a placement: component → share; empty for placements without components, such as recently viewed."""

    weights: dict[str, float]


@dataclass(frozen=True, eq=False)
class PlacementMeasurement:
    """query_type: its label is on the model card; comparison: against the fallback; other_comparisons: further ones by name."""

    query_type: str
    comparison: QueryScores | None = None
    other_comparisons: dict[str, QueryScores] = field(default_factory=dict)


class PlacementEvaluator:
    """Tunes and evaluates placements on one window. similar_weights: of `similar`, the fallback of bought-together."""

    def __init__(self, shop: ShopData, choice: ModelChoice, window: EvaluationWindow, sample: QuerySample) -> None:
        self.shop, self.choice, self.window, self.sample = shop, choice, window, sample
        self.components, self.target = window.components, shop.split.target
        self.similar_weights: dict[str, float] = {}
        self.query_cache: dict[str, tuple[str, EvaluationQueries]] = {}

    @cached_property
    def for_you(self) -> WeightedEnsemble:
        """Return the ensemble of for-you."""
        return self.make_ensemble(self.choice.weights)

    def make_ensemble(self, weights: Mapping[str, float]) -> WeightedEnsemble:
        """Return an ensemble as serving builds it: every component normalized as in for-you."""
        return make_ensemble(self.components, weights, self.choice.normalization)

    @cached_property
    def has_views(self) -> bool:
        """Return whether there are enough views for an evaluation."""
        return query_next_viewed(self.window.future, self.sample).n_users >= MIN_CUSTOMERS

    def tune_weights(self, name: str) -> PlacementWeights | None:
        """Return the best weights of a placement on this window; None if there are too few queries."""
        if name not in PLACEMENT_ALGORITHMS:
            return PlacementWeights({})
        parts = {part: self.components[part] for part in PLACEMENT_ALGORITHMS[name] if part in self.components}
        _query_type, queries = self.get_queries(name)
        if not parts or queries.n_users < MIN_CUSTOMERS:
            return None
        return PlacementWeights(tune_shares(parts, queries, normalization=self.choice.normalization)[0])

    def measure(self, name: str, placement_weights: PlacementWeights) -> PlacementMeasurement:
        """Compare a placement with its fallback on this window."""
        if name == NEW:
            return self.measure_new()
        if name == RECENTLY_VIEWED:
            return self.measure_recent()
        if name == CATEGORIES:
            return self.measure_categories()
        if name == RANK:
            return self.measure_rank()
        if name == BUY_AGAIN:
            return self.measure_buy_again(placement_weights)
        query_type, queries = self.get_queries(name)
        if not queries.n_users or not placement_weights.weights:
            return PlacementMeasurement(query_type)
        own = rank_queries(self.make_ensemble(placement_weights.weights), queries, seed=SEED)
        # Serving limits the placement to similar products or to those that people chose together, but not popular products.
        fallback = rank_queries(self.components["popularity"], replace(queries, offered=None), seed=SEED)
        if name == BOUGHT_TOGETHER and self.similar_weights:
            similar_queries = replace(queries, offered=self.find_similar(queries))
            similar = rank_queries(self.make_ensemble(self.similar_weights), similar_queries, seed=SEED)
            fallback = fill_lists(similar, fallback, only_empty=True)
        own = fill_lists(own, fallback, only_empty=name not in FILLED_PLACEMENTS)
        return PlacementMeasurement(
            query_type,
            evaluate_lists(own, fallback, queries, seed=SEED),
            compare_without_repeats(own, fallback, queries),
        )

    def get_queries(self, name: str) -> tuple[str, EvaluationQueries]:
        """Return the query type and the cached queries of a placement."""
        if name not in self.query_cache:
            self.query_cache[name] = self._build_queries(name)
        return self.query_cache[name]

    def _build_queries(self, name: str) -> tuple[str, EvaluationQueries]:
        """Return the query type and the queries of a placement."""
        past, future = self.window.past, self.window.future
        if name == SIMILAR and self.has_views:
            return "next_view", self.offer_similar(query_next_viewed(future, self.sample))
        if name == SIMILAR:
            category = self.shop.products.category
            codes = category if category is not None else np.full(future.n_items, -1, np.int32)
            queries = query_next_in_category(future, codes, self.sample, kind=self.target)
            return "next_basket_category", self.offer_similar(queries)
        if name == BUY_AGAIN:
            return "again", self.offer_due(
                query_repurchases(self.window.weighted, past, future, self.sample, kind=self.target)
            )
        n_given = 1 if name == BOUGHT_TOGETHER else MAX_CART_ITEMS
        query_type = "rest_beside_product" if name == BOUGHT_TOGETHER else "rest_of_basket"
        queries = query_basket_items(past, future, self.sample, n_given=n_given, kind=self.target)
        if not self.partner_supports or queries.excluded is None:
            return query_type, queries
        # The products of the request, which the queries exclude, are those whose partners may be shown.
        return query_type, replace(queries, offered=find_partners(self.partner_supports, queries.excluded))

    def offer_similar(self, queries: EvaluationQueries) -> EvaluationQueries:
        """Return the queries limited to the products that serving may show as similar."""
        return replace(queries, offered=self.find_similar(queries))

    def offer_due(self, queries: EvaluationQueries) -> EvaluationQueries:
        """Return the queries limited to the purchased products that serving may show: those that may be due again."""
        n_items = queries.histories.n_items
        purchases = find_due_purchases(queries.histories, get_product_rhythms(self.components, n_items), self.target)
        return replace(queries, offered=purchases.build_matrix(len(queries), n_items))

    def find_similar(self, queries: EvaluationQueries) -> csr_array | None:
        """Return CSR (queries, items) of the products that may be called similar to those of each query; None without a content model."""
        content = self.components.get("content")
        if not isinstance(content, Content):
            return None
        given = queries.histories.get_seen_items()
        return find_similar(content, self.pair_supports, given, minimum=settings.RECOMMEND_MIN_SUPPORT)

    @cached_property
    def partner_supports(self) -> list[PairSupport]:
        """Return the counts by which serving selects what bought-together and cart may show; [] without purchases."""
        co_purchase = self.components.get("co-purchase")
        return [] if co_purchase is None or co_purchase.support_ is None else self.pair_supports

    @cached_property
    def pair_supports(self) -> list[PairSupport]:
        """Return the counts of all components that count pairs."""
        counting = [self.components[name] for name in PARTNER_COMPONENTS if name in self.components]
        for component in counting:
            if component.support_ is None:
                component.learn_support(self.window.weighted)
        return [component.support_ for component in counting if component.support_ is not None]

    def measure_buy_again(self, placement_weights: PlacementWeights) -> PlacementMeasurement:
        """Compare buy-again with for-you as served, which shows few purchased products, on all products of the next basket.

        Also compare both among purchased products only, which for-you would show without its limit.
        """
        _query_type, queries = self.get_queries(BUY_AGAIN)
        if not queries.n_users or not placement_weights.weights:
            return PlacementMeasurement("next_basket_again")
        own = rank_queries(self.make_ensemble(placement_weights.weights), queries, seed=SEED)
        baskets = select_next_baskets(self.window.future, kind=self.target).build_user_items()
        all_purchases = replace(queries, relevant=csr_array(baskets[queries.user, :]), offered=None)
        for_you = self.rank_for_you(all_purchases)
        among_purchased = rank_queries(self.for_you, queries, seed=SEED)
        return PlacementMeasurement(
            "next_basket_again",
            evaluate_lists(fill_lists(own, for_you, only_empty=True), for_you, all_purchases, seed=SEED),
            {"among_purchased": evaluate_lists(own, among_purchased, queries, seed=SEED)},
        )

    def rank_for_you(self, queries: EvaluationQueries) -> Lists:
        """Return the lists of for-you as served: without hidden products, and with the default share of purchased ones."""
        bought = queries.histories.get_seen_items([KIND_CODES["purchase"]])
        bought.sum_duplicates()
        hidden = self.find_excluded(queries)
        if hidden is None:
            hidden = csr_array(bought.shape, dtype=np.float32)
        _new, limited = rank_both(self.for_you, queries.histories, hidden=hidden, bought=bought)
        return limited

    def measure_recent(self) -> PlacementMeasurement:
        """Compare recently viewed with popularity."""
        queries, recent = query_next_after_view(self.window.past, self.window.future, self.sample)
        if not queries.n_users:
            return PlacementMeasurement("next_in_visit")
        popular = rank_queries(self.components["popularity"], queries, seed=SEED)
        return PlacementMeasurement("next_in_visit", evaluate_lists(recent, popular, queries, seed=SEED))

    def measure_categories(self) -> PlacementMeasurement:
        """Compare the categories of for-you with the most popular categories."""
        category, names = self.shop.categories
        if not names:
            return PlacementMeasurement("next_basket")
        queries = query_next_basket(self.window.weighted, self.window.future, self.sample, kind=self.target)
        lists, relevant = list_categories(self.for_you, queries, category, len(names), pool=CATEGORY_POOL, seed=SEED)
        popular, _ = list_categories(
            self.components["popularity"], queries, category, len(names), pool=CATEGORY_POOL, seed=SEED
        )
        return PlacementMeasurement(
            "next_basket", evaluate_lists(lists, popular, replace(queries, relevant=relevant), seed=SEED)
        )

    def measure_rank(self) -> PlacementMeasurement:
        """Compare the most popular products in their own order with the customer's personal order."""
        popular = score_without_history(self.components["popularity"])
        is_ranked = np.zeros(len(popular), np.bool_)
        ranked_items = select_top_n(popular[None, :], RANKED_PRODUCTS, tie_seed=SEED).items[0]
        is_ranked[ranked_items[ranked_items >= 0]] = True
        queries = query_purchases(self.window.weighted, self.window.future, self.sample, kind=self.target)
        excluded = self.find_excluded(queries)
        queries = replace(queries.limit_relevant(is_ranked), allowed=is_ranked)
        if excluded is not None:
            queries = queries.exclude(excluded)
        own = rank_queries(self.for_you, queries, seed=SEED)
        fallback = rank_queries(self.components["popularity"], queries, seed=SEED)
        return PlacementMeasurement("popular_reordered", evaluate_lists(own, fallback, queries, seed=SEED))

    def measure_new(self) -> PlacementMeasurement:
        """Compare the newest products first, as served, with the most popular of the new products."""
        is_new = find_new_items(self.window.past, published=self.shop.published)
        queries = query_purchases(self.window.weighted, self.window.future, self.sample, kind=self.target)
        queries = replace(queries.limit_relevant(is_new), allowed=is_new)
        if not queries.n_users:
            return PlacementMeasurement("wanted_new")
        first_seen_at = find_first_seen(self.window.past, published=self.shop.published)
        age_seconds = self.window.past.as_of - first_seen_at
        recency = np.where(np.isfinite(first_seen_at), 1.0 - age_seconds / (NEW_DAYS * DAY), -np.inf)
        own = repeat_for_all(recency.astype(np.float32), queries, seed=SEED)
        popular = repeat_for_all(score_without_history(self.components["popularity"]), queries, seed=SEED)
        return PlacementMeasurement("wanted_new", evaluate_lists(own, popular, queries, seed=SEED))

    def find_excluded(self, queries: EvaluationQueries) -> csr_array | None:
        """Return the products that for-you excludes."""
        if not self.shop.split.exclude_seen:
            return None
        return self.window.past.build_histories(queries.user).get_seen_items(self.shop.split.seen_kinds)


def fill_lists(own: Lists, fallback: Lists, *, only_empty: bool) -> Lists:
    """Return the lists as served: the fallback fills up short lists or, with only_empty, replaces only empty ones."""
    if only_empty:
        return np.where(own[:, :1] >= 0, own, fallback)
    is_repeated = (fallback[:, :, None] == own[:, None, :]).any(axis=2)
    joined = np.concatenate([own, np.where(is_repeated, -1, fallback)], axis=1)
    order = np.argsort(joined < 0, axis=1, kind="stable")[:, : own.shape[1]]
    return np.take_along_axis(joined, order, axis=1)


def compare_without_repeats(own: Lists, fallback: Lists, queries: EvaluationQueries) -> dict[str, QueryScores]:
    """Return the comparison on products the customer had never bought before."""
    if queries.known is None:
        return {}
    first_purchases = replace(
        queries, relevant=csr_array(queries.relevant - queries.relevant.multiply(queries.known > 0))
    )
    first_purchases.relevant.eliminate_zeros()
    if not first_purchases.n_users:
        return {}
    return {"without_repeats": evaluate_lists(own, fallback, first_purchases, seed=SEED)}


def score_without_history(algorithm: Algorithm) -> npt.NDArray[np.float32]:
    """Return the scores of an algorithm that ignores the history; -inf for items without one, which serving does not show."""
    n_items = len(getattr(algorithm, "scores_" if hasattr(algorithm, "scores_") else "counts_"))
    scores = np.asarray(algorithm.score(Histories.of_lists([[]], n_items=n_items)), np.float32)[0]
    return np.where(scores > 0, scores, np.float32(-np.inf))
