"""What a product says of itself, as the columns of text from which likeness is learnt."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from recommendations.engine import IdMap
from recommendations.engine.data.price_bands import price_bands
from recommendations.engine.data.text_terms import joined

LONGEST_VALUE = 100  # what is longer is a description, which nobody else has word for word


@dataclass(frozen=True, eq=False)
class Described:
    """Columns of k products, "" where nothing is known; attributes: what JSON can hold."""

    title: Sequence[str]
    description: Sequence[str]
    brand: Sequence[str]
    category: Sequence[str]
    attributes: Sequence[Any]
    tags: Sequence[Sequence[str]]

    def texts(self, band: npt.NDArray[np.int32]) -> dict[str, Sequence[str]]:
        """Columns as `Products.texts` has them; band: that of each price, -1 for none, which is told of the category alone."""
        return {
            "title": self.title,
            "description": self.description,
            "brand": self.brand,
            "category": self.category,
            "attributes": shared_values([list(attribute_values(one)) for one in self.attributes]),
            "tags": [joined(one) for one in self.tags],
            "price band": shared_values(
                [
                    [f"{category} {one}".strip()] if one > 0 else []
                    for category, one in zip(self.category, band.tolist(), strict=True)
                ]
            ),
        }


def attribute_values(attributes: Any, name: str = "") -> Iterator[str]:
    """Each name=value of a JSON object; of a list one for each element, of an inner object under outer.inner."""
    if isinstance(attributes, Mapping):
        for key, value in attributes.items():
            yield from attribute_values(value, f"{name}.{key}" if name else str(key))
    elif isinstance(attributes, list):
        for value in attributes:
            yield from attribute_values(value, name)
    elif attributes is not None and name:
        text = (attributes if isinstance(attributes, str) else json.dumps(attributes)).strip()
        if text and len(text) <= LONGEST_VALUE:
            yield f"{name}={text}"


def shared_values(values: Sequence[Sequence[str]]) -> list[str]:
    """Without values that one product alone has, such as a number of its own: they make nothing alike."""
    counts = Counter(value for one in values for value in set(one))
    return [joined(value for value in one if counts[value] > 1) for one in values]


def bands_of(
    *, price: npt.NDArray[np.float64], currency: Sequence[str], category: Sequence[str]
) -> npt.NDArray[np.int32]:
    """`price_bands` with categories by their paths."""
    codes = IdMap.numbered(category)[1]
    none = np.fromiter((not path for path in category), np.bool_, len(category))
    return price_bands(price, currency, np.where(none, -1, codes).astype(np.int32))
