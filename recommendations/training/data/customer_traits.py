"""Traits of customers, with or without a history, from the warehouse."""

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

from customers.warehouse.connection import Warehouse, open_warehouse
from customers.warehouse.current_tables import read_current_identifiers
from recommendations.engine import IdMap
from recommendations.engine.cold_start import (
    COUNTRY,
    DEVICE,
    LANGUAGE,
    CustomerTraits,
    assign_bands,
    compute_quantile_edges,
    normalize_trait_value,
)
from recommendations.training.data.extract import index_identifiers
from recommendations.training.data.interaction_tables import extract_property_text

MAX_DISTINCT_NUMBERS = 10  # numeric fields with more distinct values are grouped into bands
MAX_VALUES = 50  # per field, the most frequent ones
MIN_CUSTOMERS = 5  # rarer values are statistically useless and could identify a person
TRAIT_PREFIX = "traits."

type Edges = dict[str, list[float]]


@dataclass(frozen=True, eq=False)
class KnownTraits:
    """traits: in the row order of `customers`, which contains database ids; edges: band edges of the numeric fields."""

    customers: IdMap
    traits: CustomerTraits
    edges: Edges

    def select_users(self, users: IdMap) -> CustomerTraits:
        """Return the traits in the row order of the interactions' users."""
        return self.traits.select_users(self.customers.get_rows(users.get_ids()))


@dataclass(frozen=True, eq=False)
class NewCustomerTraits:
    """traits: CSR (n, values) of customers with traits but no history; identifiers: "kind:value"; row: of each, -1 if excluded."""

    identifiers: IdMap
    row: npt.NDArray[np.int32]
    traits: csr_array

    def to_arrays(self) -> dict[str, npt.NDArray]:
        """Return the arrays to save.

        The values of the traits are all 1, so their positions are enough.
        """
        arrays = {f"identifiers.{name}": array for name, array in self.identifiers.to_arrays().items()}
        return {**arrays, "person": self.row, "indptr": self.traits.indptr, "indices": self.traits.indices}


def extract_known_traits(
    *, as_of: datetime, traits: Sequence[str], edges: Edges | None = None, values: IdMap | None = None
) -> KnownTraits:
    """Extract language, country, device of the first visit, and the named ``traits``.

    edges, values: those of the active version; by default, they are computed here.
    """
    with open_warehouse() as tables:
        table = build_traits_table(tables, as_of=as_of, traits=traits).to_pyarrow()
    used_edges: Edges = {}
    columns = {}
    for field in (LANGUAGE, COUNTRY, DEVICE):
        columns[field] = normalize_texts(table[field], field)
    for name in traits:
        field = f"{TRAIT_PREFIX}{name}"
        numbers = table[f"number.{name}"].to_numpy()
        if field_edges := find_band_edges(table[field], numbers) if edges is None else edges.get(field):
            columns[field], used_edges[field] = assign_bands(numbers, field_edges), field_edges
        else:
            columns[field] = normalize_texts(table[field], field)
    if values is None:
        columns = {field: keep_frequent(column) for field, column in columns.items()}
    customers, row_of_record = IdMap.number_ids(table["id"].to_numpy())
    traits_by_record = CustomerTraits.of_columns(columns, values=values)
    return KnownTraits(customers, traits_by_record.select_users(np.argsort(row_of_record)), used_edges)


def build_traits_table(tables: Warehouse, *, as_of: datetime, traits: Sequence[str]) -> ir.Table:
    """Return one row per customer: id, language, country, device and traits.

    A trait has its text and, if it is numeric, its number.
    """
    customers, events = tables["customers"], tables["events"]
    before = events.filter((events.occurred_at < as_of) & events.customer_id.notnull())
    visits = before.group_by("customer_id").aggregate(
        device=before.device.argmin(before.occurred_at, where=before.device.notnull()),
        locale=before.locale.argmin(before.occurred_at, where=before.locale.notnull()),
    )
    joined = customers.left_join(visits, customers.id == visits.customer_id)
    columns = {}
    for name in traits:
        text = extract_property_text(joined.traits, name)
        truth = joined.traits.cast("json")[name].bool.cast("string")  # for a boolean, `text` is NULL
        columns[f"{TRAIT_PREFIX}{name}"] = ibis.coalesce(text, truth)
        columns[f"number.{name}"] = text.try_cast("float64")
    language = ibis.coalesce(joined.language, joined.locale)
    return joined.select("id", "country", "device", language=language, **columns)


def normalize_texts(column: pa.ChunkedArray, field: str) -> list[str]:
    """Return the normalized values; each distinct text is normalized once."""
    encoded = pc.fill_null(column, "").combine_chunks().dictionary_encode()
    normalized = [normalize_trait_value(field, text) for text in encoded.dictionary.to_pylist()]
    return [normalized[code] for code in encoded.indices.to_pylist()]


def find_band_edges(texts: pa.ChunkedArray, numbers: npt.NDArray[np.floating]) -> list[float]:
    """Return the band edges of a field with many numeric values; [] for any other field."""
    finite = numbers[np.isfinite(numbers)]
    # A field with any text that is not a number keeps its texts as values.
    if len(finite) < pc.count(texts).as_py() or len(np.unique(finite)) <= MAX_DISTINCT_NUMBERS:
        return []
    return compute_quantile_edges(finite)


def keep_frequent(column: Sequence[str]) -> list[str]:
    """Return the column without rare values and with the most frequent values only."""
    counts: Mapping[str, int] = {
        row["values"]: row["counts"] for row in pc.value_counts(pa.array(column, pa.string())).to_pylist()
    }
    candidates = [value for value, count in counts.items() if value and count >= MIN_CUSTOMERS]
    frequent = set(sorted(candidates, key=lambda value: (-counts[value], value))[:MAX_VALUES])
    return [value if value in frequent else "" for value in column]


def extract_new_customers(*, known: KnownTraits, with_history: IdMap, excluded: Collection[str]) -> NewCustomerTraits:
    """Return customers with traits but no interactions.

    excluded: identifiers, "kind:value", of customers who refused personalization.
    """
    with_traits = np.flatnonzero(known.traits.has_traits())
    ids = np.array(known.customers.get_ids(with_traits.tolist()), dtype=object)
    new = with_traits[with_history.get_rows(ids.tolist()) < 0] if len(ids) else with_traits
    new_customers = IdMap.of(known.customers.get_ids(new.tolist()))
    # not from the warehouse, which leaves out the user IDs that are addresses or phone numbers
    identifiers = read_current_identifiers([int(customer_id) for customer_id in new_customers.get_ids()])
    names, row = index_identifiers(identifiers, new_customers)
    is_allowed = np.array([name not in excluded for name in names.get_ids()], np.bool_)
    row = np.where(is_allowed, row, -1).astype(np.int32)
    traits = known.traits.select_users(known.customers.get_rows(new_customers.get_ids()))
    return NewCustomerTraits(names, row, traits.has)
