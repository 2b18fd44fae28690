"""What search needs of the catalogue in memory, and a catalogue of its own for a shop without a model."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

import numpy as np
import numpy.typing as npt

from catalog.models import Product
from recommendations.engine import IdMap
from recommendations.serving.catalogue import Card, Catalogue


class Shelf(Protocol):
    """Products by row: see `recommendations.serving.catalogue.Catalogue`. Arrays may be longer than product_ids."""

    @property
    def product_ids(self) -> Sequence[str]: ...
    @property
    def cards(self) -> Sequence[Card | None]: ...
    @property
    def shown(self) -> npt.NDArray[np.bool_]: ...
    @property
    def in_stock(self) -> npt.NDArray[np.bool_]: ...
    @property
    def price(self) -> npt.NDArray[np.float64]: ...
    @property
    def published(self) -> npt.NDArray[np.float64]: ...
    @property
    def brand(self) -> npt.NDArray[np.int32]: ...
    @property
    def category(self) -> npt.NDArray[np.int32]: ...
    @property
    def brands(self) -> Mapping[str, int]: ...
    @property
    def categories(self) -> Mapping[str, int]: ...


class OwnShelf(Catalogue):
    """All products of the database, in the order of their ids."""

    def __init__(self, product_ids: Sequence[str]) -> None:
        items = IdMap.of(product_ids)
        super().__init__(items)
        self.product_ids = items.ids()
        self.known = frozenset(self.product_ids)


def own_shelf(*, now: datetime, present: OwnShelf | None = None) -> OwnShelf:
    """The present one with what changed, or a new one where there are products that it does not know."""
    if present is not None:
        present.refresh(now=now)
        if Product.objects.count() == len(present.known):
            return present
    fresh = OwnShelf(list(Product.objects.values_list("product_id", flat=True)))
    fresh.refresh(now=now)
    return fresh
