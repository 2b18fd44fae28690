"""Time split of a shop's data into training, validation and test parts."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from recommendations.engine import KIND_CODES, KINDS, Interactions
from recommendations.engine.evaluation import Split, split_by_moment
from recommendations.engine.evaluation.splits import EmptySplitError

DAY_SECONDS = 86_400.0
MAX_HORIZON_DAYS = 28.0
MIN_REPEAT_SHARE = 0.2
# the target of recommendations is the first of these that occurs before and after both split points
TARGETS = ("purchase", "cart", "wishlist", "view", "rating")


@dataclass(frozen=True, eq=False)
class TimeSplit:
    """Validation: the second to last period, with everything before it as past. Test: the last period, with everything before it as past.

    Weights are as recorded. Future interactions are of the `target` type only. seen_kinds: indexes in KINDS of the
    types that make a product seen, if `exclude_seen`.
    """

    validation: Split
    test: Split
    target: str
    seen_kinds: list[int]
    repeat_share: float
    exclude_seen: bool


def split_by_time(interactions: Interactions) -> TimeSplit:
    """Split the interactions. Raises EmptySplitError if the history is too short."""
    horizon = choose_horizon_days(interactions) * DAY_SECONDS
    end = interactions.as_of
    validation = split_by_moment(interactions, at=end - 2 * horizon, until=end - horizon)
    test = split_by_moment(interactions, at=end - horizon)
    target = find_target(validation, test)
    validation, test = keep_target_kind(validation, target), keep_target_kind(test, target)
    # The codes are in the order of the funnel: a product is seen once it reached the target or a later step.
    seen_kinds = [code for kind, code in KIND_CODES.items() if code >= KIND_CODES[target] and kind != "rating"]
    # Measured before the test part, so that the decision does not depend on the purchases it is tested on.
    repeat_share = compute_repeat_share(keep_kinds(validation.train, seen_kinds), validation.test)
    return TimeSplit(validation, test, target, seen_kinds, repeat_share, repeat_share < MIN_REPEAT_SHARE)


def choose_horizon_days(interactions: Interactions) -> float:
    """Return the period in days: four weeks, or a seventh of the history if that is shorter."""
    history_days = (interactions.as_of - float(interactions.order.min())) / DAY_SECONDS
    return min(MAX_HORIZON_DAYS, history_days / 7)


def find_target(*splits: Split) -> str:
    """Return the first type of TARGETS that occurs in every part. Raises EmptySplitError."""
    for kind in TARGETS:
        code = KIND_CODES[kind]
        if all((part.kind == code).any() for split in splits for part in (split.train, split.test)):
            return kind
    raise EmptySplitError(f"none of {', '.join(TARGETS)} occurs before and after both split points")


def keep_target_kind(split: Split, kind: str) -> Split:
    """Return the split with future interactions of one type only."""
    return replace(split, test=keep_kinds(split.test, [KIND_CODES[kind]]))


def keep_kinds(interactions: Interactions, kinds: list[int]) -> Interactions:
    """Return the interactions of the given types."""
    return interactions.select(np.isin(interactions.kind, kinds))


def compute_repeat_share(past: Interactions, later: Interactions) -> float:
    """Return the share of later (customer, product) pairs that already existed.

    It shows whether customers buy the same products again.
    """
    past_pairs, later_pairs = past.build_user_items() > 0, later.build_user_items() > 0
    return float(later_pairs.multiply(past_pairs).nnz / later_pairs.nnz) if later_pairs.nnz else 0.0


def sample_users(
    split: Split, *, n_interactions: int, max_evaluated: int, seed: int
) -> tuple[Split, npt.NDArray[np.int32]]:
    """Return the split for a random sample of users, and the user rows to evaluate.

    The sample has about ``n_interactions`` past interactions. At most ``max_evaluated`` of its users with a future are
    evaluated.
    """
    rng = np.random.default_rng(seed)
    counts = np.bincount(split.train.user, minlength=split.train.n_users)
    shuffled = rng.permutation(split.train.n_users)
    is_sampled = np.zeros(split.train.n_users, np.bool_)
    # Whole users, because a history with gaps would look like different habits.
    is_sampled[shuffled[: int(np.searchsorted(np.cumsum(counts[shuffled]), n_interactions)) + 1]] = True
    with_future = np.flatnonzero(is_sampled & (np.bincount(split.test.user, minlength=len(is_sampled)) > 0))
    evaluated: npt.NDArray[np.int32] = np.sort(rng.permutation(with_future)[:max_evaluated]).astype(np.int32)
    sample = Split(split.train.select(is_sampled[split.train.user]), split.test.select(is_sampled[split.test.user]))
    return sample, evaluated


def count_kinds(interactions: Interactions) -> dict[str, int]:
    """Return the number of interactions of each type that occurs."""
    counts = np.bincount(interactions.kind, minlength=len(KINDS)).tolist()
    return {kind: count for kind, count in zip(KINDS, counts, strict=True) if count}
