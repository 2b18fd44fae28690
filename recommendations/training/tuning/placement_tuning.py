"""What each place of the shop is made of, by the validation part, and whether it beats what takes over without it, by the test part."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from recommendations.engine import KIND_CODES, Algorithm, Interactions
from recommendations.engine.algorithms.popularity.trending import Trending
from recommendations.engine.evaluation import Interval, Split
from recommendations.engine.evaluation.evaluation_queries import Draw, next_looked_at, wanted
from recommendations.engine.evaluation.placement_evaluation import METRICS, PRIMARY, Judged, best_shares, compared
from recommendations.engine.placements import (
    BOUGHT_TOGETHER,
    BUY_AGAIN,
    CART,
    CATEGORIES,
    FOR_YOU,
    NEW,
    POPULAR,
    RECENTLY_VIEWED,
    SCENARIOS,
    SIMILAR,
    TRENDING,
)
from recommendations.engine.tuning.parameter_search import search
from recommendations.training.budget import Budget
from recommendations.training.data.time_split import DAY, some_people
from recommendations.training.evaluation.evaluation import Judgement
from recommendations.training.evaluation.placement_evaluation import (
    LEAST_PEOPLE,
    MAY_USE,
    RANK,
    Asking,
    Made,
    Measured,
    Shop,
    Stretch,
    measure_rising,
    scores_of,
)
from recommendations.training.evaluation.promotion_criteria import Reason, reason
from recommendations.training.tuning.tuning import AT, SEED, TUNING_LINES, Choice, Step, fit_one, number

SHARE_OF_CHOOSING, SHARE_OF_JUDGING = 0.14, 0.06  # of the seconds of a training
SHARE_OF_FITS = 0.06  # for fitting on all that came before the validation part; else on what some people did
SHARE_OF_OTHERS = 0.05  # for fitting a part twice that for-you does not need; what takes longer is not used
SHARE_OF_RISING = 0.03  # for the parameters of what is trending
CHOOSING_CELLS, JUDGING_CELLS = 30_000_000, 60_000_000  # scores of all products for all questions
STRETCH_DAYS, MOST_STRETCHES = 7.0, 4
# similar before bought-together, from which it takes over; then the cheap ones
IN_ORDER = (SIMILAR, RECENTLY_VIEWED, NEW, CART, BOUGHT_TOGETHER, BUY_AGAIN, CATEGORIES, RANK)
RISING: dict[str, tuple[Any, ...]] = {
    "popularity": (0.0, 0.1, 0.2, 0.35, 0.5),  # its share: never more than what rises has
    "level": (0.0, 0.25, 0.5, 1.0),
    "window_days": (3.0, 7.0, 14.0, 28.0),
    "shrinkage": (1.0, 3.0, 10.0, 30.0),
    "half_life_days": (28.0, 56.0, 90.0, None),
}
RISING_START = {"popularity": 0.2, "level": 0.5, "window_days": 7.0, "shrinkage": 3.0, "half_life_days": 56.0}


@dataclass(frozen=True, eq=False)
class Place:
    """What was found out about a place.

    made: None where nothing could be made of it. validation, measured: what it did on the validation and on the test part. why: where that
    does not decide.
    """

    name: str
    made: Made | None = None
    validation: Judged | None = None
    measured: Measured = field(default_factory=lambda: Measured(""))
    why: Reason | None = None

    @property
    def fallback(self) -> str | None:
        return SCENARIOS[self.name].fallback if self.name in SCENARIOS else POPULAR

    def verdict(self) -> tuple[bool, Reason]:
        """Whether it is on, and why. What could not be judged is on: nothing speaks against it."""
        judged = self.measured.judged
        if judged is None and self.validation is not None and not self.validation.difference[PRIMARY].value > 0:
            before = self.validation.difference[PRIMARY].value
            unknown = {"difference": None, "low": None, "high": None}
            return False, reason("place_not_chosen", fallback=self.fallback, before=before, **unknown)
        if self.why is not None:
            return self.made is not None, self.why
        if judged is None or judged.people < LEAST_PEOPLE:
            return True, reason("place_too_few", people=judged.people if judged is not None else 0, least=LEAST_PEOPLE)
        after = judged.difference[PRIMARY]
        values = {"fallback": self.fallback, "difference": after.value, "low": after.low, "high": after.high}
        if self.validation is not None and not self.validation.difference[PRIMARY].value > 0:
            before = self.validation.difference[PRIMARY].value
            return False, reason("place_not_chosen", before=before, **values)
        return judged.beats(), reason("place_better" if judged.beats() else "place_no_better", **values)

    def as_json(self) -> dict[str, Any]:
        on, why = self.verdict()
        made, measured = self.made or Made({}), self.measured
        return {
            "weights": made.weights,
            "on": on,
            "why": why,
            "fallback": self.fallback,
            "figures": {
                "asked": measured.asked,
                **told(measured.judged),
                "validation": told(self.validation) if self.validation is not None else None,
                "beside": {name: told(judged) for name, judged in measured.beside.items()},
            },
        }


@dataclass(frozen=True, eq=False)
class Chosen:
    """By the validation part. choice: with what places need beside for-you; late: visits begin after the validation part only."""

    places: dict[str, Place]
    choice: Choice
    late: bool = False


def choose_places(*, shop: Shop, choice: Choice, budget: Budget, step: Step) -> Chosen:
    """What places are made of, by what happened in the validation part. Whatever ``step`` raises."""
    return _Choosing(shop, choice, budget, step).run()


def judge_places(
    *, shop: Shop, chosen: Chosen, judgement: Judgement, budget: Budget, step: Step
) -> tuple[dict[str, Place], Choice]:
    """The places with what they did on the test part, scored once, and the choice without what none of those that are on needs."""
    places = _Judging(shop, chosen, judgement, budget, step).run()
    needed = {part for place in places.values() if place.made and place.verdict()[0] for part in place.made.weights}
    others = chosen.choice.others
    return places, chosen.choice.with_others({name: others[name] for name in others if name in needed})


def starting_places(components: Collection[str], why: Reason) -> dict[str, Place]:
    """Places as they are before anything is known of the shop, of those parts that there are."""
    places = {name: replace(started(name, components), why=why) for name in SCENARIOS}
    return {name: place if place.made else started(name, components) for name, place in places.items()}


def started(name: str, components: Collection[str]) -> Place:
    usual = SCENARIOS[name].weights if name in SCENARIOS else {}
    shares = {part: share for part, share in usual.items() if part in components}
    total = sum(shares.values())
    if usual and not total:
        return Place(name, why=reason("place_no_part"))
    return Place(name, Made({part: round(share / total, 4) for part, share in shares.items()}))


class _Timed:
    """A part of the seconds."""

    share: float

    def __init__(self, shop: Shop, choice: Choice, budget: Budget, step: Step) -> None:
        self.shop, self.choice, self.budget, self.step = shop, choice, budget, step
        self.end = budget.spent() + self.share * budget.seconds
        self.places: dict[str, Place] = {}
        n_items = shop.interactions.n_items
        self.choosing = Draw.of_cells(CHOOSING_CELLS, n_items, people=400, each=2, seed=SEED)
        self.judging = Draw.of_cells(JUDGING_CELLS, n_items, people=1500, each=3, seed=SEED)

    def has_time(self, share: float) -> bool:
        self.step("places", share)
        return self.budget.spent() < self.end

    def interactions_of(self, part: Split, whole: Split) -> Interactions:
        if part is whole:
            return self.shop.interactions
        people = np.bincount(part.train.user, minlength=part.train.n_users) > 0
        return self.shop.interactions.subset(people[self.shop.interactions.user])


class _Choosing(_Timed):
    share = SHARE_OF_CHOOSING

    def run(self) -> Chosen:
        cuts = self.shop.cuts
        at, until = cuts.validation.train.as_of, cuts.test.train.as_of
        self.described = {**self.choice.spare, **self.choice.components}
        self.places[TRENDING], self.described[TRENDING] = self.rising(at, until)
        part = self.part()
        interactions = self.interactions_of(part, cuts.validation)
        stretch = Stretch.of(interactions, self.choice.weighing, at=at, until=until)
        stretch = replace(stretch, parts=self.fitted(stretch))
        asking = Asking(self.shop, self.choice, stretch, self.choosing)
        late = has_visits(self.shop, self.judging, at=until) and not asking.has_views
        for name in IN_ORDER:
            if not self.has_time(0.59):
                self.places[name] = replace(started(name, stretch.parts), why=reason("place_no_time"))
            elif name == SIMILAR and late:
                self.places[name] = started(name, stretch.parts)
            else:
                self.places[name] = self.chosen(name, asking)
            if name == SIMILAR and (made := self.places[name].made) is not None:
                asking.similar = made.weights
        return Chosen(self.places, self.choice.with_others(self.others(late)), late)

    def chosen(self, name: str, asking: Asking) -> Place:
        made = asking.weigh(name)
        if made is None:
            return started(name, asking.parts)
        return Place(name, made, asking.measure(name, made).judged)

    def names(self) -> list[str]:
        """What is fitted to choose by."""
        usable = {part for parts in MAY_USE.values() for part in parts} | {TRENDING}
        return [
            name
            for name in self.described
            if self.choice.weights.get(name)
            or name == "popularity"
            or (name in usable and (name in self.choice.components or self.is_cheap(name)))
        ]

    def is_cheap(self, name: str) -> bool:
        """Fitted once more for the test and once more to serve."""
        return 2 * self.choice.fit_s.get(name, 0.0) <= SHARE_OF_OTHERS * self.budget.seconds

    def part(self) -> Split:
        """All people, or some where fitting on all would take too long."""
        whole = self.shop.cuts.validation
        if sum(self.choice.fit_s.get(name, 0.0) for name in self.names()) <= SHARE_OF_FITS * self.budget.seconds:
            return whole
        return some_people(whole, lines=TUNING_LINES, people=1, seed=SEED)[0]

    def fitted(self, stretch: Stretch) -> dict[str, Algorithm]:
        found = {}
        for name in self.names():
            self.step("places", 0.58)
            found[name] = fit_one(self.described[name], stretch.weighed, self.shop.products)
        return found

    def others(self, late: bool) -> dict[str, dict[str, Any]]:
        """What places are made of, or may be where visits come late, beside the components of for-you."""
        needed = {part for place in self.places.values() if place.made for part in place.made.weights}
        if late:
            needed |= {name for name in MAY_USE[SIMILAR] if self.is_cheap(name)}
        return {name: self.described[name] for name in sorted(needed) if name in self.described}

    def rising(self, at: float, until: float) -> tuple[Place, dict[str, Any]]:
        """What is trending: its parameters, and how much popularity is mixed in, by several stretches of time."""
        stretches = self.rising_stretches(at=at, until=until)
        asked = [wanted(one.weighed, one.future, self.choosing, kind=self.shop.cuts.target) for one in stretches]

        def of(parameters: Mapping[str, Any]) -> list[Stretch]:
            given = {name: value for name, value in parameters.items() if name != "popularity"}
            return [
                replace(one, parts={**one.parts, TRENDING: Trending(**given).fit(one.weighed)}) for one in stretches
            ]

        def evaluate(parameters: dict[str, Any]) -> float:
            self.step("places", 0.57)
            scores = [{name: scores_of(part) for name, part in one.parts.items()} for one in of(parameters)]
            return best_shares(
                scores, asked, shares=[rising_shares(parameters)], normalisation=self.choice.normalisation
            )[1]

        if sum(one.people for one in asked) < LEAST_PEOPLE:
            return Place(TRENDING, Made({TRENDING: 1.0})), rising_described(RISING_START)
        budget_s = SHARE_OF_RISING * self.budget.seconds
        found = search(
            space=RISING,
            evaluate=evaluate,
            budget_s=budget_s,
            seed=SEED,
            start=RISING_START,
            patience=5,
            clock=self.budget.clock,
        ).best.parameters
        made = Made({name: share for name, share in rising_shares(found).items() if share})
        judged = measure_rising(of(found), asked, made.weights, self.choice.normalisation).judged
        return Place(TRENDING, made, judged), rising_described(found)

    def rising_stretches(self, *, at: float, until: float) -> list[Stretch]:
        return rising_stretches(self.shop, self.choice, at=at, until=until)


class _Judging(_Timed):
    share = SHARE_OF_JUDGING

    def __init__(self, shop: Shop, chosen: Chosen, judgement: Judgement, budget: Budget, step: Step) -> None:
        super().__init__(shop, chosen.choice, budget, step)
        self.chosen, self.judgement, self.places = chosen, judgement, dict(chosen.places)

    def run(self) -> dict[str, Place]:
        at = self.shop.cuts.test.train.as_of
        stretch = Stretch.of(
            self.shop.interactions, self.choice.weighing, at=at, until=np.inf, parts=self.judgement.parts
        )
        asking = Asking(self.shop, self.choice, stretch, self.judging)
        if self.chosen.late and self.has_time(0.84):
            self.places[SIMILAR], asking.stretch = self.late(stretch)
        for name in IN_ORDER:
            place = self.places[name]
            if place.why is None and place.made is not None:
                self.places[name] = (
                    replace(place, measured=asking.measure(name, place.made))
                    if self.has_time(0.84)
                    else replace(place, why=reason("place_no_time"))
                )
            if name == SIMILAR:
                asking = Asking(self.shop, self.choice, stretch, self.judging)
                made = self.places[name].made
                asking.similar = made.weights if made is not None else {}
        self.places[TRENDING] = self.rising(at)
        self.places[FOR_YOU] = self.beside_popularity(FOR_YOU, self.judgement.served, reason("place_promotion"))
        self.places[POPULAR] = self.beside_popularity(POPULAR, "popularity", reason("place_floor"))
        return {name: self.places[name] for name in (*SCENARIOS, RANK)}

    def late(self, stretch: Stretch) -> tuple[Place, Stretch]:
        """Visits that begin after the validation part: the first half of them chooses what is similar, the second judges."""
        viewed = stretch.future.order[np.isin(stretch.future.kind, [KIND_CODES["view"], KIND_CODES["click"]])]
        half = float(np.median(viewed))
        early = replace(stretch, future=stretch.future.subset(stretch.future.order < half))
        asking = Asking(self.shop, self.choice, early, self.choosing)
        made = asking.weigh(SIMILAR) if asking.has_views else None
        if made is None:
            return self.places[SIMILAR], stretch
        place = Place(SIMILAR, made, asking.measure(SIMILAR, made).judged)
        return place, replace(stretch, future=stretch.future.subset(stretch.future.order >= half))

    def rising(self, at: float) -> Place:
        place = self.places[TRENDING]
        if place.made is None or not self.has_time(0.84):
            return replace(place, why=reason("place_no_time"))
        described = self.choice.components[TRENDING]
        stretches = [
            replace(one, parts={**one.parts, TRENDING: fit_one(described, one.weighed, self.shop.products)})
            for one in rising_stretches(self.shop, self.choice, at=at, until=self.shop.interactions.as_of)
        ]
        asked = [wanted(one.weighed, one.future, self.judging, kind=self.shop.cuts.target) for one in stretches]
        if not sum(one.people for one in asked):
            return place
        return replace(place, measured=measure_rising(stretches, asked, place.made.weights, self.choice.normalisation))

    def beside_popularity(self, name: str, served: str, why: Reason) -> Place:
        """As the whole version was judged."""
        evaluation = self.judgement.evaluation
        scores = {
            one: {metric: evaluation.scores[one][metric, AT] for metric in METRICS} for one in {served, "popularity"}
        }
        judged = compared(scores[served], scores["popularity"], evaluation.users, seed=SEED)
        weights = {part: share for part, share in self.choice.weights.items() if share}
        made = Made(weights if name == FOR_YOU else {"popularity": 1.0})
        return Place(name, made, measured=Measured("horizon", judged), why=why)


def rising_stretches(shop: Shop, choice: Choice, *, at: float, until: float) -> list[Stretch]:
    """Up to four weeks, or what there is, each with popularity fitted on what came before it."""
    last = max(until - STRETCH_DAYS * DAY, at)
    moments = [at + number * STRETCH_DAYS * DAY for number in range(MOST_STRETCHES)]
    found = []
    for moment in [one for one in moments if one <= last + 1.0]:
        stretch = Stretch.of(
            shop.interactions, choice.weighing, at=moment, until=min(moment + STRETCH_DAYS * DAY, until)
        )
        parts = {"popularity": fit_one(choice.components["popularity"], stretch.weighed, shop.products)}
        found.append(replace(stretch, parts=parts))
    return found


def rising_shares(parameters: Mapping[str, Any]) -> dict[str, float]:
    return {TRENDING: 1.0 - parameters["popularity"], "popularity": parameters["popularity"]}


def rising_described(parameters: Mapping[str, Any]) -> dict[str, Any]:
    given = {name: value for name, value in parameters.items() if name != "popularity"}
    return {"algorithm": TRENDING, "parameters": given}


def has_visits(shop: Shop, draw: Draw, *, at: float) -> bool:
    """Enough to choose by half of them and to judge by the other."""
    return next_looked_at(shop.interactions.after(at), draw).people >= 2 * LEAST_PEOPLE


def told(judged: Judged | None) -> dict[str, Any]:
    """As the record, the artifact and the card have it."""
    if judged is None:
        return {"judged": 0, "people": 0}
    sides = {"own": judged.own, "fallback": judged.fallback, "difference": judged.difference}
    return {
        "judged": judged.questions,
        "people": judged.people,
        "metric": f"{PRIMARY}@{AT}",
        **{
            f"{metric}@{AT}": {side: interval_told(found[metric]) for side, found in sides.items()}
            for metric in METRICS
        },
    }


def interval_told(interval: Interval) -> dict[str, float | None]:
    return {"value": number(interval.value), "low": number(interval.low), "high": number(interval.high)}
