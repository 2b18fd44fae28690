"""One training run, from the data to a version that is promoted or rejected with reasons."""

import logging
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from django.conf import settings
from django.db import transaction

from config.foundation.database.advisory_locks import exclusive_lock
from config.foundation.files.shared_store import get_shared_store
from config.foundation.progress import Progress, ignore_progress
from recommendations.engine.algorithms.content.content import Content
from recommendations.engine.algorithms.ensembles.weighted_ensemble import WeightedEnsemble
from recommendations.engine.data.event_weights import DEFAULT_EVENT_WEIGHTS
from recommendations.engine.evaluation.splits import EmptySplitError
from recommendations.engine.exploration import count_people
from recommendations.engine.variety.near_identical import find_near_identical, group_equal_titles
from recommendations.training.budget import PeakMemory, TrainingBudget
from recommendations.training.data.customer_traits import KnownTraits, extract_known_traits
from recommendations.training.data.extract import TrainingData, extract_training_data
from recommendations.training.data.time_split import TimeSplit, count_kinds, split_by_time
from recommendations.training.data.warehouse_pairs import count_pairs_on_engine
from recommendations.training.evaluation.evaluation import (
    ModelEvaluation,
    evaluate_choice,
    serialize_comparisons,
    serialize_figures,
    serialize_segments,
)
from recommendations.training.evaluation.latency import Latency, measure_latency
from recommendations.training.evaluation.placement_data import ShopData
from recommendations.training.evaluation.promotion_criteria import (
    PromotionDecision,
    PromotionLimits,
    evaluate_promotion,
    make_reason,
)
from recommendations.training.models import EvaluationRun, ModelVersion
from recommendations.training.registry.artifact_copies import COPY_SUFFIXES, STORE_FOLDER, publish_artifact
from recommendations.training.registry.artifacts import MANIFEST, Artifact
from recommendations.training.registry.promotion import promote_version
from recommendations.training.runs import TRAINING_LOCK, TrainingTracker, record_training_run
from recommendations.training.tuning.cold_start.cold_start_artifact import build_cold_start_artifact
from recommendations.training.tuning.cold_start.cold_start_tuning import (
    NO_COLD_START,
    ColdStartResult,
    tune_cold_start,
)
from recommendations.training.tuning.model_choice import SEED, ModelChoice, ReportStep, fit_components
from recommendations.training.tuning.model_tuning import tune_model
from recommendations.training.tuning.placements.placement_result import PlacementResult, make_default_placements
from recommendations.training.tuning.placements.placement_testing import evaluate_placements
from recommendations.training.tuning.placements.placement_tuning import tune_placements
from recommendations.training.tuning.search_space import CANDIDATES, describe_starts, list_candidates

logger = logging.getLogger(__name__)
SCENARIO = "for-you"
MAX_KEPT_VERSIONS = 5
# used with equal weights while the history is too short for tuning
SHORT_HISTORY_ALGORITHMS = ("popularity", "repeat", "item-knn", "user-knn", "content")
Status = ModelVersion.Status


@dataclass(frozen=True, eq=False)
class TrainingOutcome:
    """The tuned model and its evaluation. `split` and `evaluation` are None if the history is too short."""

    choice: ModelChoice
    split: TimeSplit | None = None
    evaluation: ModelEvaluation | None = None
    cold_start: ColdStartResult = NO_COLD_START
    placements: dict[str, PlacementResult] = field(default_factory=dict)

    @property
    def algorithm(self) -> str:
        return self.evaluation.served if self.evaluation is not None else "blend"


def train(
    *, as_of: datetime, started_at: datetime, seconds: float | None = None, progress: Progress = ignore_progress
) -> ModelVersion:
    """Train on everything before ``as_of`` and promote the version if it qualifies.

    ``seconds`` is the approximate time budget (default: TRAINING_SECONDS). The active version stays untouched until the
    end. A killed training leaves a run with status "running"; the next training marks it as failed.

    Raises:
        AlreadyRunningError: another training is running.
        NoTrainingDataError: no known customer has interacted with a product.
        InsufficientMemoryError: the data do not fit into TRAINING_MEMORY_MB.
        TrainingCanceledError: a user cancelled the training.
        WarehouseEngineError: WAREHOUSE_ENGINE should count the pairs of products, but cannot be used.
    """
    with (
        exclusive_lock(TRAINING_LOCK),
        record_training_run(started_at=started_at) as run,
        count_pairs_on_engine(),
        PeakMemory() as memory,
    ):
        budget = TrainingBudget(seconds or settings.TRAINING_SECONDS, settings.TRAINING_MEMORY_MB)
        step = TrainingTracker(run, progress)
        step("reading the data", 0.01)
        data = extract_training_data(as_of=as_of)
        known = extract_known_traits(as_of=as_of, traits=settings.COLD_START_TRAITS)
        outcome = tune_and_evaluate(data=data, known=known, budget=budget, step=step)
        step("fitting on everything", 0.85)
        weighted, blend = fit_for_serving(data=data, choice=outcome.choice)
        latency = measure_latency(model=blend, histories=weighted.interactions.build_histories(), seed=SEED)
        step("saving", 0.95)
        version = build_version(data=data, outcome=outcome, as_of=as_of, created_at=started_at)
        artifact = build_artifact(data=weighted, blend=blend, outcome=outcome, people=count_people(data.interactions))
        cold = build_cold_start_artifact(data=weighted, known=known, cold_start=outcome.cold_start)
        # The folder is written before the record: a training killed in between leaves a folder without a version, which the next one
        # deletes, and never a version without a folder.
        version.checksum = publish_artifact(name=version.artifact, artifact=artifact.with_parts(cold))
        with transaction.atomic():  # the model card needs both the version and its evaluation
            version.save()
            record_evaluation(run=run, version=version, data=data, outcome=outcome)
            run.resources = summarize_resources(budget, memory, latency)
            run.save()
        decide_promotion(version=version, outcome=outcome, latency=latency, at=started_at)
        remove_old_artifacts()
        progress(100, 100)
        return version


def tune_and_evaluate(
    *, data: TrainingData, known: KnownTraits, budget: TrainingBudget, step: ReportStep
) -> TrainingOutcome:
    """Tune the model and its placements, and evaluate them.

    They are tuned on the validation part and evaluated on the test part. A shop whose history is too short for a time
    split gets equal weights until its history is longer.
    """
    active = ModelVersion.objects.filter(scenario=SCENARIO, status=Status.ACTIVE).first()
    try:
        time_split = split_by_time(data.interactions)
        choice = tune_model(
            time_split=time_split,
            products=data.products,
            budget=budget,
            step=step,
            candidates=list_candidates(data.products),
        )
        shop = ShopData(data.interactions, data.products, time_split, data.published)
        earlier = read_placements(active)
        tuned = tune_placements(shop=shop, choice=choice, budget=budget, step=step, earlier=earlier)
        choice = tuned.choice  # without the components fitted for tuning, whose memory the evaluation needs
        model_evaluation = evaluate_choice(
            time_split=time_split,
            choice=tuned.choice,
            products=data.products,
            active=active.parameters if active is not None else None,
            step=step,
            budget=budget,
        )
    except EmptySplitError as error:
        logger.warning("The history is too short for an evaluation: %s", error)
        choice = make_default_choice()
        return TrainingOutcome(
            choice, placements=make_default_placements(choice.components, make_reason("place_short_history"))
        )
    placements, choice = evaluate_placements(
        shop=shop, tuned=tuned, model_evaluation=model_evaluation, budget=budget, step=step
    )
    # Frees the memory of the models fitted for the test before the final fit.
    model_evaluation = replace(model_evaluation, components={})
    cold_start = tune_cold_start(data=data, known=known, time_split=time_split, choice=choice, budget=budget, step=step)
    return TrainingOutcome(choice, time_split, model_evaluation, cold_start, placements)


def read_placements(version: ModelVersion | None) -> dict[str, Any]:
    """Return the stored results of the placements of a version; {} without one."""
    runs = EvaluationRun.objects.filter(model_version=version, status=EvaluationRun.Status.DONE)
    run = runs.order_by("-started_at").first() if version is not None else None
    return run.scenarios if run is not None else {}


def make_default_choice() -> ModelChoice:
    """Return equal weights over the algorithms that work with a short history."""
    components = {
        name: component for name, component in describe_starts(CANDIDATES).items() if name in SHORT_HISTORY_ALGORITHMS
    }
    weights = dict.fromkeys(components, round(1.0 / len(components), 4))
    return ModelChoice(DEFAULT_EVENT_WEIGHTS, components, weights, "max", float("nan"), {}, [], [])


def fit_for_serving(*, data: TrainingData, choice: ModelChoice) -> tuple[TrainingData, WeightedEnsemble]:
    """Return the data under the tuned event weights and the ensemble fitted on all of it, with the support of its reasons."""
    weighted = data.with_event_weights(choice.event_weights)
    fitted = fit_components(choice.components, weighted.interactions, data.products)
    for component in fitted.values():
        component.learn_support(weighted.interactions)
    return weighted, WeightedEnsemble.of_fitted(fitted, choice.weights, choice.normalization)


def build_version(
    *, data: TrainingData, outcome: TrainingOutcome, as_of: datetime, created_at: datetime
) -> ModelVersion:
    """Return the unsaved model version; its name is algorithm, date and the next free number."""
    algorithm, choice = outcome.algorithm, outcome.choice
    prefix = f"{algorithm}-{as_of:%Y-%m-%d}."
    used_numbers = [
        int(version.removeprefix(prefix))
        for version in ModelVersion.objects.filter(version__startswith=prefix).values_list("version", flat=True)
    ]
    name = f"{prefix}{max(used_numbers, default=0) + 1}"
    interactions = data.interactions
    return ModelVersion(
        version=name,
        scenario=SCENARIO,
        algorithm=algorithm,
        parameters={
            "components": choice.components,
            "weights": choice.weights,
            "normalization": choice.normalization,
            "weighing": choice.event_weights.to_json(),
        },
        as_of=as_of,
        data_from=datetime.fromtimestamp(float(interactions.order.min()), UTC),
        interactions=len(interactions),
        users=interactions.n_users,
        items=interactions.n_items,
        data_fingerprint=data.fingerprint,
        artifact=name,
        metrics=serialize_figures(outcome.evaluation)[algorithm] if outcome.evaluation is not None else {},
        created_at=created_at,
    )


def build_artifact(
    *, data: TrainingData, blend: WeightedEnsemble, outcome: TrainingOutcome, people: npt.NDArray[np.int32]
) -> Artifact:
    """Collect the ensemble, the ids and the customer histories as `ServingModel` reads them.

    `data` is under the tuned event weights. people: number of users who interacted with each product.
    """
    arrays, saved = blend.to_arrays()
    history = data.interactions.build_histories()
    parts: Mapping[str, Mapping[str, Any]] = {
        "model": arrays,
        "items": data.interactions.items.to_arrays(),
        "customers": data.interactions.users.to_arrays(),
        "identifiers": data.identifiers.to_arrays(),
        "exploration": {**data.trials.to_arrays(), "people": people},
        "history": {name: getattr(history, name) for name in ("indptr", "item", "order", "weight", "kind")},
        "dismissed": data.dismissed.to_arrays(),
        "sales": {"sold": data.sold} if data.sold is not None else {},
    }
    time_split = outcome.split
    values = {
        "model": saved,
        "kind_weights": dict(outcome.choice.event_weights.kinds),
        "exclude_seen": time_split.exclude_seen if time_split is not None else True,
        "seen_kinds": time_split.seen_kinds if time_split is not None else None,
        "as_of": data.interactions.as_of,
        "position": data.position.to_json(),
        "known_until": data.position.known_until,
        "scenarios": serialize_placements(outcome),
    }
    arrays_of_model = {"identifier_user": data.identifier_user} | find_similar_groups(data, blend)
    return Artifact.from_parts(parts, values).with_parts(Artifact(arrays_of_model, {}))


def find_similar_groups(data: TrainingData, blend: WeightedEnsemble) -> dict[str, npt.NDArray[np.int32]]:
    """Return which products look nearly the same, as the artifact stores it: by their titles, and by a content model if there is one."""
    content = next((part for part in blend.components_.values() if isinstance(part, Content)), None)
    interactions = data.interactions
    popularity = np.bincount(interactions.item, interactions.weight, interactions.n_items)
    near = find_near_identical(content, popularity) if content is not None else None
    return {"near_identical": group_equal_titles(data.products.texts, popularity, near)}


def serialize_placements(outcome: TrainingOutcome) -> dict[str, dict[str, Any]]:
    """Return the placements as the artifact and the run record store them."""
    return {name: placement.to_json() for name, placement in outcome.placements.items()}


def record_evaluation(
    *, run: EvaluationRun, version: ModelVersion, data: TrainingData, outcome: TrainingOutcome
) -> None:
    """Write the outcome into the run record."""
    choice, time_split, model_evaluation = outcome.choice, outcome.split, outcome.evaluation
    run.model_version = version
    run.status = EvaluationRun.Status.DONE
    run.finished_at = datetime.now(UTC)
    run.step, run.percent = "", 100
    run.tried = choice.trials
    run.left_out = [asdict(excluded) for excluded in choice.excluded if not choice.weights.get(excluded.algorithm)]
    run.scenarios = serialize_placements(outcome)
    run.interactions_by_kind = {"all": count_kinds(data.interactions)}
    if time_split is None or model_evaluation is None:
        return
    run.target = time_split.target
    run.cut_at = datetime.fromtimestamp(model_evaluation.cut_at, UTC)
    run.interactions_by_kind["before_cut"] = count_kinds(time_split.test.train)
    run.figures = serialize_figures(model_evaluation)
    run.comparisons = serialize_comparisons(model_evaluation.evaluation, winner=model_evaluation.served)
    run.segments = serialize_segments(model_evaluation)
    run.cold_start = {"products": model_evaluation.new_products, "people": outcome.cold_start.figures}
    run.ablation = model_evaluation.ablation
    run.test_users = len(model_evaluation.evaluation.users)


def summarize_resources(budget: TrainingBudget, memory: PeakMemory, latency: Latency) -> dict[str, float]:
    """Return the seconds, memory and latency of the training for the run record."""
    return {
        "seconds": round(budget.get_elapsed(), 1),
        "seconds_allowed": budget.seconds,
        "peak_mb": round(memory.mb),
        "memory_mb_allowed": budget.memory_mb,
        "median_ms": latency.median_ms,
        "slow_ms": latency.slow_ms,
    }


def decide_promotion(*, version: ModelVersion, outcome: TrainingOutcome, latency: Latency, at: datetime) -> None:
    """Promote the version, or reject it with reasons."""
    if outcome.evaluation is None:
        decision = PromotionDecision(True, [make_reason("short_history")])
    else:
        decision = evaluate_promotion(
            model_evaluation=outcome.evaluation, latency_ms=latency.median_ms, limits=PromotionLimits.from_settings()
        )
    if decision.is_promoted:
        promote_version(version=version, reasons=decision.reasons, at=at)
        return
    version.status, version.reasons = Status.REJECTED, decision.reasons
    version.save(update_fields=["status", "reasons"])


def remove_old_artifacts() -> None:
    """Delete the folders of old versions; their records stay.

    The folders of the active version, of the newest versions that can be rolled back to, and of the newest version stay. So do all
    incremental updates of the active version: one may be published right now, before its record names it, and each removes older ones.
    """
    active_names = set(ModelVersion.objects.filter(status=Status.ACTIVE).values_list("artifact", flat=True))
    update_names = tuple(f"{start}{name}@" for name in active_names for start in ("", "."))
    versions = ModelVersion.objects.all()  # newest first, as defined in its Meta
    usable_names = versions.exclude(status=Status.REJECTED).values_list("artifact", flat=True)[:MAX_KEPT_VERSIONS]
    newest_name = versions.values_list("artifact", flat=True)[:1]  # even if it was rejected
    kept_names = {*active_names, *usable_names, *newest_name}
    root: Path = settings.MODELS_DIR
    for folder in root.iterdir():
        # MODELS_DIR may also hold folders of other components; a leading dot marks the draft of a killed training.
        is_artifact = folder.name.startswith(".") or (folder / MANIFEST).exists()
        is_copied = folder.name.endswith(COPY_SUFFIXES)
        is_kept = folder.name in kept_names or folder.name.startswith(update_names)
        if folder.is_dir() and is_artifact and not is_copied and not is_kept:
            shutil.rmtree(folder, ignore_errors=True)
    store = get_shared_store()
    if store is not None:
        for name in store.list_folders(STORE_FOLDER):
            if name not in kept_names and not name.startswith(update_names):
                store.remove(f"{STORE_FOLDER}/{name}")
