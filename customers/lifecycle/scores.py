"""Scores on their way into the profiles."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from psycopg import sql

from customers.lifecycle.models import ScoreModel

type Ints = npt.NDArray[np.int64]
type Floats = npt.NDArray[np.float64]

NUMBER = sql.SQL("NULLIF(v.{column}, 'NaN')")
DAY = sql.SQL("CASE WHEN v.{column} >= 0 THEN 'epoch'::date + v.{column}::int END")
WHOLE = sql.SQL("CASE WHEN v.{column} >= 0 THEN v.{column} END")


@dataclass(frozen=True, eq=False)
class Scores:
    """Columns of the profiles of the n customers who ordered, by name, shape (n,); nothing is NaN in floats and −1 in whole numbers.

    customer: their ids, ascending. forms: how a column that is no plain number is written. cards: of the models, unsaved.
    """

    customer: Ints
    columns: dict[str, Floats | Ints]
    forms: dict[str, sql.SQL] = field(default_factory=dict)
    cards: list[ScoreModel] = field(default_factory=list)

    def expressions(self) -> list[sql.Composable]:
        """What is written for each column, from the table of scores, v."""
        return [self._form(name, values).format(column=sql.Identifier(name)) for name, values in self.columns.items()]

    def _form(self, name: str, values: Floats | Ints) -> sql.SQL:
        return self.forms.get(name, NUMBER if values.dtype.kind == "f" else WHOLE)


def joined(parts: list[Scores]) -> Scores:
    """Of the same customers. Errors: ValueError where they are not."""
    first = parts[0]
    for other in parts[1:]:
        if not np.array_equal(first.customer, other.customer):
            raise ValueError("Scores of different customers cannot be joined.")
    return Scores(
        first.customer,
        {name: values for part in parts for name, values in part.columns.items()},
        {name: form for part in parts for name, form in part.forms.items()},
        [card for part in parts for card in part.cards],
    )
