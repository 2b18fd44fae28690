"""Models that were fitted to data about people: after an erasure they are flagged until the next training replaces them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.apps import apps
from django.db import models
from django.utils.functional import Promise


@dataclass(frozen=True)
class TrainedModels:
    """One kind of fitted model.

    Attributes:
        model: "app.Model" of its versions.
        trained_at: the column with the time up to which data was used.
        in_use: a filter for the versions that are still applied.
    """

    model: str
    label: str | Promise
    trained_at: str
    in_use: Mapping[str, Any] = field(default_factory=dict)

    def list_in_use(self) -> models.QuerySet[Any]:
        """Return the versions that are still applied."""
        return apps.get_model(self.model)._base_manager.filter(**self.in_use)


_kinds: dict[str, TrainedModels] = {}


def register_trained_models(
    model: str, label: str | Promise, *, trained_at: str, in_use: Mapping[str, Any] | None = None
) -> None:
    """Register a kind of fitted model, in the module `stored_data/personal_data_stores.py` of its app."""
    _kinds[model.lower()] = TrainedModels(model, label, trained_at, in_use or {})


def list_trained_models() -> list[TrainedModels]:
    """Return all kinds of fitted models."""
    return list(_kinds.values())
