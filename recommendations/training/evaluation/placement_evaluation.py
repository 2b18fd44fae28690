"""Evaluation of placements on one time window: what each would have shown, compared with its fallback."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from recommendations.engine import KIND_CODES, Algorithm, Interactions, Products
from recommendations.engine.algorithms.ensembles.weighted_ensemble import WeightedEnsemble
from recommendations.engine.data.event_weights import EventWeights
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
)
from recommendations.engine.evaluation.placement_evaluation import (
    Lists,
    QueryScores,
    compare_scores,
    evaluate_lists,
    list_categories,
    make_ensemble,
    mix_lists,
    rank_queries,
    repeat_for_all,
    summarize_scores,
    tune_shares,
)
from recommendations.engine.placements import (
    BOUGHT_TOGETHER,
    BUY_AGAIN,
    CART,
    CATEGORIES,
    NEW,
    RECENTLY_VIEWED,
    SIMILAR,
)
from recommendations.engine.topn import top_n
from recommendations.training.data.time_split import TimeSplit
from recommendations.training.tuning.model_choice import SEED, ModelChoice

MIN_CUSTOMERS = 30  # fewer give no reliable figure
CATEGORY_LEVEL = 2  # of the category paths
RANK = "rank"
RANKED_PRODUCTS = 200
PRODUCT_ALGORITHMS = ("content", "item-knn", "co-purchase", "transitions", "session-knn")
PLACEMENT_ALGORITHMS: dict[str, tuple[str, ...]] = {
    SIMILAR: PRODUCT_ALGORITHMS,
    BOUGHT_TOGETHER: PRODUCT_ALGORITHMS,
    CART: PRODUCT_ALGORITHMS,
    BUY_AGAIN: ("repeat-rhythm", "repeat", "user-knn", "popularity"),
}
CATEGORY_POOL = 300  # best products considered, as in serving


@dataclass(frozen=True, eq=False)
class ShopData:
    """The data placements are evaluated on. interactions: recorded weights; published: seconds since 1970 per product, NaN if unknown."""

    interactions: Interactions
    products: Products
    split: TimeSplit
    published: npt.NDArray[np.float64] | None = None

    @cached_property
    def categories(self) -> tuple[npt.NDArray[np.int32], list[str]]:
        """Return the category of each product cut to CATEGORY_LEVEL, -1 without one, and the paths."""
        products = self.products
        if products.category is None or products.categories is None:
            return np.full(self.interactions.n_items, -1, np.int32), []
        paths = [" > ".join(path.split(" > ")[:CATEGORY_LEVEL]) for path in products.categories.ids()]
        names = sorted({path for path in paths if path})
        row_of_name = {name: place for place, name in enumerate(names)}
        row_of_path = np.array([row_of_name.get(path, -1) for path in paths], np.int32)
        return np.where(products.category >= 0, row_of_path[products.category], -1).astype(np.int32), names


@dataclass(frozen=True, eq=False)
class EvaluationWindow:
    """Past and future of one split point with recorded weights.

    weighed: the past under the event weights; components: algorithms fitted on it.
    """

    past: Interactions
    weighed: Interactions
    future: Interactions
    components: Mapping[str, Algorithm] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        interactions: Interactions,
        weighing: EventWeights,
        *,
        at: float,
        until: float,
        components: Mapping[str, Algorithm] | None = None,
    ) -> "EvaluationWindow":
        """Return the window between two times, with everything before it as past."""
        past = interactions.before(at)
        return cls(past, weighing.of(past), _keep_between(interactions, at, until), components or {})


def _keep_between(interactions: Interactions, at: float, until: float) -> Interactions:
    return interactions.subset((interactions.order >= at) & (interactions.order < until))


@dataclass(frozen=True, eq=False)
class PlacementWeights:
    """The ensemble of a placement: component → share; empty for placements without components, such as recently viewed."""

    weights: dict[str, float]


@dataclass(frozen=True, eq=False)
class PlacementMeasurement:
    """question: the type of query; comparison: against the fallback; other_comparisons: further comparisons by name."""

    question: str
    comparison: QueryScores | None = None
    other_comparisons: dict[str, QueryScores] = field(default_factory=dict)


class PlacementEvaluator:
    """Tunes and evaluates placements on one window. similar_weights: of `similar`, the fallback of bought-together."""

    def __init__(self, shop: ShopData, choice: ModelChoice, window: EvaluationWindow, draw: QuerySample) -> None:
        self.shop, self.choice, self.window, self.draw = shop, choice, window, draw
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
        """Return whether there are enough views to evaluate by."""
        return query_next_viewed(self.window.future, self.draw).n_users >= MIN_CUSTOMERS

    def weigh(self, name: str) -> PlacementWeights | None:
        """Return the best weights of a placement on this window; None if there are too few queries."""
        if name not in PLACEMENT_ALGORITHMS:
            return PlacementWeights({})
        parts = {part: self.components[part] for part in PLACEMENT_ALGORITHMS[name] if part in self.components}
        _asked, questions = self.get_queries(name)
        if not parts or questions.n_users < MIN_CUSTOMERS:
            return None
        return PlacementWeights(tune_shares(parts, questions, normalization=self.choice.normalization)[0])

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
        question, questions = self.get_queries(name)
        if not questions.n_users or not placement_weights.weights:
            return PlacementMeasurement(question)
        own = rank_queries(self.make_ensemble(placement_weights.weights), questions, seed=SEED)
        other: Algorithm = self.components["popularity"]
        if name == BOUGHT_TOGETHER and self.similar_weights:
            other = self.make_ensemble(self.similar_weights)
        fallback = rank_queries(other, questions, seed=SEED)
        return PlacementMeasurement(
            question,
            evaluate_lists(own, fallback, questions, seed=SEED),
            compare_without_repeats(own, fallback, questions),
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
            return "next_view", query_next_viewed(future, self.draw)
        if name == SIMILAR:
            category = self.shop.products.category
            none = np.full(future.n_items, -1, np.int32)
            codes = category if category is not None else none
            return "next_basket_category", query_next_in_category(future, codes, self.draw, kind=self.target)
        if name == BUY_AGAIN:
            return "again", query_repurchases(self.window.weighed, past, future, self.draw, kind=self.target)
        given = 1 if name == BOUGHT_TOGETHER else MAX_CART_ITEMS
        question = "one_of_basket" if name == BOUGHT_TOGETHER else "rest_of_basket"
        return question, query_basket_items(past, future, self.draw, given=given, kind=self.target)

    def measure_buy_again(self, placement_weights: PlacementWeights) -> PlacementMeasurement:
        """Compare buy-again with for-you among the same products, and with unrestricted for-you on all later purchases."""
        question, questions = self.get_queries(BUY_AGAIN)
        if not questions.n_users or not placement_weights.weights:
            return PlacementMeasurement(question)
        own = rank_queries(self.make_ensemble(placement_weights.weights), questions, seed=SEED)
        judged = evaluate_lists(own, rank_queries(self.for_you, questions, seed=SEED), questions, seed=SEED)
        later = self.window.future.subset(self.window.future.kind == KIND_CODES[self.target]).user_items()
        everything = replace(
            questions,
            relevant=csr_array(later[questions.person, :]),
            offered=None,
            excluded=self.find_excluded(questions),
        )
        free = rank_queries(self.for_you, everything, seed=SEED)
        return PlacementMeasurement(
            question, judged, {"for_you_unrestricted": evaluate_lists(own, free, everything, seed=SEED)}
        )

    def measure_recent(self) -> PlacementMeasurement:
        """Compare recently viewed with popularity."""
        questions, recent = query_next_after_view(self.window.past, self.window.future, self.draw)
        if not questions.n_users:
            return PlacementMeasurement("next_in_visit")
        popular = rank_queries(self.components["popularity"], questions, seed=SEED)
        return PlacementMeasurement("next_in_visit", evaluate_lists(recent, popular, questions, seed=SEED))

    def measure_categories(self) -> PlacementMeasurement:
        """Compare the categories of for-you with the most popular categories."""
        category, names = self.shop.categories
        if not names:
            return PlacementMeasurement("next_basket")
        questions = query_next_basket(self.window.weighed, self.window.future, self.draw, kind=self.target)
        lists, relevant = list_categories(self.for_you, questions, category, len(names), pool=CATEGORY_POOL)
        popular, _ = list_categories(self.components["popularity"], questions, category, len(names), pool=CATEGORY_POOL)
        return PlacementMeasurement(
            "next_basket", evaluate_lists(lists, popular, replace(questions, relevant=relevant), seed=SEED)
        )

    def measure_rank(self) -> PlacementMeasurement:
        """Compare the most popular products in their own order with the customer's personal order."""
        popular = score_without_history(self.components["popularity"])
        is_ranked = np.zeros(len(popular), np.bool_)
        ranked_items = top_n(popular[None, :], RANKED_PRODUCTS).items[0]
        is_ranked[ranked_items[ranked_items >= 0]] = True
        questions = query_purchases(self.window.weighed, self.window.future, self.draw, kind=self.target)
        seen = self.find_excluded(questions)
        relevant = csr_array(questions.relevant.multiply(is_ranked.astype(np.float32)[None, :]))
        if seen is not None:
            relevant = csr_array(relevant - relevant.multiply(seen > 0))
        relevant.eliminate_zeros()
        questions = replace(questions, relevant=relevant, among=is_ranked, excluded=seen)
        own, floor = (rank_queries(one, questions, seed=SEED) for one in (self.for_you, self.components["popularity"]))
        return PlacementMeasurement("popular_reordered", evaluate_lists(own, floor, questions, seed=SEED))

    def measure_new(self) -> PlacementMeasurement:
        """Compare the newest products first, as served, with the most popular of the new products."""
        is_new = find_new_items(self.window.past, published=self.shop.published)
        questions = query_purchases(self.window.weighed, self.window.future, self.draw, kind=self.target)
        relevant = csr_array(questions.relevant.multiply(is_new.astype(np.float32)[None, :]))
        relevant.eliminate_zeros()
        questions = replace(questions, relevant=relevant, among=is_new)
        if not questions.n_users:
            return PlacementMeasurement("wanted_new")
        first_seen_at = find_first_seen(self.window.past, published=self.shop.published)
        recency = np.where(
            np.isfinite(first_seen_at), 1.0 - (self.window.past.as_of - first_seen_at) / (NEW_DAYS * DAY), -np.inf
        )
        own = repeat_for_all(recency.astype(np.float32), questions)
        popular = repeat_for_all(score_without_history(self.components["popularity"]), questions)
        return PlacementMeasurement("wanted_new", evaluate_lists(own, popular, questions, seed=SEED))

    def find_excluded(self, questions: EvaluationQueries) -> csr_array | None:
        """Return the products that for-you excludes."""
        if not self.shop.split.exclude_seen:
            return None
        return self.window.past.histories(questions.person).get_seen_items(self.shop.split.seen_kinds)


def measure_trending(
    windows: Sequence[EvaluationWindow],
    questions: Sequence[EvaluationQueries],
    shares: Mapping[str, float],
    normalization: str,
) -> PlacementMeasurement:
    """Evaluate trending over several windows, in total and per window; needs components trending and popularity."""
    own, popular = [], []
    for window, queries in zip(windows, questions, strict=True):
        scores = {name: score_without_history(window.components[name]) for name in ("trending", "popularity")}
        own.append(summarize_scores(repeat_for_all(mix_lists(scores, shares, normalization), queries), queries))
        popular.append(summarize_scores(repeat_for_all(scores["popularity"], queries), queries))
    person = np.concatenate([queries.person for queries in questions])
    totals = [{name: np.concatenate([part[name] for part in parts]) for name in parts[0]} for parts in (own, popular)]
    per_window = {
        f"from:{int(window.past.as_of)}": compare_scores(own_figures, popular_figures, queries.person, seed=SEED)
        for window, queries, own_figures, popular_figures in zip(windows, questions, own, popular, strict=True)
    }
    return PlacementMeasurement("next_week", compare_scores(totals[0], totals[1], person, seed=SEED), per_window)


def compare_without_repeats(own: Lists, fallback: Lists, questions: EvaluationQueries) -> dict[str, QueryScores]:
    """Return the comparison on products the customer had never bought before."""
    if questions.known is None or questions.known.all():
        return {}
    first = np.flatnonzero(~questions.known)
    some = replace(questions, relevant=questions.relevant[first, :], person=questions.person[first])
    return {"without_repeats": evaluate_lists(own[first], fallback[first], some, seed=SEED)}


def score_without_history(algorithm: Algorithm) -> npt.NDArray[np.float32]:
    """Return the scores of an algorithm that ignores the history."""
    n_items = len(getattr(algorithm, "scores_" if hasattr(algorithm, "scores_") else "counts_"))
    return np.asarray(algorithm.score(Histories.of_lists([[]], n_items=n_items)), np.float32)[0]
