"""The settings of every placement, in the memory of a worker."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Count, Max

from recommendations.engine.placements import DEFAULT_VISIT_SHARE, PLACEMENTS
from recommendations.serving.models import PlacementSettings
from recommendations.serving.state.model import PURCHASE, ServingModel

Switch, PurchasedProducts = PlacementSettings.Switch, PlacementSettings.PurchasedProducts


@dataclass(frozen=True)
class PlacementConfig:
    """The settings of one placement: a row of `PlacementSettings`, or the defaults."""

    name: str
    switch: str = Switch.AUTO
    weights: Mapping[str, float] = field(default_factory=dict)
    fallback: str = ""
    purchased_products: str = PurchasedProducts.AUTO
    max_purchased_share: float | None = None
    personal_share: float = 0.2
    visit_share: float = DEFAULT_VISIT_SHARE
    diversity: float = 0.0
    rotation: float = 0.0
    rotation_hours: int = 24
    exploration: float | None = None
    margin_weight: float = 0.0
    stock_weight: float = 0.0

    def get_fallback(self) -> str | None:
        """Return the placement that replaces this one when it has no products."""
        return self.fallback or PLACEMENTS[self.name].fallback

    def get_max_purchased_share(self) -> float:
        """Return the largest share of positions with products that the customer has bought before, 0 to 1."""
        share = self.max_purchased_share
        return PLACEMENTS[self.name].max_purchased_share if share is None else share

    def get_hidden_kinds(self, model: ServingModel | None) -> Sequence[int] | None:
        """Return the kinds of interactions after which a product is not shown again.

        None means every kind.
        """
        if self.purchased_products == PurchasedProducts.HIDE:
            return [PURCHASE]
        if self.purchased_products == PurchasedProducts.AUTO and model is not None and model.exclude_seen:
            return model.seen_kinds
        return []


@dataclass(frozen=True)
class PlacementConfigs:
    """The settings of all placements by name.

    fingerprint: number of rows and newest change, to notice changes.
    """

    by_name: Mapping[str, PlacementConfig]
    fingerprint: tuple[Any, ...] = ()

    def __getitem__(self, name: str) -> PlacementConfig:
        return self.by_name[name]


DEFAULT_CONFIGS = PlacementConfigs({name: PlacementConfig(name) for name in PLACEMENTS})


def read_placement_configs(before: PlacementConfigs = DEFAULT_CONFIGS) -> PlacementConfigs:
    """Return the current settings, or the same object if nothing has changed."""
    newest = PlacementSettings.objects.aggregate(count=Count("id"), newest=Max("updated_at"))
    fingerprint = (newest["count"], newest["newest"])
    if fingerprint == before.fingerprint:
        return before
    configs = dict(DEFAULT_CONFIGS.by_name)
    names = [name for name in PlacementConfig.__dataclass_fields__ if name != "name"]
    for row in PlacementSettings.objects.all():
        configs[row.placement] = PlacementConfig(row.placement, **{name: getattr(row, name) for name in names})
    return PlacementConfigs(configs, fingerprint)
