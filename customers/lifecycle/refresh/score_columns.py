"""Scores as columns, before they are written to the profiles."""

from dataclasses import dataclass, field

import numpy as np
from psycopg import sql

from config.foundation.array_types import Floats, Ints
from customers.lifecycle.models import ScoreModel

AS_NUMBER = sql.SQL("NULLIF(v.{column}, 'NaN')")
AS_DATE = sql.SQL("CASE WHEN v.{column} >= 0 THEN 'epoch'::date + v.{column}::int END")
AS_INTEGER = sql.SQL("CASE WHEN v.{column} >= 0 THEN v.{column} END")
AS_NAME = sql.SQL("COALESCE(({names}::text[])[v.{column} + 1], '')")


@dataclass(frozen=True, eq=False)
class ProfileScores:
    """Columns of the profiles of the n customers who ordered, by name, shape (n,); nothing is NaN in floats and −1 in whole numbers.

    customer: their ids, ascending. forms: how a column that is no plain number is written; names: of columns that are places among
    names, those. score_models: of the models, unsaved.
    """

    customer: Ints
    columns: dict[str, Floats | Ints]
    formats: dict[str, sql.SQL] = field(default_factory=dict)
    score_models: list[ScoreModel] = field(default_factory=list)
    names: dict[str, list[str]] = field(default_factory=dict)

    def expressions(self) -> list[sql.Composable]:
        """Return the SQL expression of each column, from the table of scores, v."""
        return [self._expression(name, values) for name, values in self.columns.items()]

    def _expression(self, name: str, values: Floats | Ints) -> sql.Composable:
        if name in self.names:
            return AS_NAME.format(names=sql.Literal(self.names[name]), column=sql.Identifier(name))
        form = self.formats.get(name, AS_NUMBER if values.dtype.kind == "f" else AS_INTEGER)
        return form.format(column=sql.Identifier(name))


def merge_scores(parts: list[ProfileScores]) -> ProfileScores:
    """Merge the columns of scores of the same customers. Errors: ValueError if they differ."""
    first = parts[0]
    for other in parts[1:]:
        if not np.array_equal(first.customer, other.customer):
            raise ValueError("Scores of different customers cannot be joined.")
    return ProfileScores(
        first.customer,
        {name: values for part in parts for name, values in part.columns.items()},
        {name: form for part in parts for name, form in part.formats.items()},
        [score_model for part in parts for score_model in part.score_models],
        {name: names for part in parts for name, names in part.names.items()},
    )
