"""Traits of users that do not depend on their interactions: categories, and numbers as bands."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Self

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from recommendations.engine.data.id_map import IdMap
from recommendations.engine.linear_algebra.sparse import make_csr, sum_entries

BANDS = 5
LANGUAGE, COUNTRY, DEVICE = "language", "country", "device"
JOINT = "\x1f"  # separates a field from its value; a control character that neither contains


@dataclass(frozen=True, eq=False)
class CustomerTraits:
    """Traits of n users.

    has: CSR (n, k) with a 1 where a user has one of the k `values`, each a field and its value (`make_trait`).
    """

    values: IdMap
    has: csr_array

    @classmethod
    def of_columns(cls, columns: Mapping[str, Sequence[str]], *, values: IdMap | None = None) -> Self:
        """Build traits from columns: field → one text per user, "" if unknown; with `values`, other values are ignored."""
        lengths = {len(column) for column in columns.values()}
        if len(lengths) > 1:
            raise ValueError(f"the columns of traits have {sorted(lengths)} entries, they must have the same length")
        n = lengths.pop() if lengths else 0
        entries = [
            (user, f"{field}{JOINT}{value}")
            for field, column in columns.items()
            for user, value in enumerate(column)
            if value
        ]
        names = [name for _person, name in entries]
        user = np.fromiter((index for index, _name in entries), np.int32, len(entries))
        known, code = IdMap.number_ids(names) if values is None else (values, values.get_rows(names))
        user, code = user[code >= 0], code[code >= 0]
        return cls(known, sum_entries(user, code, np.ones(len(code)), (n, len(known))))

    def __len__(self) -> int:
        return self.has.shape[0]

    def select_users(self, users: npt.NDArray[np.integer]) -> Self:
        """Return the traits of the given users; -1 is a user without traits."""
        known = users >= 0
        selected = self.has[users[known]]
        lengths = np.zeros(len(users), np.int64)
        lengths[known] = np.diff(selected.indptr)
        indptr = np.concatenate([[0], np.cumsum(lengths)])
        return type(self)(
            self.values, make_csr(selected.data, selected.indices, indptr, (len(users), self.has.shape[1]))
        )

    def has_traits(self) -> npt.NDArray[np.bool_]:
        """Return bool (n,): whether the user has any trait."""
        return np.diff(self.has.indptr) > 0


def get_trait_field(value: str) -> str:
    """Return the field of one of `CustomerTraits.values`."""
    return value.partition(JOINT)[0]


def make_trait(field: str, value: str) -> str:
    """Return the text of a field and value, as in `CustomerTraits.values`."""
    return f"{field}{JOINT}{value}"


def normalize_trait_value(field: str, value: str) -> str:
    """Normalize a value: en-GB and EN become en; countries and devices become lower case; others stay."""
    text = value.strip()
    if field == LANGUAGE:
        return text.replace("_", "-").partition("-")[0].lower()
    return text.lower() if field in (COUNTRY, DEVICE) else text


def compute_quantile_edges(numbers: npt.NDArray[np.floating], bands: int = BANDS) -> list[float]:
    """Return the distinct inner quantiles that divide the numbers into `bands` of equal size; NaN is ignored."""
    known = numbers[np.isfinite(numbers)]
    if not len(known):
        return []
    return np.unique(np.quantile(known, np.arange(1, bands) / bands)).tolist()


def assign_bands(numbers: npt.NDArray[np.floating], edges: Sequence[float]) -> list[str]:
    """Return the band of each number as text: "< 30", "30 – 45", "≥ 45"; "" for NaN. A number on an edge is above it."""
    edge_texts = [f"{edge:g}" for edge in edges]
    inner = [f"{low} – {high}" for low, high in pairwise(edge_texts)]
    labels = [f"< {edge_texts[0]}", *inner, f"≥ {edge_texts[-1]}"] if edge_texts else [""]
    band_numbers = np.searchsorted(np.asarray(edges, np.float64), numbers, side="right")
    return [labels[band] if np.isfinite(number) else "" for band, number in zip(band_numbers, numbers, strict=True)]
