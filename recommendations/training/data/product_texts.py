"""The text columns of products from which content similarity is learned."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from recommendations.engine import IdMap
from recommendations.engine.data.price_bands import assign_price_bands
from recommendations.engine.data.text_terms import join_values

MAX_VALUE_LENGTH = 100  # longer values are descriptions, which no other product shares word for word


@dataclass(frozen=True, eq=False)
class ProductColumns:
    """Columns of k products, "" for unknown; attributes: JSON values."""

    title: Sequence[str]
    description: Sequence[str]
    brand: Sequence[str]
    category: Sequence[str]
    attributes: Sequence[Any]
    tags: Sequence[Sequence[str]]

    def build_texts(self, band: npt.NDArray[np.int32]) -> dict[str, Sequence[str]]:
        """Return the columns as `Products.texts` expects.

        band: the price band of each product within its category, -1 for none.
        """
        return {
            "title": self.title,
            "description": self.description,
            "brand": self.brand,
            "category": self.category,
            "attributes": drop_unique_values([list(iterate_attribute_values(value)) for value in self.attributes]),
            "tags": [join_values(value) for value in self.tags],
            "price band": drop_unique_values(
                [
                    [f"{category} {value}".strip()] if value > 0 else []
                    for category, value in zip(self.category, band.tolist(), strict=True)
                ]
            ),
        }


def iterate_attribute_values(attributes: Any, name: str = "") -> Iterator[str]:
    """Yield name=value for each entry of a JSON object.

    Lists yield each element, inner objects outer.inner names.
    """
    if isinstance(attributes, Mapping):
        for key, value in attributes.items():
            yield from iterate_attribute_values(value, f"{name}.{key}" if name else str(key))
    elif isinstance(attributes, list):
        for value in attributes:
            yield from iterate_attribute_values(value, name)
    elif attributes is not None and name:
        text = (attributes if isinstance(attributes, str) else json.dumps(attributes)).strip()
        if text and len(text) <= MAX_VALUE_LENGTH:
            yield f"{name}={text}"


def drop_unique_values(values: Sequence[Sequence[str]]) -> list[str]:
    """Join the values of each product, without values that occur in one product only.

    Such values create no similarity.
    """
    counts = Counter(value for product_values in values for value in set(product_values))
    return [join_values(value for value in product_values if counts[value] > 1) for product_values in values]


def compute_price_bands(
    *, price: npt.NDArray[np.float64], currency: Sequence[str], category: Sequence[str]
) -> npt.NDArray[np.int32]:
    """Return `price_bands` with categories given by their paths."""
    codes = IdMap.number_ids(category)[1]
    without_category = np.fromiter((not path for path in category), np.bool_, len(category))
    return assign_price_bands(price, currency, np.where(without_category, -1, codes).astype(np.int32))
