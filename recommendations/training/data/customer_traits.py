"""From the warehouse to what is known of people who may have done nothing yet."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import ibis
import ibis.expr.types as ir
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from scipy.sparse import csr_array

from customers.warehouse.connection import Warehouse, warehouse
from recommendations.engine import IdMap
from recommendations.engine.cold_start import COUNTRY, DEVICE, LANGUAGE, People, banded, plain_value, quantile_edges
from recommendations.training.data.extract import identifiers_of, text_of

NAMED_VALUES = 10  # a field of more different numbers is put into bands
MOST_VALUES = 50  # of one field, the most frequent ones
LEAST_PEOPLE = 5  # a value of fewer says nothing, and would say too much of them
TRAIT_PREFIX = "traits."

type Edges = dict[str, list[float]]


@dataclass(frozen=True, eq=False)
class KnownPeople:
    """people: in rows of `customers`, whose ids are those of the database; edges: of the fields that are bands."""

    customers: IdMap
    people: People
    edges: Edges

    def of_users(self, users: IdMap) -> People:
        """In rows of the users of interactions."""
        return self.people.rows(self.customers.rows(users.ids()))


@dataclass(frozen=True, eq=False)
class Newcomers:
    """has: CSR (n, values) of those with traits and no history; identifiers: "kind:value", person: the row of each."""

    identifiers: IdMap
    person: npt.NDArray[np.int32]
    has: csr_array

    def arrays(self) -> dict[str, npt.NDArray]:
        named = {f"identifiers.{name}": array for name, array in self.identifiers.arrays().items()}
        return {**named, "person": self.person, "indptr": self.has.indptr, "indices": self.has.indices}


def extract_people(
    *, as_of: datetime, traits: Sequence[str], edges: Edges | None = None, values: IdMap | None = None
) -> KnownPeople:
    """Language, country, the device of the first visit, and the named ``traits``.

    edges, values: of a version that serves already; without them they are found here.
    """
    with warehouse() as tables:
        told = told_traits(tables, as_of=as_of, traits=traits).to_pyarrow()
    found: Edges = {}
    columns = {}
    for field in (LANGUAGE, COUNTRY, DEVICE):
        columns[field] = texts_of(told[field], field)
    for name in traits:
        field = f"{TRAIT_PREFIX}{name}"
        numbers = told[f"number.{name}"].to_numpy()
        if band := bands_of(told[field], numbers) if edges is None else edges.get(field):
            columns[field], found[field] = banded(numbers, band), band
        else:
            columns[field] = texts_of(told[field], field)
    if values is None:
        columns = {field: frequent(column) for field, column in columns.items()}
    customers, place = IdMap.numbered(told["id"].to_numpy())
    people = People.of_columns(columns, values=values)
    return KnownPeople(customers, people.rows(np.argsort(place)), found)


def told_traits(tables: Warehouse, *, as_of: datetime, traits: Sequence[str]) -> ir.Table:
    """One row a customer: id, language, country, device, and of each trait its text and, where it is one, its number."""
    customers, events = tables["customers"], tables["events"]
    before = events.filter((events.occurred_at < as_of) & events.customer_id.notnull())
    visits = before.group_by("customer_id").aggregate(
        device=before.device.argmin(before.occurred_at, where=before.device.notnull()),
        locale=before.locale.argmin(before.occurred_at, where=before.locale.notnull()),
    )
    joined = customers.left_join(visits, customers.id == visits.customer_id)
    columns = {}
    for name in traits:
        text = text_of(joined.traits, name)
        truth = joined.traits.cast("json")[name].bool.cast("string")
        columns[f"{TRAIT_PREFIX}{name}"] = ibis.coalesce(text, truth)
        columns[f"number.{name}"] = text.try_cast("float64")
    language = ibis.coalesce(joined.language, joined.locale)
    return joined.select("id", "country", "device", language=language, **columns)


def texts_of(column: pa.ChunkedArray, field: str) -> list[str]:
    """Each different text is made plain once."""
    encoded = pc.fill_null(column, "").combine_chunks().dictionary_encode()
    plain = [plain_value(field, text) for text in encoded.dictionary.to_pylist()]
    return [plain[code] for code in encoded.indices.to_pylist()]


def bands_of(texts: pa.ChunkedArray, numbers: npt.NDArray[np.floating]) -> list[float]:
    """The edges of a field whose values are numbers and many; none of another."""
    told = numbers[np.isfinite(numbers)]
    if len(told) < pc.count(texts).as_py() or len(np.unique(told)) <= NAMED_VALUES:
        return []
    return quantile_edges(told)


def frequent(column: Sequence[str]) -> list[str]:
    """The column without values of too few people, and with the most frequent ones alone."""
    counts: Mapping[str, int] = {
        row["values"]: row["counts"] for row in pc.value_counts(pa.array(column, pa.string())).to_pylist()
    }
    enough = [value for value, count in counts.items() if value and count >= LEAST_PEOPLE]
    kept = set(sorted(enough, key=lambda value: (-counts[value], value))[:MOST_VALUES])
    return [value if value in kept else "" for value in column]


def newcomers_of(*, known: KnownPeople, with_history: IdMap, refusing: Collection[str]) -> Newcomers:
    """Those of whom there is a trait and no interaction; refusing: "kind:value" of whoever wants nothing personal."""
    told = np.flatnonzero(known.people.known())
    ids = np.array(known.customers.ids(told.tolist()), dtype=object)
    new = told[with_history.rows(ids.tolist()) < 0] if len(ids) else told
    wanted = IdMap.of(known.customers.ids(new.tolist()))
    with warehouse() as tables:
        identifiers = tables["identifiers"]
        customers = pa.array([int(one) for one in wanted.ids()], pa.int64())
        named = identifiers.semi_join(ibis.memtable(pa.table({"customer_id": customers})), "customer_id")
        names, person = identifiers_of(named.select("kind", "value", "customer_id").to_pyarrow(), wanted)
    allowed = np.array([name not in refusing for name in names.ids()], np.bool_)
    person = np.where(allowed, person, -1).astype(np.int32)
    return Newcomers(names, person, known.people.rows(known.customers.rows(wanted.ids())).has)
