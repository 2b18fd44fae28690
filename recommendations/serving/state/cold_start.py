"""The cold-start model of a worker, and the stored traits of customers without a history."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from config.foundation.array_types import Rows
from recommendations.engine import IdMap
from recommendations.engine.cold_start import ColdStart, NewVisitors, get_trait_field, make_trait, normalize_trait_value
from recommendations.engine.linear_algebra.sparse import make_csr
from recommendations.training.registry.artifacts import Artifact


@dataclass(frozen=True, eq=False)
class ColdStartModel:
    """The cold-start model, and the traits of customers without a history.

    user: row of each identifier in the CSR matrix of trait values (indptr, indices).
    """

    model: ColdStart
    identifiers: IdMap
    user: Rows
    indptr: Rows
    indices: Rows

    @classmethod
    def from_artifact(cls, artifact: Artifact) -> "ColdStartModel | None":
        """Return the model; None if popularity is just as good, or if the version is older than the cold-start model."""
        saved: Mapping[str, Any] | None = artifact.saved.get("cold")
        if saved is None:
            return None
        arrays = artifact.get_part("newcomers")
        identifiers = {name: arrays[f"identifiers.{name}"] for name in IdMap.PARTS}
        return cls(
            ColdStart.from_arrays(artifact.get_part("cold"), saved),
            IdMap.from_arrays(identifiers),
            arrays["person"],
            arrays["indptr"],
            arrays["indices"],
        )

    def describe(self, *, identifiers: Sequence[str], traits: Mapping[str, str], landing: str) -> NewVisitors | None:
        """Return what is known about one visitor; None if none of it changes a score.

        traits: field → value of the request; they override stored values. landing: a category path, or "".
        """
        values = self.model.lifts_.values_
        requested = values.get_rows(
            [make_trait(field, normalize_trait_value(field, value)) for field, value in traits.items() if value]
        )
        fields = {field for field, value in traits.items() if value}
        stored = [
            code for code in self.find_trait_codes(identifiers) if get_trait_field(values.get_id(code)) not in fields
        ]
        codes = np.array(sorted({*stored, *requested[requested >= 0].tolist()}), np.int32)
        has = make_csr(np.ones(len(codes)), codes, [0, len(codes)], (1, len(values)))
        arrival = NewVisitors(has, self.model.landings_.find_rows([landing]))
        return arrival if self.model.is_personalized(arrival)[0] else None

    def find_trait_codes(self, identifiers: Sequence[str]) -> list[int]:
        """Return the trait values stored for the first identifier that has any."""
        for row in self.identifiers.get_rows(list(identifiers)).tolist() if identifiers else []:
            user = int(self.user[row]) if row >= 0 else -1
            if user >= 0:
                return self.indices[self.indptr[user] : self.indptr[user + 1]].tolist()
        return []
