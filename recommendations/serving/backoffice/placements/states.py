"""What each placement really serves: products of the model, facts such as the newest products, or its fallback; and since when."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from auditlog.models import LogEntry
from django.contrib.contenttypes.models import ContentType

from recommendations.engine.placements import FOR_YOU, NEW, PLACEMENTS, RECENTLY_VIEWED
from recommendations.serving.models import PlacementSettings
from recommendations.serving.pipeline.context import LAST_RESORT
from recommendations.serving.state.loader import ServingState
from recommendations.training.models import EvaluationRun, ModelVersion

FACTUAL_PLACEMENTS = (NEW, RECENTLY_VIEWED)
UNEVALUATED_CODES = ("place_no_time", "place_short_history", "place_too_few", "place_no_part")
MAX_VERSIONS = 20  # number of activations searched to find since when a placement has been on or off


class ServedBy(StrEnum):
    """What fills a placement."""

    MODEL = "model"
    FACTS = "facts"
    FALLBACK = "fallback"
    OFF = "off"


class FallbackCause(StrEnum):
    """Why a placement shows its fallback although nobody turned it off."""

    NO_MODEL = "no_model"
    LOADING = "loading"  # for some seconds after a start of the web server
    NOT_BETTER = "not_better"
    NOT_EVALUATED = "not_evaluated"  # too little history, or too few customers, in every training so far
    NO_PUBLICATION_DATES = "no_publication_dates"  # new products are those published last


@dataclass(frozen=True)
class PlacementState:
    """What fills a placement now.

    fallback: the placement shown instead, or when this one is empty; LAST_RESORT without one. since: None if unknown. is_forced: the shop
    turned it on or off. evaluation: the result of the placement in the evaluation of the active model, {} without one.
    """

    placement: str
    served_by: ServedBy
    fallback: str
    since: datetime | None
    version: str = ""
    cause: FallbackCause | None = None
    is_forced: bool = False
    evaluation: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Activation:
    """A model version that was activated, and whether its evaluation found each placement better than its fallback."""

    at: datetime
    is_on: Mapping[str, bool]


def find_placement_states(
    state: ServingState, settings: Sequence[PlacementSettings] | None = None
) -> dict[str, PlacementState]:
    """Return the state of every placement, in at most five queries."""
    rows = {row.placement: row for row in (PlacementSettings.objects.all() if settings is None else settings)}
    activations = list_activations()
    switched_at = find_switch_changes(list(rows.values()))
    evaluation = find_active_evaluation()
    is_trained = state.model is not None or has_active_version()
    return {
        name: find_placement_state(
            name,
            state,
            switch=rows[name].switch if name in rows else PlacementSettings.Switch.AUTO,
            switched_at=switched_at.get(name),
            activations=activations,
            evaluation=evaluation.get(name),
            is_trained=is_trained,
        )
        for name in PLACEMENTS
    }


def has_active_version() -> bool:
    """Return whether a model is trained; without a model in memory, it is still being loaded."""
    return ModelVersion.objects.filter(scenario=FOR_YOU, status=ModelVersion.Status.ACTIVE).exists()


def find_placement_state(
    name: str,
    state: ServingState,
    *,
    switch: str,
    switched_at: datetime | None,
    activations: Sequence[Activation],
    evaluation: Mapping[str, Any] | None,
    is_trained: bool,
) -> PlacementState:
    fallback = find_served_fallback(name, state)
    version = state.version
    is_forced = switch != PlacementSettings.Switch.AUTO
    if switch == PlacementSettings.Switch.OFF:
        return PlacementState(name, ServedBy.OFF, fallback, switched_at, version, None, is_forced, evaluation)
    if name in FACTUAL_PLACEMENTS:
        has_dates = name != NEW or len(state.products.get_newest_rows()) > 0
        cause = None if has_dates else FallbackCause.NO_PUBLICATION_DATES
        return PlacementState(name, ServedBy.FACTS, fallback, switched_at, version, cause, is_forced, evaluation)
    if state.model is None:
        cause = FallbackCause.LOADING if is_trained else FallbackCause.NO_MODEL
        return PlacementState(name, ServedBy.FALLBACK, fallback, None, "", cause, is_forced)
    is_on = state.blends is None or name not in state.blends.switched_off
    since = find_start(name, is_on, activations) if not is_forced else None
    since = max((at for at in (since, switched_at) if at is not None), default=None)
    served_by = ServedBy.MODEL if is_on else ServedBy.FALLBACK
    switched_off_by = None if is_on else find_cause(evaluation)
    return PlacementState(name, served_by, fallback, since, version, switched_off_by, is_forced, evaluation)


def find_cause(evaluation: Mapping[str, Any] | None) -> FallbackCause:
    """Return why a placement is off automatically; without results, the last training could not evaluate it."""
    code = ((evaluation or {}).get("why") or {}).get("code")
    is_unevaluated = not evaluation or code in UNEVALUATED_CODES
    return FallbackCause.NOT_EVALUATED if is_unevaluated else FallbackCause.NOT_BETTER


def find_served_fallback(name: str, state: ServingState) -> str:
    """Return the first fallback that is not off: what the storefront gets instead of the placement; LAST_RESORT if all are off."""
    switched_off = state.blends.switched_off if state.blends is not None else frozenset()
    tried = {name}
    fallback = state.placements[name].get_fallback()
    while fallback is not None and fallback not in tried:
        if fallback not in switched_off:
            return fallback
        tried.add(fallback)
        fallback = state.placements[fallback].get_fallback()
    return LAST_RESORT


def find_start(name: str, is_on: bool, activations: Sequence[Activation]) -> datetime | None:
    """Return the time of the first activation in the latest unbroken series that left the placement on, or off."""
    start = None
    for activation in activations:
        if activation.is_on.get(name, name == FOR_YOU) != is_on:
            break
        start = activation.at
    return start


def list_activations() -> list[Activation]:
    """Return the newest activations of models, newest first, in one query."""
    rows = (
        EvaluationRun.objects.filter(model_version__activated_at__isnull=False, model_version__scenario=FOR_YOU)
        .order_by("-model_version__activated_at")
        .values_list("model_version__activated_at", "scenarios")[:MAX_VERSIONS]
    )
    return [
        Activation(at, {name: bool(result.get("on", True)) for name, result in (results or {}).items()})
        for at, results in rows
        if at is not None
    ]


def find_active_evaluation() -> Mapping[str, Mapping[str, Any]]:
    """Return the results of the active model's evaluation by placement."""
    scenarios: Mapping[str, Mapping[str, Any]] | None = (
        EvaluationRun.objects.filter(model_version__status="active", model_version__scenario=FOR_YOU)
        .order_by("-started_at")
        .values_list("scenarios", flat=True)
        .first()
    )
    return scenarios or {}


def find_switch_changes(settings: Sequence[PlacementSettings]) -> dict[str, datetime]:
    """Return when the status of each placement was last changed, from the audit log, in one query."""
    names = {str(row.pk): row.placement for row in settings}
    entries = (
        LogEntry.objects.filter(
            content_type=ContentType.objects.get_for_model(PlacementSettings),
            object_pk__in=list(names),
            action=LogEntry.Action.UPDATE,
            changes__has_key="switch",
        )
        .order_by("timestamp")
        .values_list("object_pk", "timestamp")
    )
    return {names[pk]: at for pk, at in entries}
