"""Sentiment of reviews: trained on 80% of a labeled file, measured on the other 20%, once.

    python -m benchmarks.sentiment FILE [--seed N]

FILE: CSV with the columns label (0 negative, 1 positive) and review, in English or Chinese or both. The split is random with the seed.
The weighting of n-grams, the strength of the penalty and the calibration are chosen by cross-validation within the 80%.

accuracy, f1 (of the positive class), brier: of the held-back texts. A text that no model can score counts as the majority class of the 80%.
baseline_accuracy, baseline_f1: always the majority class. fit_s: everything from texts to the fitted models. texts_per_s: texts scored
per second. validation_accuracy: by the folds of the 80%. unscored: held-back texts of other languages or without a known word.
"""

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import accuracy_score, brier_score_loss, f1_score

from benchmarks.neighbours import get_peak_mb, log
from config.foundation.array_types import Flags, Floats
from customers.feedback.sentiment.labeled_files import LabeledFileError, read_labeled_texts
from customers.feedback.sentiment.multilingual import LanguageTraining, predict_positive, train_languages

TEST_PARTS = 5  # one of them is held back
MIN_TEXTS = 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--seed", type=int, default=0, help="random seed of the split; at least 0")
    arguments = parser.parse_args()
    if arguments.seed < 0:
        parser.error(f"--seed must be at least 0, got {arguments.seed}")
    try:
        labeled = read_labeled_texts(arguments.file)
    except LabeledFileError as error:
        sys.exit(str(error))
    if len(labeled.texts) < MIN_TEXTS:
        sys.exit(f"{arguments.file} has {len(labeled.texts)} texts; at least {MIN_TEXTS} are needed.")
    if len(set(labeled.is_positive)) < 2:
        sys.exit(f"{arguments.file} has only one label, {int(labeled.is_positive[0])}; both 0 and 1 are needed.")
    print(json.dumps(measure(labeled.texts, np.array(labeled.is_positive), seed=arguments.seed)))


def measure(texts: list[str], labels: Flags, *, seed: int) -> dict[str, Any]:
    """Split, train and measure."""
    order = np.random.default_rng(seed).permutation(len(texts))
    test, training = np.split(order, [max(len(texts) // TEST_PARTS, 1)])
    started = time.perf_counter()
    trained = train_languages([texts[row] for row in training], labels[training])
    fit_s = time.perf_counter() - started
    for language, error in trained.missing.items():
        log(f"no model for {language.value}: {error}")
    held_back = [texts[row] for row in test]
    started = time.perf_counter()
    probability = predict_positive(trained.models, held_back)
    seconds = time.perf_counter() - started
    share = float(labels[training].mean())
    line = score(np.where(np.isnan(probability), share, probability), labels[test])
    majority = np.full(len(test), share > 0.5)
    return line | {
        "baseline_accuracy": round(float(accuracy_score(labels[test], majority)), 4),
        "baseline_f1": round(float(f1_score(labels[test], majority, zero_division=0)), 4),
        "fit_s": round(fit_s, 2),
        "texts_per_s": round(len(held_back) / seconds),
        "validation_accuracy": measure_folds(trained, labels[training]),
        "texts": len(texts),
        "test_texts": len(test),
        "positive_share": round(float(labels.mean()), 4),
        "unscored": int(np.isnan(probability).sum()),
        "recipes": {language.value: list(model.recipes) for language, model in trained.models.items()},
        "peak_mb": get_peak_mb(),
        "notes": "; ".join(f"no model for {language.value}: {error}" for language, error in trained.missing.items()),
    }


def score(probability: Floats, labels: Flags) -> dict[str, float]:
    predicted = probability > 0.5
    return {
        "accuracy": round(float(accuracy_score(labels, predicted)), 4),
        "f1": round(float(f1_score(labels, predicted, zero_division=0)), 4),
        "brier": round(float(brier_score_loss(labels, probability)), 4),
    }


def measure_folds(trained: LanguageTraining, labels: Flags) -> float | None:
    known = ~np.isnan(trained.held_out)
    return round(float(((trained.held_out > 0.5) == labels)[known].mean()), 4) if known.any() else None


if __name__ == "__main__":
    main()
