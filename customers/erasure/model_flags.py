"""Flags the fitted models that learned from erased people, until the next training has replaced them."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from config.foundation.personal_data.trained_models import list_trained_models
from customers.erasure.models import ErasureRun, ModelFlag

MAX_VERSIONS = 20  # of one kind; a refresh writes several at once


@dataclass(frozen=True)
class FlaggedModel:
    """A kind of model whose version in use has learned from an erased person."""

    label: str
    versions: int
    flagged_at: datetime


def flag_models(run: ErasureRun, *, at: datetime) -> int:
    """Flag the versions in use of every kind of model; return how many."""
    flags = [
        ModelFlag(run=run, model=kind.model.lower(), object_id=version.pk, flagged_at=at)
        for kind in list_trained_models()
        for version in kind.list_in_use().order_by(f"-{kind.trained_at}", "-pk")[:MAX_VERSIONS]
    ]
    ModelFlag.objects.bulk_create(flags, ignore_conflicts=True)
    return len(flags)


def list_flagged_models() -> Iterator[FlaggedModel]:
    """Yield the kinds of models whose next training is still due."""
    for kind in list_trained_models():
        flags = dict(
            ModelFlag.objects.filter(model=kind.model.lower())
            .order_by("flagged_at")
            .values_list("object_id", "flagged_at")
        )
        newest: Any = (
            kind.list_in_use().order_by(f"-{kind.trained_at}", "-pk").values_list("pk", flat=True)[:MAX_VERSIONS]
        )
        known = [number for number in newest if number in flags]
        if known:
            yield FlaggedModel(str(kind.label), len(known), max(flags[number] for number in known))
