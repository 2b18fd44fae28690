"""Cold start: how customers without a history are served, tuned on the validation part and evaluated on the test part.

Customers whose very first interaction is in the last period are evaluated separately: a shop has few of them, but they
are truly new.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from recommendations.engine.cold_start import get_trait_field
from recommendations.engine.tuning.parameter_search import search_parameters
from recommendations.training.budget import TrainingBudget
from recommendations.training.data.customer_traits import KnownTraits
from recommendations.training.data.extract import TrainingData
from recommendations.training.data.time_split import TimeSplit
from recommendations.training.tuning.cold_start.contestant_evaluation import (
    BASELINE,
    ContestantEvaluator,
    Weights,
    find_best_contestant,
    summarize_scores,
)
from recommendations.training.tuning.cold_start.holdout import (
    EVALUATION_CUSTOMERS,
    MIN_CUSTOMERS,
    CustomerHoldout,
    HeldOutCustomers,
    count_customers,
)
from recommendations.training.tuning.model_choice import PRIMARY_METRIC, SEED, ModelChoice, ReportStep

TUNING_CUSTOMERS = 1000
TUNING_TIME_SHARE, MIN_SECONDS = 0.05, 1.0  # of the training's time budget, for tuning weights
SEARCH_SPACE: Mapping[str, Sequence[Any]] = {
    "landing": (0.0, 0.01, 0.03, 0.1, 0.2, 0.4, 0.6),
    "levels": (None, 2, 1),
    "traits": (0.0, 0.25, 0.5, 0.75, 1.0, 1.5),
    "cluster": (0.0, 0.25, 0.5, 0.75, 1.0, 1.5),
    "pseudo_count": (5.0, 20.0, 80.0),
}
NO_WEIGHTS = {"landing": 0.0, "levels": None, "traits": 0.0, "cluster": 0.0, "pseudo_count": 20.0}
START_WEIGHTS = {"landing": 0.03, "levels": 1, "traits": 0.5, "cluster": 0.5}
COMBINED = "all"
# contestant → the weights it may use; only COMBINED may set one of them to 0
CONTESTANT_WEIGHTS = {
    "traits": ("traits",),
    "cluster": ("cluster",),
    "landing": ("landing", "levels"),
    COMBINED: ("landing", "levels", "traits", "cluster", "pseudo_count"),
}


@dataclass(frozen=True, eq=False)
class ColdStartResult:
    """weights: of the `ColdStart` that serves, None if popularity serves; figures: for the run record."""

    weights: dict[str, Any] | None
    figures: dict[str, Any]


NO_COLD_START = ColdStartResult(None, {})


def tune_cold_start(
    *,
    data: TrainingData,
    known: KnownTraits,
    time_split: TimeSplit,
    choice: ModelChoice,
    budget: TrainingBudget,
    step: ReportStep,
) -> ColdStartResult:
    """Tune and evaluate the cold-start model.

    `data` has recorded weights. Raises whatever ``step`` raises.
    """
    started_at = budget.get_elapsed()
    step("new customers", 0.82)
    interactions, traits = data.interactions, known.select_users(data.interactions.users)
    popularity = choice.components.get("popularity", {"parameters": {"half_life_days": 90.0}})
    half_life_days = popularity["parameters"]["half_life_days"]
    evaluator = ContestantEvaluator(traits, data.products, half_life_days, step)
    holdout = CustomerHoldout(interactions, traits, data.products, time_split, choice.event_weights)
    test_start = time_split.test.train.as_of
    validation = holdout.hold_out_folds(time_split.validation.train.as_of, test_start, TUNING_CUSTOMERS)
    test = holdout.hold_out_folds(test_start, interactions.as_of, EVALUATION_CUSTOMERS)
    if min(count_customers(validation), count_customers(test)) < MIN_CUSTOMERS:
        return ColdStartResult(None, {"people": count_customers(test), "least": MIN_CUSTOMERS})
    contestants = tune_contestants(evaluator, validation, budget)
    validation_scores = evaluator.compute_all_scores(validation, contestants, head=True)
    served = find_best_contestant({name: scores[PRIMARY_METRIC] for name, scores in validation_scores.items()})
    figures = {
        "people": count_customers(test),
        "with_traits": int(traits.has_traits().sum()),
        "fields": sorted({get_trait_field(value) for value in traits.values.get_ids()}),
        "served": served,
        "weights": {name: dict(weights) for name, weights in contestants.items()},
        "validation": {"people": count_customers(validation), "rows": summarize_scores(validation_scores)},
        "held_out": {
            "people": count_customers(test),
            "rows": summarize_scores(evaluator.compute_all_scores(test, contestants)),
        },
        "new": evaluate_newest(evaluator, holdout.hold_out_newest(), contestants),
        "seconds": round(budget.get_elapsed() - started_at, 1),
    }
    weights = {"half_life_days": half_life_days, **contestants[served]}
    return ColdStartResult(None if served == BASELINE else weights, figures)


def tune_contestants(
    evaluator: ContestantEvaluator, folds: Sequence[HeldOutCustomers], budget: TrainingBudget
) -> dict[str, Weights]:
    """Return the best weights of each contestant, which may use only its own.

    COMBINED starts from the best weights of each.
    """
    remaining = max(budget.seconds * TUNING_TIME_SHARE, MIN_SECONDS)
    contestants: dict[str, Weights] = {BASELINE: NO_WEIGHTS}
    best_values: dict[str, Any] = {}
    baseline_value = evaluator.compute_mean(folds, NO_WEIGHTS)
    for index, (name, used) in enumerate(CONTESTANT_WEIGHTS.items()):
        started_at = budget.get_elapsed()
        is_combined = name == COMBINED
        result = search_parameters(
            space={
                key: SEARCH_SPACE[key] if is_combined else [value for value in SEARCH_SPACE[key] if value != 0.0]
                for key in used
            },
            evaluate=lambda weights: evaluator.compute_mean(folds, weights),
            # An equal share of what is left: a contestant that ends early leaves its time to the later ones.
            budget_s=remaining / (len(CONTESTANT_WEIGHTS) - index),
            seed=SEED,
            start={**NO_WEIGHTS, **(best_values if is_combined else {key: START_WEIGHTS[key] for key in used})},
            patience=0,
            clock=budget.clock,
        )
        remaining = max(remaining - (budget.get_elapsed() - started_at), 0.0)
        contestants[name] = result.best.parameters
        if result.best.value > baseline_value:
            best_values |= {key: result.best.parameters[key] for key in used}
    return contestants


def evaluate_newest(
    evaluator: ContestantEvaluator, newest: HeldOutCustomers, contestants: Mapping[str, Weights]
) -> dict[str, Any]:
    """Return the figures of customers with traits who first appear in the test part."""
    count = count_customers([newest])
    if count < MIN_CUSTOMERS:
        return {"people": count, "rows": []}
    return {"people": count, "rows": summarize_scores(evaluator.compute_all_scores([newest], contestants))}
