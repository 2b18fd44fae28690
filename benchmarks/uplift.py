"""Uplift learners on a randomized test: fitted and chosen on a training part, measured on a held-back part.

    python -m benchmarks.uplift FILE [--cost C --value V] [--treatment NAME] [--outcome NAME] [--drop NAME …]

FILE: CSV or Parquet with a column of the treatment (0/1, yes/no, or names of which one is control: No E-Mail, control …), one of the
outcome (a number, at least 0) and features as they were before the treatment. Categories are one-hot encoded, or by frequency if there
are many. Other columns that name an outcome (visit, conversion, spend, exposure …) are left out, because they came after the treatment;
so are identifiers. 60% of the customers are for training; hyperparameters are chosen by cross-validation, and the learner on a
validation part of them; the other 40% are for measuring, once.

Per learner (and response_only, which ranks by the expected outcome of a treated customer):
qini: the Qini coefficient, the area between Qini curve and random line ÷ that of the perfect order (Radcliffe 2007; as in scikit-uplift's
qini_auc_score), with its bootstrap interval. qini_per_customer: the area ÷ customers², in outcomes of the treated. auuc: the same as qini
for the uplift curve. uplift@30: uplift among the 30% ranked first. irr, nir: of the customers whose expected increment × value exceeds
cost (Starbucks' promotion: 0.15 a contact, 10 a purchase); for response_only as many customers as the chosen learner targets. nir
presumes groups of one size; nir_scaled scales the control group. best_…: the learner chosen on validation. random_qini: the mean of
random orders.
"""

import argparse
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.neighbours import get_peak_mb, log
from benchmarks.uplift_files import read_test_file
from config.foundation.array_types import Flags, Floats
from recommendations.measurement.statistics.uplift.cross_fitting import TrainingRows, assign_folds
from recommendations.measurement.statistics.uplift.qini import (
    bootstrap_qini,
    compute_auuc,
    compute_qini_coefficient,
    compute_qini_curve,
    compute_uplift_at,
)
from recommendations.measurement.statistics.uplift.selection import MAX_TRAINING_ROWS, ChosenLearner, fit_and_choose
from recommendations.measurement.statistics.uplift.targeting import evaluate_targeting

TEST_PARTS = 5  # two of them are held back for the measurement
RANDOM_ORDERS = 20
MAX_BOOTSTRAP_ROWS = 200_000
DRAWS, FEW_DRAWS = 200, 60
BASELINE = "response_only"


@dataclass(frozen=True, eq=False)
class HeldBack:
    """The customers that no model has seen."""

    matrix: Floats
    treated: Flags
    outcome: Floats
    cost: float
    value: float


def main() -> None:
    arguments = parse_arguments()
    started = time.perf_counter()
    file = read_test_file(arguments.file, treatment=arguments.treatment, outcome=arguments.outcome, drop=arguments.drop)
    part = assign_folds(len(file.outcome), TEST_PARTS, seed=11)
    training, test = part >= 2, part < 2
    share = float(file.treated[training].mean())
    log(f"{len(part):,} customers, {file.matrix.shape[1]} columns, {share:.1%} treated")
    rows = np.flatnonzero(training)
    if len(rows) > MAX_TRAINING_ROWS:
        rows = np.sort(np.random.default_rng(5).choice(rows, MAX_TRAINING_ROWS, replace=False))
    known = TrainingRows(file.matrix[rows], file.treated[rows], file.outcome[rows], np.full(len(rows), share))
    chosen = fit_and_choose(known)
    fit_s = time.perf_counter() - started
    log(f"fitted in {fit_s:.0f} s; validation {chosen.scores}; {chosen.candidates}")
    held_back = HeldBack(file.matrix[test], file.treated[test], file.outcome[test], arguments.cost, arguments.value)
    line = measure_learners(chosen, held_back) | {
        "customers": len(part),
        "treated_share": round(float(file.treated.mean()), 4),
        "test_customers": int(test.sum()),
        "average_effect": round_figure(
            held_back.outcome[held_back.treated].mean() - held_back.outcome[~held_back.treated].mean()
        ),
        "treatment": file.treatment,
        "outcome": file.outcome_name,
        "left_out": file.left_out,
        "fit_s": round(fit_s, 1),
        "seconds": round(time.perf_counter() - started, 1),
        "peak_mb": get_peak_mb(),
    }
    print(json.dumps(line))


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--cost", type=float, default=0.15, help="of one contact")
    parser.add_argument("--value", type=float, default=10.0, help="of one outcome")
    parser.add_argument("--treatment", help="column of the treatment; by default found by its name")
    parser.add_argument("--outcome", help="column of the outcome; by default found by its name")
    parser.add_argument("--drop", nargs="*", default=[], help="columns to leave out")
    arguments = parser.parse_args()
    if arguments.cost < 0 or arguments.value <= 0:
        parser.error(f"--cost must be at least 0 and --value above 0, got {arguments.cost} and {arguments.value}")
    return arguments


def measure_learners(chosen: ChosenLearner, test: HeldBack) -> dict[str, Any]:
    """Return the figures of each learner, of the chosen one and of random orders."""
    figures = {}
    targets = 0
    for name, learner in chosen.learners.items():
        effect = learner.predict(test.matrix)
        targeted = effect * test.value > test.cost
        if name == chosen.best:
            targets = int(targeted.sum())
        figures[name] = measure_ranking(test, effect, targeted)
        log(f"{name}: {figures[name]}")
    response = chosen.outcomes.treated_model.predict(test.matrix)
    first = np.zeros(len(response), np.bool_)
    first[np.argsort(-response, kind="stable")[:targets]] = True
    figures[BASELINE] = measure_ranking(test, response, first)
    log(f"{BASELINE}: {figures[BASELINE]}")
    everyone = evaluate_targeting(
        test.treated, test.outcome, np.ones(len(response), np.bool_), cost=test.cost, value=test.value
    )
    best = {f"best_{key}": value for key, value in figures[chosen.best].items()}
    return {
        "learners": figures,
        "best": chosen.best,
        **best,
        "random_qini": measure_random_orders(test),
        "response_only_qini": figures[BASELINE]["qini"],
        "everyone_irr": round_figure(everyone.irr),
        "everyone_nir": round_figure(everyone.nir),
    }


def measure_ranking(test: HeldBack, score: Floats, targeted: Flags) -> dict[str, float | int | None]:
    treated, outcome = test.treated, test.outcome
    draws = DRAWS if len(score) <= MAX_BOOTSTRAP_ROWS else FEW_DRAWS
    qini = bootstrap_qini(treated, outcome, score, seed=7, draws=draws)
    result = evaluate_targeting(treated, outcome, targeted, cost=test.cost, value=test.value)
    return {
        "qini": round_figure(qini.value),
        "qini_low": round_figure(qini.low),
        "qini_high": round_figure(qini.high),
        "qini_per_customer": round_figure(compute_qini_curve(treated, outcome, score).area / len(score) ** 2),
        "auuc": round_figure(compute_auuc(treated, outcome, score)),
        "uplift@30": round_figure(compute_uplift_at(treated, outcome, score)),
        "irr": round_figure(result.irr),
        "nir": round_figure(result.nir),
        "nir_scaled": round_figure(result.scaled_nir),
        "targeted": result.targeted,
    }


def measure_random_orders(test: HeldBack) -> float | None:
    rng = np.random.default_rng(9)
    scores = (rng.random(len(test.outcome)) for _ in range(RANDOM_ORDERS))
    return round_figure(np.mean([compute_qini_coefficient(test.treated, test.outcome, score) for score in scores]))


def round_figure(value: Any) -> float | None:
    return float(f"{value:.6g}") if np.isfinite(value) else None


if __name__ == "__main__":
    main()
