"""How each place of the shop is set, as a worker keeps it in memory."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Count, Max

from recommendations.engine.placements import SCENARIOS
from recommendations.serving.models import ScenarioSettings

Switch, Bought = ScenarioSettings.Switch, ScenarioSettings.Bought


@dataclass(frozen=True)
class Place:
    """One place: what `ScenarioSettings` says of it, its defaults where nothing was said."""

    name: str
    switch: str = Switch.AUTO
    weights: Mapping[str, float] = field(default_factory=dict)
    fallback: str = ""
    bought: str = Bought.AUTO
    personal: float = 0.2
    diversity: float = 0.0
    rotation: float = 0.0
    rotation_hours: int = 24
    exploration: float | None = None
    margin_weight: float = 0.0
    stock_weight: float = 0.0

    def falls_back_to(self) -> str | None:
        return self.fallback or SCENARIOS[self.name].fallback


@dataclass(frozen=True)
class Places:
    """All of them by name. seen: how many rows there were and when the newest was changed, to notice a change by."""

    by_name: Mapping[str, Place]
    seen: tuple[Any, ...] = ()

    def __getitem__(self, name: str) -> Place:
        return self.by_name[name]


DEFAULTS = Places({name: Place(name) for name in SCENARIOS})


def read_places(before: Places = DEFAULTS) -> Places:
    """What the database says now; the same object where nothing has changed."""
    found = ScenarioSettings.objects.aggregate(count=Count("id"), newest=Max("updated_at"))
    seen = (found["count"], found["newest"])
    if seen == before.seen:
        return before
    places = dict(DEFAULTS.by_name)
    names = [name for name in Place.__dataclass_fields__ if name != "name"]
    for row in ScenarioSettings.objects.all():
        places[row.scenario] = Place(row.scenario, **{name: getattr(row, name) for name in names})
    return Places(places, seen)
