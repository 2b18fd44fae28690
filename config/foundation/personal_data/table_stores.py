"""Stores that are rows of a table: found by customer number, by identifier, or by the elements of an array."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django.apps import apps
from django.contrib.postgres.fields import ArrayField
from django.db import connection, models
from django.utils.functional import Promise
from psycopg import sql
from psycopg.types.json import Jsonb

from config.foundation.personal_data.locations import table
from config.foundation.personal_data.person import Finding, Person
from config.foundation.personal_data.stores import ErasurePhase, PersonalDataStore

RENUMBER_ARRAY = """
{column} = ARRAY(
    SELECT COALESCE((%(new)s::bigint[])[array_position(%(old)s::bigint[], e.id)], e.id)
    FROM unnest(t.{column}) WITH ORDINALITY AS e (id, n) ORDER BY e.n
)
"""
SHORTEN_ARRAY = """
{column} = ARRAY(
    SELECT e.id FROM unnest(t.{column}) WITH ORDINALITY AS e (id, n) WHERE e.id <> ALL(%(old)s::bigint[]) ORDER BY e.n
)
"""

type Condition = tuple[sql.Composable, dict[str, Any]]


class TableStore(PersonalDataStore):
    """Rows of one table. Subclasses say which rows belong to people.

    Args:
        model: "app.Model".
        blank: column to its value after the erasure; None deletes the rows.
        columns: what the store covers, by default all columns of the table.
        hidden: columns that an export leaves out, such as secrets and internal numbers.
        is_exported: whether an export includes the rows.
    """

    def __init__(
        self,
        key: str,
        label: str | Promise,
        model: str,
        *,
        blank: Mapping[str, Any] | None = None,
        columns: Sequence[str] = (),
        hidden: Sequence[str] = (),
        is_exported: bool = True,
        kept: str | Promise = "",
        phase: ErasurePhase = ErasurePhase.ROWS,
        is_repeated: bool = False,
    ) -> None:
        self.key, self.label, self.kept, self.phase, self.is_repeated = key, label, kept, phase, is_repeated
        self.model_label, self.blank, self.hidden, self.is_exported = model, blank, frozenset(hidden), is_exported
        self.locations = (table(model, *columns),)

    @property
    def model(self) -> type[models.Model]:
        return apps.get_model(self.model_label)

    @property
    def table_name(self) -> sql.Identifier:
        return sql.Identifier(self.model._meta.db_table)

    def match_rows(self, people: Sequence[Person]) -> Condition | None:
        """Return the SQL condition on table `t` of the rows that belong to people, with its parameters; None for no rows."""
        raise NotImplementedError

    def list_changes(self, people: Sequence[Person]) -> Condition | None:
        """Return the SET list of the erasure with its parameters; None deletes the rows."""
        if self.blank is None:
            return None
        changes = [
            sql.SQL("{} = {}").format(sql.Identifier(column), sql.Placeholder(f"blank_{column}"))
            for column in self.blank
        ]
        return sql.SQL(", ").join(changes), {f"blank_{name}": _adapt(value) for name, value in self.blank.items()}

    def erase(self, people: Sequence[Person]) -> int:
        matched = self.match_rows(people)
        if matched is None:
            return 0
        condition, parameters = matched
        changes = self.list_changes(people)
        with connection.cursor() as cursor:
            if changes is None:
                statement = sql.SQL("DELETE FROM {} AS t WHERE {}").format(self.table_name, condition)
            else:
                statement = sql.SQL("UPDATE {} AS t SET {} WHERE {}").format(self.table_name, changes[0], condition)
                parameters = {**parameters, **changes[1]}
            cursor.execute(statement, parameters)
            return int(cursor.rowcount)

    def find(self, people: Sequence[Person]) -> list[Finding]:
        matched = self.match_rows(people)
        if matched is None:
            return []
        condition, parameters = matched
        with connection.cursor() as cursor:
            cursor.execute(
                sql.SQL("SELECT count(*) FROM {} AS t WHERE {}").format(self.table_name, condition), parameters
            )
            count = int(cursor.fetchone()[0])
        return [self.make_finding(self.locations[0], count, "customer")] if count else []

    def export(self, person: Person) -> Iterator[dict[str, Any]]:
        matched = self.match_rows([person]) if self.is_exported else None
        if matched is None:
            return
        condition, parameters = matched
        fields = {field.name: field for field in self.model._meta.concrete_fields if field.name not in self.hidden}
        labels = {name: str(field.verbose_name) for name, field in fields.items()}
        choices = {name: dict(field.flatchoices) for name, field in fields.items() if field.choices}
        with connection.cursor() as cursor:
            key = sql.Identifier(str(self.model._meta.pk.column))
            query = sql.SQL("SELECT t.{} FROM {} AS t WHERE {} ORDER BY 1").format(key, self.table_name, condition)
            cursor.execute(query, parameters)
            ids = [row[0] for row in cursor.fetchall()]
        for start in range(0, len(ids), 2000):
            chunk = ids[start : start + 2000]
            details = self.read_details(chunk)
            rows = self.model._base_manager.filter(pk__in=chunk).order_by("pk").values("pk", *fields)
            for row in rows:
                details_of_row = details.get(row.pop("pk"), {})
                values = {
                    name: choices[name].get(value, value) if name in choices else value for name, value in row.items()
                }
                yield {
                    labels[name]: value for name, value in values.items() if value not in ("", None)
                } | details_of_row

    def read_details(self, ids: Sequence[int]) -> Mapping[int, dict[str, Any]]:
        """Return what an export adds to rows from other tables, by primary key; by default nothing."""
        return {}


class CustomerRows(TableStore):
    """Rows with the number of a customer. With `is_renumbered`, they stay and get the anonymous number."""

    def __init__(self, *args: Any, column: str = "customer_id", is_renumbered: bool = False, **options: Any) -> None:
        if is_renumbered:
            options.setdefault("blank", {})
        super().__init__(*args, **options)
        self.column, self.is_renumbered = column, is_renumbered

    def match_rows(self, people: Sequence[Person]) -> Condition | None:
        ids = [customer_id for person in people for customer_id in person.customer_ids]
        return sql.SQL("t.{} = ANY(%(ids)s::bigint[])").format(sql.Identifier(self.column)), {"ids": ids}

    def list_changes(self, people: Sequence[Person]) -> Condition | None:
        changes = super().list_changes(people)
        if changes is None or not self.is_renumbered:
            return changes
        pairs = [(old, person.replacement_id) for person in people for old in person.customer_ids]
        column = sql.Identifier(self.column)
        renumbering = sql.SQL("{} = (%(new)s::bigint[])[array_position(%(old)s::bigint[], t.{}::bigint)]").format(
            column, column
        )
        parameters = {"old": [old for old, _new in pairs], "new": [new for _old, new in pairs]}
        parts = [renumbering, changes[0]] if self.blank else [renumbering]
        return sql.SQL(", ").join(parts), {**parameters, **changes[1]}


class IdentifierRows(TableStore):
    """Rows that contain identifiers of people in columns of their own. kinds: column to kinds of identifiers."""

    def __init__(self, *args: Any, kinds: Mapping[str, Sequence[str]], **options: Any) -> None:
        super().__init__(*args, **options)
        self.kinds = kinds

    def match_rows(self, people: Sequence[Person]) -> Condition | None:
        conditions, parameters = [], {}
        for column, kinds in self.kinds.items():
            if values := sorted({value for person in people for value in person.list_values(*kinds)}):
                conditions.append(sql.SQL("t.{} = ANY({})").format(sql.Identifier(column), sql.Placeholder(column)))
                parameters[column] = values
        return (sql.SQL("({})").format(sql.SQL(" OR ").join(conditions)), parameters) if conditions else None


class KindedIdentifierRows(TableStore):
    """Rows of a kind and a value, like those of identity."""

    def match_rows(self, people: Sequence[Person]) -> Condition | None:
        pairs = sorted({pair for person in people for pair in person.identifiers})
        if not pairs:
            return None
        condition = "(t.kind, t.value) IN (SELECT * FROM unnest(%(kinds)s::text[], %(values)s::text[]))"
        return sql.SQL(condition), {"kinds": [kind for kind, _v in pairs], "values": [value for _k, value in pairs]}


class CustomerArrays(TableStore):
    """Rows with arrays of customer numbers: the numbers are removed, or replaced by the anonymous ones."""

    def __init__(self, *args: Any, column: str, is_renumbered: bool = False, **options: Any) -> None:
        super().__init__(*args, blank={}, is_exported=False, **options)
        self.column, self.is_renumbered = column, is_renumbered

    def match_rows(self, people: Sequence[Person]) -> Condition | None:
        ids = [customer_id for person in people for customer_id in person.customer_ids]
        return sql.SQL("t.{} && %(ids)s::bigint[]").format(sql.Identifier(self.column)), {"ids": ids}

    def list_changes(self, people: Sequence[Person]) -> Condition | None:
        pairs = [(old, person.replacement_id) for person in people for old in person.customer_ids]
        statement = RENUMBER_ARRAY if self.is_renumbered else SHORTEN_ARRAY
        change = sql.SQL(statement).format(column=sql.Identifier(self.column))
        return change, {"old": [old for old, _new in pairs], "new": [new for _old, new in pairs]}


def _adapt(value: Any) -> Any:
    return Jsonb(value) if isinstance(value, dict) else value


# columns that hold customer numbers without being foreign keys
CUSTOMER_COLUMNS = ("customer_id", "from_id", "to_id", "kept_id", "merged_id")


def list_personal_columns(model: type[models.Model]) -> list[str]:
    """Return the columns that can hold something about a person: texts, JSON, arrays, bytes, and numbers named after customers."""
    types = (
        models.CharField,
        models.TextField,
        models.JSONField,
        models.BinaryField,
        models.GenericIPAddressField,
        models.UUIDField,
    )
    return [
        str(field.column)
        for field in model._meta.local_concrete_fields
        if (isinstance(field, (*types, ArrayField)) and not field.choices) or str(field.column) in CUSTOMER_COLUMNS
    ]
