"""Chooses the variant of a customer or visitor from memory: no query and no round trip for most requests.

The salted hash of one identifier decides, see `measurement.assignment`. For the unit customer that is the user ID or, before the
log-in, the visitor's ID; for the unit visitor it is the visitor's ID. Rule for conflicts: the earliest exposure of a person wins. A visitor who
becomes a customer keeps the visitor's variant (`kept_variants`); if two exposed people turn out to be one, results count the
person in the variant of the earliest exposure.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise
from typing import Any, Literal, NamedTuple

from recommendations.experiments.kept_variants import KeptVariant, read_kept_variants
from recommendations.experiments.models import Experiment
from recommendations.measurement.assignment import BUCKETS, compute_bucket

MAX_CACHED_BUCKETS = 20_000

type UnitKind = Literal["user_id", "anonymous_id"]


@dataclass(frozen=True)
class RunningVariant:
    """A variant in memory. first_bucket, end_bucket: the buckets that belong to it."""

    id: int
    key: str
    config: Mapping[str, Any]
    is_control: bool
    first_bucket: int
    end_bucket: int

    @property
    def propensity(self) -> float:
        """The probability with which it is chosen."""
        return (self.end_bucket - self.first_bucket) / BUCKETS


@dataclass(frozen=True)
class RunningExperiment:
    """A running experiment in memory."""

    id: int
    key: str
    kind: str
    subject: str
    unit: str
    salt: str
    method: str
    variants: tuple[RunningVariant, ...]

    @property
    def interleaved_arm(self) -> str:
        """The name of lists with the products of both variants in stored impressions."""
        return make_interleaved_arm(self.key)

    def find_variant(self, unit_key: str) -> RunningVariant:
        """Return the variant of a unit by its bucket."""
        bucket = compute_cached_bucket(self.salt, unit_key)
        for variant in self.variants:
            if bucket < variant.end_bucket:
                return variant
        return self.variants[-1]


def make_interleaved_arm(key: str) -> str:
    """Return the name of the interleaved lists of an experiment."""
    return f"{key}:interleaved"


class VariantAssignment(NamedTuple):
    """The variant of a visitor in one experiment. unit_kind: which identifier of the request decided, user_id or anonymous_id."""

    experiment: RunningExperiment
    variant: RunningVariant
    unit_kind: UnitKind
    propensity: float

    @property
    def arm(self) -> str:
        """The name of the variant in stored impressions."""
        return f"{self.experiment.key}:{self.variant.key}"


@dataclass(frozen=True)
class RunningExperiments:
    """All running experiments by kind and subject. fingerprint: what they were read from."""

    by_subject: Mapping[tuple[str, str], RunningExperiment] = field(default_factory=dict)
    fingerprint: tuple[Any, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.by_subject)


NO_EXPERIMENTS = RunningExperiments()


@lru_cache(maxsize=MAX_CACHED_BUCKETS)
def compute_cached_bucket(salt: str, unit_key: str) -> int:
    """Return the bucket of a unit; cached, because most visitors send several requests."""
    return compute_bucket(salt=salt, customer_id=unit_key)


def build_buckets(shares: Sequence[float]) -> list[tuple[int, int]]:
    """Return the first bucket and the end of each variant; the shares sum to 1, and rounding goes to the last one."""
    edges = [0]
    for share in shares[:-1]:
        edges.append(min(BUCKETS, edges[-1] + round(share * BUCKETS)))
    edges.append(BUCKETS)
    return list(pairwise(edges))


def assign_variant(
    experiment: RunningExperiment, *, user_id: str, anonymous_id: str, names: Sequence[str] = ()
) -> VariantAssignment | None:
    """Return the variant of a visitor; None without an identifier.

    names: "kind:value" of all identifiers that are linked to those of the request. A variant that one of them was served before is
    kept, the earliest if they differ; only people with several identifiers, and bandits, whose shares change, are looked up.
    """
    by_kind: dict[UnitKind, str] = {"user_id": user_id, "anonymous_id": anonymous_id}
    order: tuple[UnitKind, ...] = (
        ("user_id", "anonymous_id") if experiment.unit == Experiment.Unit.CUSTOMER else ("anonymous_id", "user_id")
    )
    unit_kind: UnitKind | None = next((kind for kind in order if by_kind[kind]), None)
    if unit_kind is None:
        return None
    unit_key = f"{unit_kind}:{by_kind[unit_kind]}"
    known = [unit_key]
    if experiment.unit == Experiment.Unit.CUSTOMER:
        own = [f"{kind}:{value}" for kind, value in by_kind.items() if value]
        known = list(dict.fromkeys([*own, *names]))
    if len(known) > 1 or experiment.method == Experiment.Method.BANDIT:
        kept = read_kept_variants(experiment_id=experiment.id, names=known)
        if kept is not None and (found := find_kept(experiment, kept)) is not None:
            return VariantAssignment(experiment, found, unit_kind, kept.propensity)
    variant = experiment.find_variant(unit_key)
    return VariantAssignment(experiment, variant, unit_kind, variant.propensity)


def find_kept(experiment: RunningExperiment, kept: KeptVariant) -> RunningVariant | None:
    """Return the variant that was served before, if the experiment still has it."""
    return next((variant for variant in experiment.variants if variant.id == kept.variant_id), None)
