"""Scores on their way into the profiles."""

from dataclasses import dataclass, field

import numpy as np
from psycopg import sql

from config.foundation.array_types import Floats, Ints
from customers.lifecycle.models import ScoreModel

NUMBER = sql.SQL("NULLIF(v.{column}, 'NaN')")
DAY = sql.SQL("CASE WHEN v.{column} >= 0 THEN 'epoch'::date + v.{column}::int END")
WHOLE = sql.SQL("CASE WHEN v.{column} >= 0 THEN v.{column} END")
NAME = sql.SQL("COALESCE(({names}::text[])[v.{column} + 1], '')")


@dataclass(frozen=True, eq=False)
class Scores:
    """Columns of the profiles of the n customers who ordered, by name, shape (n,); nothing is NaN in floats and −1 in whole numbers.

    customer: their ids, ascending. forms: how a column that is no plain number is written; names: of columns that are places among
    names, those. cards: of the models, unsaved.
    """

    customer: Ints
    columns: dict[str, Floats | Ints]
    forms: dict[str, sql.SQL] = field(default_factory=dict)
    cards: list[ScoreModel] = field(default_factory=list)
    names: dict[str, list[str]] = field(default_factory=dict)

    def expressions(self) -> list[sql.Composable]:
        """What is written for each column, from the table of scores, v."""
        return [self._expression(name, values) for name, values in self.columns.items()]

    def _expression(self, name: str, values: Floats | Ints) -> sql.Composable:
        if name in self.names:
            return NAME.format(names=sql.Literal(self.names[name]), column=sql.Identifier(name))
        form = self.forms.get(name, NUMBER if values.dtype.kind == "f" else WHOLE)
        return form.format(column=sql.Identifier(name))


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
        {name: names for part in parts for name, names in part.names.items()},
    )
