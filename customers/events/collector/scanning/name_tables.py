"""Tables of names for the kernels, as hash tables of bytes."""

import time
from collections.abc import Collection, Iterable

import numpy as np

from customers.events.collector.scanning.kernels import (
    CONTEXT_FIELDS,
    ITEM_FIELDS,
    PROPERTY_FIELDS,
    Table,
    fill_slots,
)
from customers.events.personal_parts import SDK_CONTEXT
from customers.identity.personal_data.personal_names import plain_names
from customers.identity.personal_data.recognition import may_look_personal

REBUILD_SECONDS = 5.0


def build_table(fields: tuple[str, ...], allowed: Collection[str]) -> Table:
    """Return a table of fields, in their order, and of other names.

    Args:
        allowed: the names that an ordinary event may have, among them fields.
    """
    rest: Iterable[str] = set(allowed).difference(fields)
    names = [name.encode(errors="surrogatepass") for name in (*fields, *rest)]
    starts = np.zeros(len(names) + 1, np.int32)
    np.cumsum([len(name) for name in names], out=starts[1:])
    is_allowed = np.ones(len(names), np.bool_)
    is_allowed[: len(fields)] = [name in allowed for name in fields]
    slots = np.full(1 << (2 * len(names)).bit_length(), -1, np.int32)
    table = slots, starts, np.frombuffer(b"".join(names), np.uint8), is_allowed
    fill_slots(*table[:3])
    return table


class NameTables:
    """The tables of items, properties and contexts; that of properties is rebuilt as names are found not to be personal."""

    def __init__(self) -> None:
        self.items = build_table(ITEM_FIELDS, ITEM_FIELDS)
        self.contexts = build_table(CONTEXT_FIELDS, SDK_CONTEXT | {"consentManagement"})
        self._properties = build_property_table()
        self._known, self._built_at = len(plain_names), time.monotonic()

    def get_properties(self) -> Table:
        """Return the table of the names of properties, built again when names became known or were forgotten."""
        known, now = len(plain_names), time.monotonic()
        # immediately for many names, such as the first ones of a shop; later for a few, since anyone can invent names
        if known > self._known + self._known // 8 or (known != self._known and now > self._built_at + REBUILD_SECONDS):
            self._known, self._built_at = known, now
            self._properties = build_property_table()
        return self._properties


def build_property_table() -> Table:
    """Return the table of the names that are not personal and do not look so."""
    return build_table(
        PROPERTY_FIELDS,
        {name for name in frozenset(plain_names) if not may_look_personal(name.encode(errors="replace"))},
    )
