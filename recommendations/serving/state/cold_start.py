"""Whoever has no history yet: what is known of them all the same, without asking the database."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from recommendations.engine import IdMap
from recommendations.engine.cold_start import Arrivals, ColdStart, field_of, field_value, plain_value
from recommendations.engine.linear_algebra.sparse import csr
from recommendations.training.registry.artifacts import Artifact


@dataclass(frozen=True, eq=False)
class NewcomerModel:
    """model: how they are served; identifiers, person, indptr, indices: the trait values of customers without a history."""

    model: ColdStart
    identifiers: IdMap
    person: npt.NDArray[np.int32]
    indptr: npt.NDArray[np.int32]
    indices: npt.NDArray[np.int32]

    @classmethod
    def of_artifact(cls, artifact: Artifact) -> "NewcomerModel | None":
        """None where popularity is as good, and of a version that was trained before there was more."""
        saved: Mapping[str, Any] | None = artifact.saved.get("cold")
        if saved is None:
            return None
        arrays = artifact.part("newcomers")
        named = {name: arrays[f"identifiers.{name}"] for name in IdMap.PARTS}
        return cls(
            ColdStart.from_arrays(artifact.part("cold"), saved),
            IdMap.from_arrays(named),
            arrays["person"],
            arrays["indptr"],
            arrays["indices"],
        )

    def arrival(self, *, identifiers: Sequence[str], told: Mapping[str, str], landing: str) -> Arrivals | None:
        """What is known of one person; None where nothing of it makes a difference.

        told: field → value of the request, which is newer than what is known of the identifiers; landing: a category path or "".
        """
        values = self.model.lifts_.values_
        fresh = values.rows([field_value(field, plain_value(field, value)) for field, value in told.items() if value])
        fields = {field for field, value in told.items() if value}
        known = [code for code in self.codes(identifiers) if field_of(values.id(code)) not in fields]
        codes = np.array(sorted({*known, *fresh[fresh >= 0].tolist()}), np.int32)
        has = csr(np.ones(len(codes)), codes, [0, len(codes)], (1, len(values)))
        arrival = Arrivals(has, self.model.landings_.rows([landing]))
        return arrival if self.model.touches(arrival)[0] else None

    def codes(self, identifiers: Sequence[str]) -> list[int]:
        """The trait values of the first of the identifiers of whom any are known."""
        for place in self.identifiers.rows(list(identifiers)).tolist() if identifiers else []:
            person = int(self.person[place]) if place >= 0 else -1
            if person >= 0:
                return self.indices[self.indptr[person] : self.indptr[person + 1]].tolist()
        return []
