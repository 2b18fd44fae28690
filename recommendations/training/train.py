"""One training from data to a version that serves, or that says why it does not."""

import logging
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext_noop

from catalog.locks import exclusive
from catalog.progress import Progress, no_progress
from recommendations.engine.algorithms.blend import Blend
from recommendations.engine.evaluation.splits import EmptySplitError
from recommendations.training.artifacts import Artifact, save_artifact
from recommendations.training.components import COMPONENTS, KIND_WEIGHTS
from recommendations.training.extract import TrainingData, extract
from recommendations.training.judge import (
    AT,
    PRIMARY,
    Judgement,
    comparisons_of,
    figures_of,
    fit_all,
    judge_components,
)
from recommendations.training.models import EvaluationRun, ModelVersion
from recommendations.training.promotion import artifact_folder, promote

logger = logging.getLogger(__name__)
SCENARIO = "for-you"
STEPS = 5
KEEP_VERSIONS = 5
Status = ModelVersion.Status


def train(*, as_of: datetime, started_at: datetime, progress: Progress = no_progress) -> ModelVersion:
    """Learns from everything before ``as_of``, judges it on a cut in time and promotes it if it deserves that.

    The version that serves stays untouched until the end. A training that was killed leaves a run marked as running, which the
    next one marks as failed.

    Raises:
        AlreadyRunningError: another training is under way.
        NothingToTrainOnError: no order line of a known customer.
    """
    with exclusive("training.train"):
        abandoned = EvaluationRun.objects.filter(status=EvaluationRun.Status.RUNNING)
        abandoned.update(
            status=EvaluationRun.Status.FAILED, error="the process ended before the run did", finished_at=started_at
        )
        run = EvaluationRun.objects.create(started_at=started_at, primary_metric=f"{PRIMARY}@{AT}")
        try:
            return train_recorded(run=run, as_of=as_of, started_at=started_at, progress=progress)
        except Exception as error:
            run.status, run.error, run.finished_at = EvaluationRun.Status.FAILED, str(error), datetime.now(UTC)
            run.save(update_fields=["status", "error", "finished_at"])
            raise


def train_recorded(*, run: EvaluationRun, as_of: datetime, started_at: datetime, progress: Progress) -> ModelVersion:
    done = 0

    def step(name: str) -> None:
        nonlocal done
        run.step = name
        run.save(update_fields=["step"])
        progress(done, STEPS)
        done += 1

    step(gettext_noop("reading the data"))
    data = extract(as_of=as_of)
    judgement = judge_or_none(data=data, step=step)
    step(gettext_noop("fitting on everything"))
    version = build_version(data=data, judgement=judgement, as_of=as_of, created_at=started_at)
    step(gettext_noop("saving"))
    artifact = artifact_of(data=data, judgement=judgement)
    folder = artifact_folder(version)
    folder.parent.mkdir(parents=True, exist_ok=True)
    version.checksum = save_artifact(folder=folder, artifact=artifact)
    with transaction.atomic():
        version.save()
        record(run=run, version=version, judgement=judgement)
    decide(version=version, judgement=judgement, at=started_at)
    remove_old_artifacts()
    progress(STEPS, STEPS)
    return version


def judge_or_none(*, data: TrainingData, step: Callable[[str], None]) -> Judgement | None:
    """None for a shop whose history is too short for a cut in time; it serves the default weights until it is longer."""
    active = ModelVersion.objects.filter(scenario=SCENARIO, status=Status.ACTIVE).first()
    try:
        return judge_components(
            interactions=data.interactions,
            products=data.products,
            components=COMPONENTS,
            active=active.parameters if active is not None else None,
            step=step,
        )
    except EmptySplitError as error:
        logger.warning("no evaluation, the history is too short: %s", error)
        return None


def weights_of(judgement: Judgement | None) -> dict[str, float]:
    """The winner's weights: of a single algorithm all the weight is its own, and the others serve only the other scenarios."""
    if judgement is None:
        return {name: 1.0 / len(COMPONENTS) for name in COMPONENTS}
    if judgement.winner == "blend":
        return judgement.chosen.weights
    return {name: float(name == judgement.winner) for name in COMPONENTS}


def build_version(
    *, data: TrainingData, judgement: Judgement | None, as_of: datetime, created_at: datetime
) -> ModelVersion:
    algorithm = judgement.winner if judgement is not None else "blend"
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
        parameters={"components": COMPONENTS, "weights": weights_of(judgement), "normalisation": "max"},
        as_of=as_of,
        data_from=datetime.fromtimestamp(float(interactions.order.min()), UTC),
        interactions=len(interactions),
        users=interactions.n_users,
        items=interactions.n_items,
        data_fingerprint=data.fingerprint,
        artifact=name,
        metrics=figures_of(judgement.evaluation)[judgement.winner] if judgement is not None else {},
        created_at=created_at,
    )


def artifact_of(*, data: TrainingData, judgement: Judgement | None) -> Artifact:
    """The blend fitted on everything, the ids, and what each person did, as `ServingModel` reads them."""
    fitted = fit_all(COMPONENTS, data.interactions, data.products)
    arrays, saved = Blend.of_fitted(fitted, weights_of(judgement)).arrays()
    history = data.interactions.histories()
    parts: dict[str, dict[str, Any]] = {
        "model": arrays,
        "items": data.interactions.items.arrays(),
        "identifiers": data.identifiers.arrays(),
        "history": {name: getattr(history, name) for name in ("indptr", "item", "order", "weight", "kind")},
    }
    flat: dict[str, np.ndarray] = {
        f"{part}/{name}": array for part, inner in parts.items() for name, array in inner.items()
    }
    return Artifact(
        flat | {"identifier_user": data.identifier_user},
        {
            "model": saved,
            "kind_weights": KIND_WEIGHTS,
            "exclude_seen": judgement.exclude_seen if judgement is not None else True,
            "as_of": data.interactions.as_of,
        },
    )


def record(*, run: EvaluationRun, version: ModelVersion, judgement: Judgement | None) -> None:
    run.model_version = version
    run.status = EvaluationRun.Status.DONE
    run.finished_at = datetime.now(UTC)
    run.step = ""
    if judgement is not None:
        run.cut_at = datetime.fromtimestamp(judgement.cut_at, UTC)
        run.figures = figures_of(judgement.evaluation)
        run.comparisons = comparisons_of(judgement.evaluation, winner=judgement.winner)
        run.test_users = len(judgement.evaluation.users)
        run.tried = [
            {
                "on": "validation",
                "metric": f"{PRIMARY}@{AT}",
                "single": judgement.chosen.single,
                "weights": judgement.chosen.weights,
                "value": judgement.chosen.value,
                "repeat_share": judgement.repeat_share,
            }
        ]
    run.save()


def decide(*, version: ModelVersion, judgement: Judgement | None, at: datetime) -> None:
    """Promotes unless it would serve worse than what serves now, or no better than popularity."""
    if judgement is None:
        promote(
            version=version, why="The history is too short for an evaluation: equal weights until it is longer.", at=at
        )
        return
    evaluation, winner = judgement.evaluation, judgement.winner
    value = evaluation.value(winner, PRIMARY, AT)
    if "active" in evaluation.scores:
        against = evaluation.difference(winner, "active", PRIMARY, AT)
        if against.high is not None and against.high < 0:
            reject(
                version,
                f"{PRIMARY}@{AT} is lower than that of the active version by {-against.value:.4f} on the same customers.",
            )
            return
    if winner != "popularity":
        over = evaluation.difference(winner, "popularity", PRIMARY, AT)
        if over.low is not None and over.low <= 0:
            logger.warning("%s is not shown to be better than popularity: difference %.4f", version.version, over.value)
    promote(
        version=version,
        why=f"{winner} has the best {PRIMARY}@{AT} on the cut: {value.value:.4f} ({value.low:.4f} to {value.high:.4f}).",
        at=at,
    )


def reject(version: ModelVersion, why: str) -> None:
    version.status, version.why = Status.REJECTED, why
    version.save(update_fields=["status", "why"])


def remove_old_artifacts() -> None:
    """Keeps the active version and the newest few; the folders of others and of killed trainings go, their records stay."""
    kept = set(ModelVersion.objects.filter(status=Status.ACTIVE).values_list("artifact", flat=True))
    kept |= set(ModelVersion.objects.order_by("-created_at").values_list("artifact", flat=True)[:KEEP_VERSIONS])
    root: Path = settings.MODELS_DIR
    for folder in root.iterdir():
        if folder.is_dir() and folder.name not in kept:
            shutil.rmtree(folder, ignore_errors=True)
