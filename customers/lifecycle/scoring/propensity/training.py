"""Learns the probability of something that did or didn't happen, and says why where it cannot be had."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from config.foundation.array_types import Floats
from customers.lifecycle.scoring.propensity.drift import Reference, measure_reference, stability
from customers.lifecycle.scoring.propensity.explanations import Reasons, tell_reasons
from customers.lifecycle.scoring.propensity.features.event_facts import Matrix
from customers.lifecycle.scoring.propensity.features.samples import Sample
from customers.lifecycle.scoring.propensity.metrics import judge
from customers.lifecycle.scoring.propensity.model_selection import SIMPLE, Judged, compete, finish
from customers.lifecycle.scoring.propensity.models.array_models import Arrays, Model, kind_of, model_from, probability
from customers.lifecycle.scoring.propensity.models.calibration import UNCALIBRATED, Calibration
from customers.lifecycle.scoring.propensity.models.candidates import fit_given, fit_tree
from customers.lifecycle.scoring.propensity.models.tree_rules import rules_of

FEWEST = 50  # customers of each outcome

LEARNT = ("best_candidate", "simple_not_beaten")
# why a propensity is what it is; others than the first two have no model of their own
REASONS = (
    *LEARNT,
    "history_too_short",
    "few_customers",
    "few_positives",
    "few_negatives",
)
VERSION = 1


@dataclass(frozen=True, eq=False)
class Propensity:
    """How likely something is. winner: one of `competition.CANDIDATES`, or None where nothing can be said; reason: one of REASONS.

    names: the k columns of the matrices that it scores. judged: figures of all candidates on the validation part. rate: share of
    the rows learnt from that came true; customers, positives, negatives: how many different customers they were of (a customer
    may be both at different cuts). features, scores: what the columns and the scores looked like, for `drift`.
    facts: how it was judged, plain values: `quality` of the winner on the validation part (see `Quality`, calibrated as `Judged.brier`
    is), `rules` of a decision tree of everything, most probable first (see `Rule`).
    """

    names: tuple[str, ...]
    reason: str
    winner: str | None
    model: Model | None
    calibration: Calibration
    judged: tuple[Judged, ...]
    rate: float
    customers: int
    positives: int
    negatives: int
    features: Reference | None
    scores: Reference | None
    facts: Mapping[str, Any] = field(default_factory=dict)

    def score(self, matrix: Matrix) -> Floats:
        """Calibrated probabilities, (n,), for a matrix (n, k) of the columns `names`, finite.

        Errors: ValueError where there is no model (see `reason`) or the matrix has other columns or a number that isn't finite.
        """
        return self.calibration.apply(probability(self._checked(matrix), matrix))

    def reasons(self, matrix: Matrix, *, by_family: bool = True, most: int = 3) -> Reasons:
        """What moves each score most (see `reasons`). Errors: ValueError as for `score`."""
        return tell_reasons(
            model=self._checked(matrix), names=self.names, matrix=matrix, by_family=by_family, most=most
        )

    def drift(self, matrix: Matrix) -> tuple[Floats, float]:
        """Population stability index of each column, (k,), and of the scores. Errors: ValueError as for `score`, or no rows."""
        score = self.score(matrix)
        if self.features is None or self.scores is None:
            raise ValueError("this propensity keeps no reference; there is nothing to compare with")
        index = stability(reference=self.features, matrix=matrix)
        return index, float(stability(reference=self.scores, matrix=score[:, None])[0])

    def _checked(self, matrix: Matrix) -> Model:
        if self.model is None:
            raise ValueError(f"there is no model to score with: {self.reason}")
        if matrix.ndim != 2 or matrix.shape[1] != len(self.names):
            raise ValueError(f"matrix must have shape (n, {len(self.names)}), got {matrix.shape}")
        if not np.isfinite(matrix).all():
            raise ValueError("matrix holds a number that is not finite")
        return self.model

    def to_saved(self) -> tuple[Arrays, dict[str, Any]]:
        """Arrays, for np.savez, and what goes into JSON beside them."""
        arrays: Arrays = {f"calibration.{name}": array for name, array in self.calibration.arrays().items()}
        if self.model is not None:
            arrays |= {f"model.{name}": array for name, array in self.model.arrays().items()}
        for name, reference in (("features", self.features), ("scores", self.scores)):
            if reference is not None:
                arrays |= {f"{name}.edges": reference.edges, f"{name}.share": reference.share}
        plain = {
            "version": VERSION,
            "names": list(self.names),
            "reason": self.reason,
            "winner": self.winner,
            "kind": None if self.model is None else kind_of(self.model),
            "calibration": self.calibration.kind,
            "judged": [vars(one) for one in self.judged],
            "rate": self.rate,
            "customers": self.customers,
            "positives": self.positives,
            "negatives": self.negatives,
            "facts": dict(self.facts),
        }
        return arrays, plain

    @classmethod
    def from_saved(cls, arrays: Mapping[str, npt.NDArray[Any]], plain: Mapping[str, Any]) -> "Propensity":
        """Errors: ValueError for another version of the form."""
        if plain.get("version") != VERSION:
            raise ValueError(f"version must be {VERSION}, got {plain.get('version')!r}")

        def below(prefix: str) -> Arrays:
            return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}

        references = {name: below(f"{name}.") for name in ("features", "scores")}
        return cls(
            names=tuple(plain["names"]),
            reason=plain["reason"],
            winner=plain["winner"],
            model=None if plain["kind"] is None else model_from(plain["kind"], below("model.")),
            calibration=Calibration(plain["calibration"], **below("calibration.")),
            judged=tuple(_judged_from(one) for one in plain["judged"]),
            rate=plain["rate"],
            customers=plain["customers"],
            positives=plain["positives"],
            negatives=plain["negatives"],
            features=Reference(**references["features"]) if references["features"] else None,
            scores=Reference(**references["scores"]) if references["scores"] else None,
            facts=plain["facts"],
        )


def learn_propensity(
    *,
    every: Sample | None,
    train: Sample | None = None,
    validation: Sample | None = None,
    given: str | None = None,
    seed: int = 1,
) -> Propensity:
    """The best of the candidates that compete (see `competition`), fitted on `every` row and calibrated on ones it hadn't seen.

    every: all rows whose labels are known by now. train, validation: the part to fit candidates on and a later one to judge them
    on; without them, or where they are too little, folds of the customers of `every` take that place. given: name of the column
    that holds the buying process' probability of this very label. The rows may be of anything that has a label: customers at cuts,
    or people a message was sent to.

    With fewer than 50 customers that came true, or that didn't, the buying process' probability stands in
    where it is given, and `reason` says which. Errors: ValueError for a column `given` that isn't there.
    """
    if every is not None and given is not None and given not in every.names:
        raise ValueError(f"given must be one of the columns, got {given!r}")
    if every is None or not len(every):
        return _without(every, "history_too_short" if every is None else "few_customers", given)
    reason = too_little(every)
    if reason:
        return _without(every, reason, given)
    if any(part is not None and too_little(part) for part in (train, validation)):
        train = validation = None
    with threadpool_limits(limits=1):  # threads that wait for each other on a busy machine take seventy times as long
        outcome = compete(train=train, every=every, validation=validation, given=given, seed=seed)
        model, calibration = finish(outcome.winner, outcome=outcome, every=every, given=given, seed=seed)
    newest = every.taken(every.cut == every.cut.max())
    return _described(
        every,
        reason="simple_not_beaten" if outcome.winner in SIMPLE else "best_candidate",
        winner=outcome.winner,
        model=model,
        calibration=calibration,
        judged=outcome.judged,
        newest=newest,
        facts={
            "settings": vars(outcome.settings),
            "judged_by": "time" if outcome.by_time else "customers",
            "buying_share": outcome.share,
            "judged_rows": len(outcome.rows),
            "judged_rate": float(outcome.rows.label.mean()),
            "quality": judge(score=outcome.calibrated[outcome.winner], label=outcome.rows.label).to_plain(),
            "rules": [asdict(rule) for rule in rules_of(tree=fit_tree(every, seed=seed), names=every.names)],
        },
    )


def too_little(sample: Sample) -> str | None:
    """Which outcome too few customers had, if one."""
    for reason, chosen in (("few_positives", sample.label), ("few_negatives", ~sample.label)):
        if len(np.unique(sample.customer[chosen])) < FEWEST:
            return reason
    return None


def _without(sample: Sample | None, reason: str, given: str | None) -> Propensity:
    if sample is None or not len(sample):
        return Propensity((), reason, None, None, UNCALIBRATED, (), 0.0, 0, 0, 0, None, None)
    model = None if given is None else fit_given(sample, column=given)
    return _described(
        sample, reason=reason, winner=None if model is None else "buying", model=model, calibration=UNCALIBRATED,
        judged=(), newest=sample.taken(sample.cut == sample.cut.max()), facts={},
    )  # fmt: skip


def _described(
    sample: Sample,
    *,
    reason: str,
    winner: str | None,
    model: Model | None,
    calibration: Calibration,
    judged: tuple[Judged, ...],
    newest: Sample,
    facts: Mapping[str, Any],
) -> Propensity:
    score = None if model is None else calibration.apply(probability(model, newest.matrix))
    return Propensity(
        names=sample.names,
        reason=reason,
        winner=winner,
        model=model,
        calibration=calibration,
        judged=judged,
        rate=float(sample.label.mean()),
        customers=len(np.unique(sample.customer)),
        positives=len(np.unique(sample.customer[sample.label])),
        negatives=len(np.unique(sample.customer[~sample.label])),
        features=measure_reference(newest.matrix),
        scores=None if score is None else measure_reference(score[:, None]),
        facts=facts,
    )


def _judged_from(kept: Mapping[str, Any]) -> Judged:
    gains = {name: None if kept[name] is None else tuple(kept[name]) for name in ("brier_gain", "auc_gain")}
    return Judged(kept["name"], kept["brier"], kept["auc"], kept["said"], **gains)
