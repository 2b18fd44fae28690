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
    """Profile columns of the n customers who ordered, by name, shape (n,).

    NaN in floats and −1 in integers are NULL.
    customer: IDs, ascending. formats: SQL templates of columns that are not plain numbers. names: for columns that hold positions, the
    names that they refer to. score_models: the unsaved score models that predicted the columns.
    """

    customer: Ints
    columns: dict[str, Floats | Ints]
    formats: dict[str, sql.SQL] = field(default_factory=dict)
    score_models: list[ScoreModel] = field(default_factory=list)
    names: dict[str, list[str]] = field(default_factory=dict)

    def build_expressions(self) -> list[sql.Composable]:
        """Return the SQL expression of each column, from the table of scores v."""
        return [self._build_expression(name, values) for name, values in self.columns.items()]

    def _build_expression(self, name: str, values: Floats | Ints) -> sql.Composable:
        if name in self.names:
            return AS_NAME.format(names=sql.Literal(self.names[name]), column=sql.Identifier(name))
        template = self.formats.get(name, AS_NUMBER if values.dtype.kind == "f" else AS_INTEGER)
        return template.format(column=sql.Identifier(name))


def merge_scores(parts: list[ProfileScores]) -> ProfileScores:
    """Merge the columns of scores of the same customers. Errors: ValueError if they differ."""
    first = parts[0]
    for other in parts[1:]:
        if not np.array_equal(first.customer, other.customer):
            raise ValueError("Scores of different customers cannot be merged; pass scores of the same histories.")
    return ProfileScores(
        first.customer,
        {name: values for part in parts for name, values in part.columns.items()},
        {name: template for part in parts for name, template in part.formats.items()},
        [score_model for part in parts for score_model in part.score_models],
        {name: names for part in parts for name, names in part.names.items()},
    )
