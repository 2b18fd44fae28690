"""Scores estimates against the true values of a simulated shop: ranking, calibration, coverage, and the same for the ceiling."""

from typing import Any

import numpy as np
from scipy.stats import spearmanr

from config.foundation.array_types import Flags, Floats
from customers.lifecycle.scoring.propensity.metrics import auc

BINS = 10


def compute_auc(truth: Flags, score: Floats) -> float:
    """Return the AUC of a score; NaN where all cases are true or none is."""
    return auc(score=score, label=truth) if 0 < truth.sum() < len(truth) else float("nan")


def compute_rank_correlation(truth: Floats, score: Floats) -> float:
    return float(spearmanr(truth, score).statistic)


def measure_calibration(truth: Flags, probability: Floats) -> dict[str, Any]:
    """Return stated and actual shares in ten groups of equal size, and their mean difference weighted by customers (ece)."""
    order = np.argsort(probability, kind="stable")
    groups = [group for group in np.array_split(order, BINS) if len(group)]
    stated = [float(probability[group].mean()) for group in groups]
    real = [float(truth[group].mean()) for group in groups]
    sizes = np.array([len(group) for group in groups])
    return {
        "stated": stated,
        "real": real,
        "ece": float((np.abs(np.array(stated) - real) * sizes).sum() / sizes.sum()),
    }


def score_probability(truth: Flags, probability: Floats, oracle: Floats) -> dict[str, Any]:
    """Return AUC, Brier score and calibration of a probability, with those of the oracle."""
    calibration = measure_calibration(truth, probability)
    return {
        "customers": len(truth),
        "share": float(truth.mean()),
        "stated_share": float(probability.mean()),
        "auc": compute_auc(truth, probability),
        "oracle_auc": compute_auc(truth, oracle),
        "brier": float(((probability - truth) ** 2).mean()),
        "oracle_brier": float(((oracle - truth) ** 2).mean()),
        "base_brier": float(truth.mean() * (1 - truth.mean())),
        "ece": calibration["ece"],
        "calibration": {"stated": calibration["stated"], "real": calibration["real"]},
    }


def score_quantity(truth: Floats, estimate: Floats, oracle: Floats) -> dict[str, Any]:
    """Return rank correlation, mean absolute error and the ratio of the totals, with those of the oracle."""
    return {
        "customers": len(truth),
        "rank_correlation": compute_rank_correlation(truth, estimate),
        "oracle_rank_correlation": compute_rank_correlation(truth, oracle),
        "mae": float(np.abs(truth - estimate).mean()),
        "oracle_mae": float(np.abs(truth - oracle).mean()),
        "total_ratio": float(estimate.sum() / truth.sum()) if truth.sum() else None,
    }


def measure_coverage(truth: Floats, low: Floats, high: Floats) -> float:
    """Return the share of true values within their intervals, bounds included."""
    return float(((truth >= low) & (truth <= high)).mean())
