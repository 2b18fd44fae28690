"""Past and future of a shop's data: what is learnt from, what is chosen by, what is judged by."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from recommendations.engine import KIND_CODES, KINDS, Interactions
from recommendations.engine.evaluation import Split, cut_in_time
from recommendations.engine.evaluation.splits import EmptySplitError

DAY = 86_400.0
HORIZON_DAYS = 28.0
REPEATS_FROM_SHARE = 0.2
# a recommendation is meant to lead to the first of these that there is before and after every cut
TARGETS = ("purchase", "cart", "wishlist", "view", "rating")


@dataclass(frozen=True, eq=False)
class Cuts:
    """Weights as told. validation: the last but one stretch of time after all before it; test: the last stretch after all before it.

    What comes later is of the `target` kind alone. seen_kinds: places in KINDS of what makes a product seen, where `exclude_seen`.
    """

    validation: Split
    test: Split
    target: str
    seen_kinds: list[int]
    repeat_share: float
    exclude_seen: bool


def cut(interactions: Interactions) -> Cuts:
    """Errors: EmptySplitError for a history that is too short."""
    horizon = horizon_days(interactions) * DAY
    end = interactions.as_of
    validation = cut_in_time(interactions, at=end - 2 * horizon, until=end - horizon)
    test = cut_in_time(interactions, at=end - horizon)
    target = target_of(validation, test)
    validation, test = of_kind(validation, target), of_kind(test, target)
    seen = [code for kind, code in KIND_CODES.items() if code >= KIND_CODES[target] and kind != "rating"]
    share = repeat_share(of_kinds(validation.train, seen), validation.test)
    return Cuts(validation, test, target, seen, share, share < REPEATS_FROM_SHARE)


def horizon_days(interactions: Interactions) -> float:
    """Four weeks, or a seventh of the time that there is, whichever is shorter."""
    span = (interactions.as_of - float(interactions.order.min())) / DAY
    return min(HORIZON_DAYS, span / 7)


def target_of(*splits: Split) -> str:
    for kind in TARGETS:
        code = KIND_CODES[kind]
        if all((part.kind == code).any() for split in splits for part in (split.train, split.test)):
            return kind
    raise EmptySplitError(f"none of {', '.join(TARGETS)} occurs before and after both cuts")


def of_kind(split: Split, kind: str) -> Split:
    return replace(split, test=of_kinds(split.test, [KIND_CODES[kind]]))


def of_kinds(interactions: Interactions, kinds: list[int]) -> Interactions:
    return interactions.subset(np.isin(interactions.kind, kinds))


def repeat_share(past: Interactions, later: Interactions) -> float:
    """Which share of the later (person, product) pairs was there before: decides whether a shop's customers buy again."""
    then, now = past.user_items() > 0, later.user_items() > 0
    return float(now.multiply(then).nnz / now.nnz) if now.nnz else 0.0


def some_people(split: Split, *, lines: int, people: int, seed: int) -> tuple[Split, npt.NDArray[np.int32]]:
    """The split with the past and future of a random part of the people, about ``lines`` interactions of their past, and whom to judge.

    These are at most ``people`` of those who have a future.
    """
    draws = np.random.default_rng(seed)
    counts = np.bincount(split.train.user, minlength=split.train.n_users)
    drawn = draws.permutation(split.train.n_users)
    chosen = np.zeros(split.train.n_users, np.bool_)
    chosen[drawn[: int(np.searchsorted(np.cumsum(counts[drawn]), lines)) + 1]] = True
    judged = np.flatnonzero(chosen & (np.bincount(split.test.user, minlength=len(chosen)) > 0))
    few: npt.NDArray[np.int32] = np.sort(draws.permutation(judged)[:people]).astype(np.int32)
    return Split(split.train.subset(chosen[split.train.user]), split.test.subset(chosen[split.test.user])), few


def kinds_in(interactions: Interactions) -> dict[str, int]:
    counts = np.bincount(interactions.kind, minlength=len(KINDS)).tolist()
    return {kind: count for kind, count in zip(KINDS, counts, strict=True) if count}
