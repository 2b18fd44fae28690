"""The places of a shop, asked about one stretch of time: what each would have shown, and what would have been shown without it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from recommendations.engine import KIND_CODES, Algorithm, Interactions, Products
from recommendations.engine.algorithms.ensembles.weighted_ensemble import Blend
from recommendations.engine.data.event_weights import EventWeights
from recommendations.engine.data.histories import Histories
from recommendations.engine.evaluation.evaluation_queries import (
    DAY,
    MOST_IN_CART,
    NEW_DAYS,
    Draw,
    Questions,
    bought_again,
    first_seen,
    left_out_of_baskets,
    new_items,
    next_basket,
    next_looked_at,
    next_of_the_category,
    next_with_recent,
    wanted,
)
from recommendations.engine.evaluation.placement_evaluation import (
    Judged,
    Lists,
    blended,
    category_lists,
    compared,
    figures,
    judge_lists,
    mixed,
    ranked,
    same_for_all,
    weigh,
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
from recommendations.training.data.time_split import Cuts
from recommendations.training.tuning.tuning import SEED, Choice

LEAST_PEOPLE = 30  # fewer say nothing
LEVEL = 2  # of the category paths
RANK = "rank"
RANKED_SET = 200
FROM_PRODUCTS = ("content", "item-knn", "co-purchase", "transitions", "session-neighbours")
MAY_USE: dict[str, tuple[str, ...]] = {
    SIMILAR: FROM_PRODUCTS,
    BOUGHT_TOGETHER: FROM_PRODUCTS,
    CART: FROM_PRODUCTS,
    BUY_AGAIN: ("repeat-rhythm", "repeat", "user-knn", "popularity"),
}
CATEGORY_POOL = 300  # of the best products, as serving looks at


@dataclass(frozen=True, eq=False)
class Shop:
    """What the places are judged by. interactions: weights as told; published: seconds since 1970 of each product, NaN unknown."""

    interactions: Interactions
    products: Products
    cuts: Cuts
    published: npt.NDArray[np.float64] | None = None

    @cached_property
    def categories(self) -> tuple[npt.NDArray[np.int32], list[str]]:
        """The category of each product cut to LEVEL, -1 for none, and their paths."""
        products = self.products
        if products.category is None or products.categories is None:
            return np.full(self.interactions.n_items, -1, np.int32), []
        paths = [" > ".join(path.split(" > ")[:LEVEL]) for path in products.categories.ids()]
        names = sorted({path for path in paths if path})
        places = {name: place for place, name in enumerate(names)}
        of_path = np.array([places.get(path, -1) for path in paths], np.int32)
        return np.where(products.category >= 0, of_path[products.category], -1).astype(np.int32), names


@dataclass(frozen=True, eq=False)
class Stretch:
    """Past and future of a cut, weights as told; weighed: the past as scores start from it; parts: fitted on it."""

    past: Interactions
    weighed: Interactions
    future: Interactions
    parts: Mapping[str, Algorithm] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        interactions: Interactions,
        weighing: EventWeights,
        *,
        at: float,
        until: float,
        parts: Mapping[str, Algorithm] | None = None,
    ) -> "Stretch":
        past = interactions.before(at)
        return cls(past, weighing.of(past), _between(interactions, at, until), parts or {})


def _between(interactions: Interactions, at: float, until: float) -> Interactions:
    return interactions.subset((interactions.order >= at) & (interactions.order < until))


@dataclass(frozen=True, eq=False)
class Made:
    """What a place is made of: part → share; nothing where it is made of no part, as what somebody has just viewed."""

    weights: dict[str, float]


@dataclass(frozen=True, eq=False)
class Measured:
    """asked: which question it was; judged: against what takes over; beside: further comparisons by name."""

    asked: str
    judged: Judged | None = None
    beside: dict[str, Judged] = field(default_factory=dict)


class Asking:
    """Places asked about one stretch. similar: the weights of that place, which takes over from bought-together."""

    def __init__(self, shop: Shop, choice: Choice, stretch: Stretch, draw: Draw) -> None:
        self.shop, self.choice, self.stretch, self.draw = shop, choice, stretch, draw
        self.parts, self.target = stretch.parts, shop.cuts.target
        self.similar: dict[str, float] = {}
        self.asked: dict[str, tuple[str, Questions]] = {}

    @cached_property
    def for_you(self) -> Blend:
        return self.blended(self.choice.weights)

    def blended(self, weights: Mapping[str, float]) -> Blend:
        """As serving blends a place: every part normalised as those of for-you."""
        return blended(self.parts, weights, self.choice.normalisation)

    @cached_property
    def has_views(self) -> bool:
        """Enough to judge by."""
        return next_looked_at(self.stretch.future, self.draw).people >= LEAST_PEOPLE

    def weigh(self, name: str) -> Made | None:
        """What the place ought to be made of by this stretch; None where that cannot be said."""
        if name not in MAY_USE:
            return Made({})
        parts = {part: self.parts[part] for part in MAY_USE[name] if part in self.parts}
        _asked, questions = self.questions(name)
        if not parts or questions.people < LEAST_PEOPLE:
            return None
        return Made(weigh(parts, questions, normalisation=self.choice.normalisation)[0])

    def measure(self, name: str, made: Made) -> Measured:
        if name == NEW:
            return self.measure_new()
        if name == RECENTLY_VIEWED:
            return self.measure_recent()
        if name == CATEGORIES:
            return self.measure_categories()
        if name == RANK:
            return self.measure_rank()
        if name == BUY_AGAIN:
            return self.measure_again(made)
        asked, questions = self.questions(name)
        if not questions.people or not made.weights:
            return Measured(asked)
        own = ranked(self.blended(made.weights), questions, seed=SEED)
        other: Algorithm = self.parts["popularity"]
        if name == BOUGHT_TOGETHER and self.similar:
            other = self.blended(self.similar)
        fallback = ranked(other, questions, seed=SEED)
        return Measured(
            asked, judge_lists(own, fallback, questions, seed=SEED), without_repeats(own, fallback, questions)
        )

    def questions(self, name: str) -> tuple[str, Questions]:
        """A word for the question, and the questions of a place that is made of parts."""
        if name not in self.asked:
            self.asked[name] = self._questions(name)
        return self.asked[name]

    def _questions(self, name: str) -> tuple[str, Questions]:
        past, future = self.stretch.past, self.stretch.future
        if name == SIMILAR and self.has_views:
            return "next_view", next_looked_at(future, self.draw)
        if name == SIMILAR:
            category = self.shop.products.category
            none = np.full(future.n_items, -1, np.int32)
            codes = category if category is not None else none
            return "next_basket_category", next_of_the_category(future, codes, self.draw, kind=self.target)
        if name == BUY_AGAIN:
            return "again", bought_again(self.stretch.weighed, past, future, self.draw, kind=self.target)
        given = 1 if name == BOUGHT_TOGETHER else MOST_IN_CART
        asked = "one_of_basket" if name == BOUGHT_TOGETHER else "rest_of_basket"
        return asked, left_out_of_baskets(past, future, self.draw, given=given, kind=self.target)

    def measure_again(self, made: Made) -> Measured:
        """Against for-you among the same products; beside it, by all that was bought, against for-you as it is."""
        asked, questions = self.questions(BUY_AGAIN)
        if not questions.people or not made.weights:
            return Measured(asked)
        own = ranked(self.blended(made.weights), questions, seed=SEED)
        judged = judge_lists(own, ranked(self.for_you, questions, seed=SEED), questions, seed=SEED)
        later = self.stretch.future.subset(self.stretch.future.kind == KIND_CODES[self.target]).user_items()
        everything = replace(
            questions, relevant=csr_array(later[questions.person, :]), offered=None, barred=self.seen(questions)
        )
        free = ranked(self.for_you, everything, seed=SEED)
        return Measured(asked, judged, {"for_you_unrestricted": judge_lists(own, free, everything, seed=SEED)})

    def measure_recent(self) -> Measured:
        questions, recent = next_with_recent(self.stretch.past, self.stretch.future, self.draw)
        if not questions.people:
            return Measured("next_in_visit")
        popular = ranked(self.parts["popularity"], questions, seed=SEED)
        return Measured("next_in_visit", judge_lists(recent, popular, questions, seed=SEED))

    def measure_categories(self) -> Measured:
        category, names = self.shop.categories
        if not names:
            return Measured("next_basket")
        questions = next_basket(self.stretch.weighed, self.stretch.future, self.draw, kind=self.target)
        lists, relevant = category_lists(self.for_you, questions, category, len(names), pool=CATEGORY_POOL)
        popular, _ = category_lists(self.parts["popularity"], questions, category, len(names), pool=CATEGORY_POOL)
        return Measured("next_basket", judge_lists(lists, popular, replace(questions, relevant=relevant), seed=SEED))

    def measure_rank(self) -> Measured:
        """The most popular products that for-you may show, as they are and in the person's order."""
        popular = scores_of(self.parts["popularity"])
        among = np.zeros(len(popular), np.bool_)
        best = top_n(popular[None, :], RANKED_SET).items[0]
        among[best[best >= 0]] = True
        questions = wanted(self.stretch.weighed, self.stretch.future, self.draw, kind=self.target)
        seen = self.seen(questions)
        relevant = csr_array(questions.relevant.multiply(among.astype(np.float32)[None, :]))
        if seen is not None:
            relevant = csr_array(relevant - relevant.multiply(seen > 0))
        relevant.eliminate_zeros()
        questions = replace(questions, relevant=relevant, among=among, barred=seen)
        own, floor = (ranked(one, questions, seed=SEED) for one in (self.for_you, self.parts["popularity"]))
        return Measured("popular_reordered", judge_lists(own, floor, questions, seed=SEED))

    def measure_new(self) -> Measured:
        """The newest first, as serving has them, against the most popular of the new ones."""
        among = new_items(self.stretch.past, published=self.shop.published)
        questions = wanted(self.stretch.weighed, self.stretch.future, self.draw, kind=self.target)
        relevant = csr_array(questions.relevant.multiply(among.astype(np.float32)[None, :]))
        relevant.eliminate_zeros()
        questions = replace(questions, relevant=relevant, among=among)
        if not questions.people:
            return Measured("wanted_new")
        begun = first_seen(self.stretch.past, published=self.shop.published)
        fresh = np.where(np.isfinite(begun), 1.0 - (self.stretch.past.as_of - begun) / (NEW_DAYS * DAY), -np.inf)
        own = same_for_all(fresh.astype(np.float32), questions)
        popular = same_for_all(scores_of(self.parts["popularity"]), questions)
        return Measured("wanted_new", judge_lists(own, popular, questions, seed=SEED))

    def seen(self, questions: Questions) -> csr_array | None:
        """What for-you leaves out."""
        if not self.shop.cuts.exclude_seen:
            return None
        return self.stretch.past.histories(questions.person).seen(self.shop.cuts.seen_kinds)


def measure_rising(
    stretches: Sequence[Stretch], questions: Sequence[Questions], shares: Mapping[str, float], normalisation: str
) -> Measured:
    """What is trending, asked about several stretches: all of them together, and each beside. parts: trending and popularity."""
    own, floor = [], []
    for one, asked in zip(stretches, questions, strict=True):
        scores = {name: scores_of(one.parts[name]) for name in ("trending", "popularity")}
        own.append(figures(same_for_all(mixed(scores, shares, normalisation), asked), asked))
        floor.append(figures(same_for_all(scores["popularity"], asked), asked))
    person = np.concatenate([asked.person for asked in questions])
    both = [{name: np.concatenate([part[name] for part in parts]) for name in parts[0]} for parts in (own, floor)]
    beside = {
        f"from:{int(one.past.as_of)}": compared(mine, other, asked.person, seed=SEED)
        for one, asked, mine, other in zip(stretches, questions, own, floor, strict=True)
    }
    return Measured("next_week", compared(both[0], both[1], person, seed=SEED), beside)


def without_repeats(own: Lists, fallback: Lists, questions: Questions) -> dict[str, Judged]:
    """By what the person had never bought before, alone."""
    if questions.known is None or questions.known.all():
        return {}
    first = np.flatnonzero(~questions.known)
    some = replace(questions, relevant=questions.relevant[first, :], person=questions.person[first])
    return {"without_repeats": judge_lists(own[first], fallback[first], some, seed=SEED)}


def scores_of(algorithm: Algorithm) -> npt.NDArray[np.float32]:
    """Of an algorithm to which the history does not matter."""
    n_items = len(getattr(algorithm, "scores_" if hasattr(algorithm, "scores_") else "counts_"))
    return np.asarray(algorithm.score(Histories.of_lists([[]], n_items=n_items)), np.float32)[0]
