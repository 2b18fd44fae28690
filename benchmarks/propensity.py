"""Churn and purchases within 7, 30, 90 days: each model at several cutoffs against recency alone and BG/NBD.

    python -m benchmarks.propensity FILE [--cuts 3] [--customer customer_id --date date --value value]

FILE: see benchmarks.order_files. At each test cutoff everything, horizons and hyperparameters too, is selected from earlier data; later
data is used once, for the test. `selected` is the candidate that won the selection before the test.
"""

import argparse
import json
import os
import time
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.neighbours import get_peak_mb, log
from benchmarks.order_files import read_orders
from config.foundation.array_types import Floats
from customers.lifecycle.scoring.clv.fitting import fit_purchase_model
from customers.lifecycle.scoring.clv.models.bg_nbd import BgNbd
from customers.lifecycle.scoring.clv.purchase_histories import group_histories
from customers.lifecycle.scoring.propensity.features.event_facts import DAY, OrderLines
from customers.lifecycle.scoring.propensity.features.features import measure_features
from customers.lifecycle.scoring.propensity.features.labels import PURCHASE_DAYS, PropensityTarget, derive_churn_target
from customers.lifecycle.scoring.propensity.features.samples import TrainingSample, collect_sample
from customers.lifecycle.scoring.propensity.features.snapshots import (
    INELIGIBLE_PROBABILITY,
    PURCHASE_MODEL_COLUMN,
    CustomerSnapshot,
    summarize_purchases_before,
)
from customers.lifecycle.scoring.propensity.levels import (
    LevelSelection,
    bound_probabilities,
    classify_level,
    select_level,
)
from customers.lifecycle.scoring.propensity.metrics import (
    auc,
    brier_score,
    calibration_curve,
    find_level_shift,
    lift_at_share,
    max_calibration_gap,
    shift_to_rate,
    simulate_max_gap,
)
from customers.lifecycle.scoring.propensity.model_selection import (
    CANDIDATES,
    bootstrap_gains,
    evaluate_candidates,
    fit_candidate,
)
from customers.lifecycle.scoring.propensity.models.array_models import ArrayModel, predict_probability
from customers.lifecycle.scoring.propensity.next_category import evaluate_next_category, fit_next_category
from customers.lifecycle.scoring.propensity.target_training import collect_level_samples, collect_target_samples
from customers.lifecycle.scoring.propensity.training import find_shortage, list_level_candidates

SPACING_DAYS = 28
MAX_CATEGORIES = 1000


def main() -> None:
    arguments = parse_arguments()
    orders = read_orders(
        arguments.file,
        customer=arguments.customer,
        date=arguments.date,
        value=arguments.value,
        customers=arguments.customers,
        seed=arguments.seed,
    )
    start_at, end_at = int(orders.at.min()), int(orders.at.max()) + 1
    log(f"{orders.n_customers:,} customers, {len(orders.at):,} lines, {(end_at - start_at) / DAY:.0f} days")
    line: dict[str, Any] = {
        "customers": orders.n_customers,
        "lines": len(orders.at),
        "days": round((end_at - start_at) / DAY, 1),
    }
    notes: list[str] = []
    kinds = ["churn", *(f"purchase_{days}" for days in PURCHASE_DAYS)]
    for kind in [kind for kind in kinds if kind in (arguments.targets or kinds)]:
        runs = []
        for cut in range(arguments.cuts):
            target, test_at = plan_run(kind, orders, end_at, cut)
            metrics = evaluate_target(orders, test_at, target, arguments.seed)
            if isinstance(metrics, str):
                notes.append(f"{kind} at cutoff {cut + 1}: {metrics}")
                continue
            runs.append(metrics)
            line |= {f"{kind}_{cut + 1}_{key}": value for key, value in metrics.items()}
            log(f"{kind} {cut + 1}: {describe_run(metrics)}")
        line |= average_runs(kind, runs)
    line |= evaluate_next_categories(orders, start_at, end_at, arguments.seed)
    line |= measure_speed(orders, end_at, arguments.seed)
    line |= {"processors": os.cpu_count(), "notes": "; ".join([*notes, NOTE])}
    print(json.dumps(line))


NOTE = (
    "keys of a cutoff contain its number, 1 the latest; without a number they are means over the cutoffs; *_gain: over recency or "
    "BG/NBD, with the 95% interval over paired resamples of customers; calibration_gap: largest difference of a decile between "
    "predicted and actual, gap_outside: the same beyond Wilson's interval, gap_at_level: with all scores moved by one number so that their "
    "mean is the actual rate, gap_by_chance: of scores that are exactly right, median and 95% quantile"
)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", help="a .csv or .parquet file, completejourney, or made")
    parser.add_argument("--cuts", type=int, default=3)
    parser.add_argument("--customer", default="customer_id")
    parser.add_argument("--date", default="date")
    parser.add_argument("--value", default="value")
    parser.add_argument("--targets", nargs="*", help="some of churn, purchase_7, purchase_30, purchase_90")
    parser.add_argument("--customers", type=int, default=5000, help="number of customers of the simulated shop")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    for name in ("cuts", "customers"):
        if getattr(arguments, name) < 1:
            parser.error(f"--{name} must be at least 1, got {getattr(arguments, name)}")
    return arguments


def plan_run(kind: str, orders: OrderLines, end_at: int, cut: int) -> tuple[PropensityTarget, int]:
    """Return the target and the test cutoff: the last whole horizon of the data, and every four weeks before it.

    The horizon of churn is measured at the cutoff.
    """
    if kind != "churn":
        days = int(kind.split("_")[1])
        return PropensityTarget("purchase", days), end_at - (days + cut * SPACING_DAYS) * DAY
    reach = derive_churn_target(orders=orders, as_of=end_at - 120 * DAY).horizon_days
    test_at = end_at - (reach + cut * SPACING_DAYS) * DAY
    days = min(derive_churn_target(orders=orders, as_of=test_at).horizon_days, reach)
    return PropensityTarget("churn", days), test_at


def evaluate_target(orders: OrderLines, test_at: int, target: PropensityTarget, seed: int) -> dict[str, Any] | str:
    """Return the metrics of all candidates on the customers of the test cutoff, or the reason why there are none."""

    def add_model_column(as_of: int) -> Mapping[str, npt.NDArray[np.floating]]:
        return predict_with_bg_nbd(orders, as_of, target)

    start = time.perf_counter()
    rows: dict[str, Any] = {"orders": orders, "target": target, "seed": seed, "columns": add_model_column}
    plan, samples = collect_target_samples(as_of=test_at, **rows)
    if not samples:
        return "history_too_short"
    every, train = samples[0], samples[1] if len(samples) > 1 else None
    validation = every.select_cutoffs([plan.all_cutoffs[0]]) if train is not None else None
    test = collect_sample(cutoffs=[test_at], max_rows=10**9, **rows)
    reason = find_shortage(every) or find_shortage(test)
    if reason:
        return reason
    if train is not None and validation is not None and (find_shortage(train) or find_shortage(validation)):
        train = validation = None
    outcome = evaluate_candidates(
        train=train, all_rows=every, validation=validation, purchase_model_column=PURCHASE_MODEL_COLUMN, seed=seed
    )
    metrics: dict[str, Any] = {
        "horizon_days": target.horizon_days,
        "customers": len(test),
        "rate": round(float(test.label.mean()), 4),
        "train_rate": round(float(every.label.mean()), 4),
        "selected": outcome.winner,
        "evaluated_by": "time" if outcome.is_time_split else "customers",
        "share_of_bg_nbd_in_ensemble": outcome.purchase_model_share,
    }

    def fit(name: str, sample: TrainingSample) -> ArrayModel:
        return fit_candidate(name, outcome=outcome, rows=sample, purchase_model_column=PURCHASE_MODEL_COLUMN, seed=seed)

    scores = {name: predict_probability(fit(name, every), test.matrix) for name in outcome.probabilities}
    periods, season = collect_level_samples(as_of=test_at, **rows) if outcome.is_time_split else ([], None)
    level = select_level(
        candidates=list_level_candidates(outcome.winner, PURCHASE_MODEL_COLUMN),
        fit=fit,
        all_rows=every,
        periods=periods,
        season=season,
    )
    metrics |= {"learn_s": round(time.perf_counter() - start, 2), **evaluate_levels(level, scores, test)}
    scores |= {"selected": level.calibration.apply(scores[level.candidate])}
    metrics |= simulate_gaps(scores["selected"], test, seed)
    scores |= {"bg_nbd": test.matrix[:, test.names.index(PURCHASE_MODEL_COLUMN)].astype(np.float64)}
    for name, score in scores.items():
        metrics |= {f"{name}_{key}": value for key, value in compute_metrics(score, test).items()}
    return metrics | compute_gains(scores, test, seed)


def evaluate_levels(level: LevelSelection, scores: Mapping[str, Floats], test: TrainingSample) -> dict[str, Any]:
    """Return the Brier score of each candidate at each level on the test, which one serves, and the interval of the level."""
    metrics: dict[str, Any] = {
        f"level_{candidate}_{adjustment}_brier": round(
            brier_score(score=calibration.apply(scores[candidate]), label=test.label), 5
        )
        for (candidate, adjustment), calibration in level.calibrations.items()
    }
    served, shift = level.calibration.apply(scores[level.candidate]), level.summary["shift"]
    low, high = (float(bound.mean()) for bound in bound_probabilities(served, shift))
    rate = float(test.label.mean())
    return metrics | {
        "serves": f"{level.candidate}, {level.summary['adjustment']}",
        "level_periods": len(level.summary["periods"]),
        "level_low": round(low, 4),
        "level_high": round(high, 4),
        "level_is_held": low <= rate <= high,
        "level_shift": round(shift, 4),
        "level_missed_by": round(find_level_shift(score=served, rate=rate), 4),
        "level_residuals": [round(value, 3) for value in level.summary["residuals"]],
        "level_reason": classify_level(mean=float(served.mean()), shift=shift, n_periods=len(level.summary["periods"])),
    }


def predict_with_bg_nbd(orders: OrderLines, as_of: int, target: PropensityTarget) -> dict[str, npt.NDArray[np.float64]]:
    """Return the probability of the target by a BG/NBD fitted to all customers' orders before the moment."""
    probabilities = fit_snapshot(orders, as_of).predict_with_purchase_model(target)
    return {
        PURCHASE_MODEL_COLUMN: np.full(orders.n_customers, INELIGIBLE_PROBABILITY)
        if probabilities is None
        else probabilities
    }


@lru_cache(maxsize=100)
def fit_snapshot(orders: OrderLines, as_of: int) -> CustomerSnapshot:
    """Fit a BG/NBD to the orders before a moment; the targets and samples of it share the fit."""
    groups = group_histories(histories=summarize_purchases_before(orders, as_of))
    return CustomerSnapshot(orders=orders, as_of=as_of, fit=fit_purchase_model(name=BgNbd.name, groups=groups))


def compute_metrics(score: Floats, test: TrainingSample) -> dict[str, float]:
    curve = calibration_curve(score=score, label=test.label)
    outside = np.maximum(np.maximum(curve.low - curve.predicted, curve.predicted - curve.high), 0.0)
    return {
        "auc": round(auc(score=score, label=test.label), 4),
        "brier": round(brier_score(score=score, label=test.label), 5),
        "lift@10": round(lift_at_share(score=score, label=test.label), 3),
        "calibration_gap": round(max_calibration_gap(curve), 4),
        "gap_outside": round(float(outside.max()), 4),
        "mean_predicted": round(float(score.mean()), 4),
    }


def simulate_gaps(score: Floats, test: TrainingSample, seed: int) -> dict[str, float]:
    """Return the largest gap after correcting the level, and its median and 95% quantile if the scores were exactly right."""
    right = calibration_curve(score=shift_to_rate(score=score, rate=float(test.label.mean())), label=test.label)
    middle, high = simulate_max_gap(right, seed=seed)
    return {
        "selected_gap_at_level": round(max_calibration_gap(right), 4),
        "selected_gap_by_chance": round(float(middle), 4),
        "selected_gap_by_chance_95": round(float(high), 4),
    }


def compute_gains(scores: Mapping[str, Floats], test: TrainingSample, seed: int) -> dict[str, float]:
    gains = {}
    for floor in ("recency", "bg_nbd"):
        if floor in scores:
            pair = [scores[floor], scores["selected"]]
            for name, gain in zip(("brier", "auc"), bootstrap_gains(pair, pair, test, seed)[0], strict=True):
                for key, value in zip(("gain", "gain_low", "gain_high"), gain, strict=True):
                    gains[f"{name}_{key}_over_{floor}"] = round(value, 5)
    return gains


def average_runs(kind: str, runs: list[dict[str, Any]]) -> dict[str, float | None]:
    keys = [f"{name}_{what}" for name in (*CANDIDATES, "bg_nbd", "selected") for what in ("auc", "brier", "lift@10")]
    keys.append("selected_calibration_gap")
    return {
        f"{kind}_{key}": round(float(np.mean([run[key] for run in runs])), 5) if runs and key in runs[0] else None
        for key in keys
    }


def evaluate_next_categories(
    orders: OrderLines, start_at: int, end_at: int, seed: int
) -> dict[str, float | str | None]:
    if orders.n_categories > MAX_CATEGORIES:
        return {"next_category_reason": "products_stand_for_categories"}
    test_at = end_at - max((end_at - start_at) // 5, DAY)
    cut = test_at - max((end_at - start_at) // 5, DAY)
    model = fit_next_category(orders=orders, cutoff=cut, as_of=test_at, seed=seed)
    if isinstance(model, str):
        return {"next_category_reason": model}
    metrics: dict[str, float | str | None] = {
        "next_category_half_life_days": model.half_life_days,
        "next_category_prior": model.prior,
        "next_category_reason": model.reason,
    }
    qualities = evaluate_next_category(model=model, orders=orders, as_of=test_at, until=end_at)
    for name, quality in qualities.items():
        metrics |= {
            f"next_category_{name}_hit@1": round(quality.hit_1, 4),
            f"next_category_{name}_hit@3": round(quality.hit_3, 4),
        }
        if quality.log_likelihood is not None:
            metrics[f"next_category_{name}_log_likelihood"] = round(quality.log_likelihood, 4)
    return metrics


def measure_speed(orders: OrderLines, end_at: int, seed: int) -> dict[str, float]:
    measure_features(orders=orders, as_of=end_at)  # compiles
    start = time.perf_counter()
    measure_features(orders=orders, as_of=end_at)
    return {"features_s": round(time.perf_counter() - start, 3), "peak_mb": get_peak_mb()}


def describe_run(metrics: Mapping[str, Any]) -> str:
    names = [name for name in (*CANDIDATES, "bg_nbd", "selected") if f"{name}_auc" in metrics]
    rows = [
        f"{name} auc {metrics[f'{name}_auc']:.3f} brier {metrics[f'{name}_brier']:.4f} gap {metrics[f'{name}_calibration_gap']:.3f}"
        for name in names
    ]
    head = (
        f"H {metrics['horizon_days']} n {metrics['customers']} rate {metrics['rate']:.3f} (train {metrics['train_rate']:.3f}) "
        f"{metrics['selected']} by {metrics['evaluated_by']}"
    )
    levels = ", ".join(
        f"{key.removeprefix('level_').removesuffix('_brier')} {value:.4f}"
        for key, value in metrics.items()
        if key.startswith("level_") and key.endswith("_brier")
    )
    level = (
        f"serves {metrics['serves']}: predicted {metrics['selected_mean_predicted']:.3f} "
        f"({metrics['level_low']:.3f} to {metrics['level_high']:.3f}), actual {metrics['rate']:.3f}"
    )
    return "\n  ".join([head, *rows, f"brier by level: {levels}", level])


if __name__ == "__main__":
    main()
