"""One training from data to a version that serves, or that says why it does not."""

import logging
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from django.conf import settings
from django.db import transaction

from config.foundation.database.advisory_locks import exclusive
from config.foundation.progress import Progress, no_progress
from recommendations.engine.algorithms.ensembles.weighted_ensemble import Blend
from recommendations.engine.data.event_weights import USUAL
from recommendations.engine.evaluation.splits import EmptySplitError
from recommendations.engine.exploration import Trials
from recommendations.training.budget import Budget, PeakMemory
from recommendations.training.data.customer_traits import KnownPeople, extract_people
from recommendations.training.data.extract import TrainingData, extract
from recommendations.training.data.time_split import Cuts, cut, kinds_in
from recommendations.training.evaluation.evaluation import (
    Judgement,
    comparisons_of,
    figures_of,
    judge_choice,
    segments_of,
)
from recommendations.training.evaluation.latency import Latency, measure_latency
from recommendations.training.evaluation.placement_evaluation import Shop
from recommendations.training.evaluation.promotion_criteria import Limits, Verdict, judge_promotion, reason
from recommendations.training.models import EvaluationRun, ModelVersion
from recommendations.training.registry.artifacts import MANIFEST, Artifact, save_artifact
from recommendations.training.registry.promotion import artifact_folder, promote
from recommendations.training.runs import LOCK, Tracker, recorded_run
from recommendations.training.tuning.cold_start import NOBODY_NEW, ColdPeople, choose_and_judge, cold_artifact
from recommendations.training.tuning.placement_tuning import Place, choose_places, judge_places, starting_places
from recommendations.training.tuning.search_space import CANDIDATES, candidates_for, started
from recommendations.training.tuning.tuning import SEED, Choice, Step, choose, fit_all

logger = logging.getLogger(__name__)
SCENARIO = "for-you"
KEEP_VERSIONS = 5
# of a shop whose history is too short to choose by
SHORT_HISTORY = ("popularity", "repeat", "item-knn", "user-knn", "content")
Status = ModelVersion.Status


@dataclass(frozen=True, eq=False)
class Judged:
    """cuts and judgement are None for a history that is too short."""

    choice: Choice
    cuts: Cuts | None = None
    judgement: Judgement | None = None
    cold_people: ColdPeople = NOBODY_NEW
    places: dict[str, Place] = field(default_factory=dict)

    @property
    def algorithm(self) -> str:
        return self.judgement.served if self.judgement is not None else "blend"


def train(
    *, as_of: datetime, started_at: datetime, seconds: float | None = None, progress: Progress = no_progress
) -> ModelVersion:
    """Learns from everything before ``as_of``, judges it on a cut in time and promotes it if it deserves that.

    ``seconds``: about how long it may take, by default as the settings say. The version that serves stays untouched until the end.
    A training that was killed leaves a run marked as running, which the next one marks as failed.

    Raises:
        AlreadyRunningError: another training is under way.
        NothingToTrainOnError: nothing that a known customer did with a product.
        TooLittleMemoryError: the data do not fit TRAINING_MEMORY_MB.
        TrainingCancelledError: somebody cancelled it.
    """
    with exclusive(LOCK), recorded_run(started_at=started_at) as run, PeakMemory() as memory:
        budget = Budget(seconds or settings.TRAINING_SECONDS, settings.TRAINING_MEMORY_MB)
        step = Tracker(run, progress)
        step("reading the data", 0.01)
        data = extract(as_of=as_of)
        known = extract_people(as_of=as_of, traits=settings.COLD_START_TRAITS)
        judged = judged_choice(data=data, known=known, budget=budget, step=step)
        step("fitting on everything", 0.85)
        weighed, blend = fit_to_serve(data=data, choice=judged.choice)
        latency = measure_latency(model=blend, histories=weighed.interactions.histories(), seed=SEED)
        step("saving", 0.95)
        version = build_version(data=data, judged=judged, as_of=as_of, created_at=started_at)
        folder = artifact_folder(version)
        folder.parent.mkdir(parents=True, exist_ok=True)
        artifact = artifact_of(data=weighed, blend=blend, judged=judged, trials=trials_of(data, judged))
        cold = cold_artifact(data=weighed, known=known, cold_people=judged.cold_people)
        version.checksum = save_artifact(folder=folder, artifact=artifact.with_parts(cold))
        with transaction.atomic():
            version.save()
            record(run=run, version=version, data=data, judged=judged)
            run.resources = resources(budget, memory, latency)
            run.save()
        decide(version=version, judged=judged, latency=latency, at=started_at)
        remove_old_artifacts()
        progress(100, 100)
        return version


def judged_choice(*, data: TrainingData, known: KnownPeople, budget: Budget, step: Step) -> Judged:
    """A shop whose history is too short for a cut in time serves equal weights until it is longer."""
    active = ModelVersion.objects.filter(scenario=SCENARIO, status=Status.ACTIVE).first()
    try:
        cuts = cut(data.interactions)
        choice = choose(
            cuts=cuts, products=data.products, budget=budget, step=step, candidates=candidates_for(data.products)
        )
        shop = Shop(data.interactions, data.products, cuts, data.published)
        chosen = choose_places(shop=shop, choice=choice, budget=budget, step=step)
        judgement = judge_choice(
            cuts=cuts,
            choice=chosen.choice,
            products=data.products,
            active=active.parameters if active is not None else None,
            step=step,
        )
    except EmptySplitError as error:
        logger.warning("no evaluation, the history is too short: %s", error)
        choice = unjudged_choice(data)
        return Judged(choice, places=starting_places(choice.components, reason("place_short_history")))
    places, choice = judge_places(shop=shop, chosen=chosen, judgement=judgement, budget=budget, step=step)
    judgement = replace(judgement, parts={})  # what was fitted for the test is not kept while the rest is fitted
    cold_people = choose_and_judge(data=data, known=known, cuts=cuts, choice=choice, budget=budget, step=step)
    return Judged(choice, cuts, judgement, cold_people, places)


def unjudged_choice(data: TrainingData) -> Choice:
    components = {name: described for name, described in started(CANDIDATES).items() if name in SHORT_HISTORY}
    weights = dict.fromkeys(components, round(1.0 / len(components), 4))
    return Choice(USUAL, components, weights, "max", float("nan"), {}, [], [])


def fit_to_serve(*, data: TrainingData, choice: Choice) -> tuple[TrainingData, Blend]:
    """The data under the chosen weights, and the blend fitted on all of it."""
    weighed = data.weighed(choice.weighing)
    fitted = fit_all(choice.components, weighed.interactions, data.products)
    return weighed, Blend.of_fitted(fitted, choice.weights, choice.normalisation)


def build_version(*, data: TrainingData, judged: Judged, as_of: datetime, created_at: datetime) -> ModelVersion:
    algorithm, choice = judged.algorithm, judged.choice
    prefix = f"{algorithm}-{as_of:%Y-%m-%d}."
    numbers = [
        int(version.removeprefix(prefix))
        for version in ModelVersion.objects.filter(version__startswith=prefix).values_list("version", flat=True)
    ]
    name = f"{prefix}{max(numbers, default=0) + 1}"
    interactions = data.interactions
    return ModelVersion(
        version=name,
        scenario=SCENARIO,
        algorithm=algorithm,
        parameters={
            "components": choice.components,
            "weights": choice.weights,
            "normalisation": choice.normalisation,
            "weighing": choice.weighing.as_json(),
        },
        as_of=as_of,
        data_from=datetime.fromtimestamp(float(interactions.order.min()), UTC),
        interactions=len(interactions),
        users=interactions.n_users,
        items=interactions.n_items,
        data_fingerprint=data.fingerprint,
        artifact=name,
        metrics=figures_of(judged.judgement.evaluation)[algorithm] if judged.judgement is not None else {},
        created_at=created_at,
    )


def trials_of(data: TrainingData, judged: Judged) -> Trials:
    """How each product did with those who had to do with it, by what a recommendation is meant to lead to."""
    kind = judged.cuts.target if judged.cuts is not None else "purchase"
    return Trials.of(data.interactions, data.products, kind=kind)


def artifact_of(*, data: TrainingData, blend: Blend, judged: Judged, trials: Trials) -> Artifact:
    """The fitted blend, the ids, and what each person did, as `ServingModel` reads them. data: under the chosen weights."""
    arrays, saved = blend.arrays()
    history = data.interactions.histories()
    parts: Mapping[str, dict[str, Any]] = {
        "model": arrays,
        "items": data.interactions.items.arrays(),
        "customers": data.interactions.users.arrays(),
        "identifiers": data.identifiers.arrays(),
        "exploration": trials.arrays(),
        "history": {name: getattr(history, name) for name in ("indptr", "item", "order", "weight", "kind")},
        "dismissed": data.dismissed.arrays(),
    }
    flat: dict[str, np.ndarray] = {
        f"{part}/{name}": array for part, inner in parts.items() for name, array in inner.items()
    }
    cuts = judged.cuts
    return Artifact(
        flat | {"identifier_user": data.identifier_user},
        {
            "model": saved,
            "kind_weights": dict(judged.choice.weighing.kinds),
            "exclude_seen": cuts.exclude_seen if cuts is not None else True,
            "seen_kinds": cuts.seen_kinds if cuts is not None else None,
            "as_of": data.interactions.as_of,
            "scenarios": {name: place.as_json() for name, place in judged.places.items()},
        },
    )


def record(*, run: EvaluationRun, version: ModelVersion, data: TrainingData, judged: Judged) -> None:
    choice, cuts, judgement = judged.choice, judged.cuts, judged.judgement
    run.model_version = version
    run.status = EvaluationRun.Status.DONE
    run.finished_at = datetime.now(UTC)
    run.step, run.percent = "", 100
    run.tried = choice.tried
    run.left_out = [asdict(one) for one in choice.left_out if one.algorithm not in choice.components]
    run.scenarios = {name: place.as_json() for name, place in judged.places.items()}
    run.interactions_by_kind = {"all": kinds_in(data.interactions)}
    if cuts is None or judgement is None:
        return
    run.target = cuts.target
    run.cut_at = datetime.fromtimestamp(judgement.cut_at, UTC)
    run.interactions_by_kind["before_cut"] = kinds_in(cuts.test.train)
    run.figures = figures_of(judgement.evaluation)
    run.comparisons = comparisons_of(judgement.evaluation, winner=judgement.served)
    run.segments = segments_of(judgement)
    run.cold_start = {**run.cold_start, "products": judgement.new_products}
    run.ablation = judgement.ablation
    run.cold_start = run.cold_start | {"people": judged.cold_people.figures}
    run.test_users = len(judgement.evaluation.users)


def resources(budget: Budget, memory: PeakMemory, latency: Latency) -> dict[str, float]:
    return {
        "seconds": round(budget.spent(), 1),
        "seconds_allowed": budget.seconds,
        "peak_mb": round(memory.mb),
        "memory_mb_allowed": budget.memory_mb,
        "median_ms": latency.median_ms,
        "slow_ms": latency.slow_ms,
    }


def decide(*, version: ModelVersion, judged: Judged, latency: Latency, at: datetime) -> None:
    if judged.judgement is None:
        verdict = Verdict(True, [reason("short_history")])
    else:
        verdict = judge_promotion(judgement=judged.judgement, latency_ms=latency.median_ms, limits=Limits.of_settings())
    if verdict.promoted:
        promote(version=version, reasons=verdict.reasons, at=at)
        return
    version.status, version.reasons = Status.REJECTED, verdict.reasons
    version.save(update_fields=["status", "reasons"])


def remove_old_artifacts() -> None:
    """Keeps the active version, the newest few to which one could roll back, and the newest of all.

    The folders of others and of killed trainings go, their records stay.
    """
    kept = {
        name
        for names in ModelVersion.objects.filter(status=Status.ACTIVE).values_list("artifact", "refresh")
        for name in names
    }
    others = ModelVersion.objects.order_by("-created_at")
    kept |= set(others.exclude(status=Status.REJECTED).values_list("artifact", flat=True)[:KEEP_VERSIONS])
    kept |= set(others.values_list("artifact", flat=True)[:1])
    root: Path = settings.MODELS_DIR
    for folder in root.iterdir():
        ours = folder.name.startswith(".") or (folder / MANIFEST).exists()  # others keep what they have beside them
        if folder.is_dir() and ours and folder.name not in kept:
            shutil.rmtree(folder, ignore_errors=True)
