"""Item data that do not depend on interactions: texts, categories and vectors."""

from collections.abc import Mapping, Sequence, Sized
from dataclasses import dataclass, field
from typing import Self

import numpy as np
import numpy.typing as npt

from recommendations.engine.data.id_map import IdMap


@dataclass(frozen=True, eq=False)
class Products:
    """Texts, categories and vectors of k items, in the order of their rows.

    texts: field name → k texts (title, description, brand, category, attributes …); "" if unknown. vectors: name → float32 (k, d),
    additional dense blocks such as image embeddings; a row of zeros if missing. category: int32 (k,) rows of `categories`, -1 for
    none.
    """

    n_items: int
    texts: Mapping[str, Sequence[str]] = field(default_factory=dict)
    vectors: Mapping[str, npt.NDArray[np.float32]] = field(default_factory=dict)
    category: npt.NDArray[np.int32] | None = None
    categories: IdMap | None = None

    def __post_init__(self) -> None:
        columns: list[tuple[str, Sized]] = [(f"texts[{name!r}]", column) for name, column in self.texts.items()]
        columns += [(f"vectors[{name!r}]", block) for name, block in self.vectors.items()]
        columns += [("category", self.category)] if self.category is not None else []
        for name, column in columns:
            if len(column) != self.n_items:
                raise ValueError(f"{name} has {len(column)} entries, there are {self.n_items} items")
        for name, block in self.vectors.items():
            if block.ndim != 2 or not np.isfinite(block).all():
                raise ValueError(f"vectors[{name!r}] must be a matrix of finite numbers, one row per item")

    @classmethod
    def of_columns(cls, texts: Mapping[str, Sequence[str]], *, category_field: str = "category") -> Self:
        """Build products from text columns; the texts of `category_field`, if present, also number the categories."""
        n_items = len(next(iter(texts.values()))) if texts else 0
        if category_field not in texts:
            return cls(n_items, texts)
        names = texts[category_field]
        categories, category = IdMap.number_ids(names)
        empty = np.fromiter((not name for name in names), np.bool_, n_items)
        return cls(n_items, texts, category=np.where(empty, -1, category).astype(np.int32), categories=categories)
