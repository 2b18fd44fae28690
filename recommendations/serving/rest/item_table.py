"""Where the kept JSON of products is in memory, for the kernel that writes lists of items."""

import threading
from collections.abc import Sequence
from operator import is_
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from recommendations.serving.rest.item_kernels import HEAD, HEAD_LENGTH, TAIL, TAIL_LENGTH
from recommendations.serving.state.product_index import UNKNOWN_PRODUCT, ItemParts, ProductCard, ProductIndex

_NO_CARD = object()  # of a row whose JSON was not yet encoded


class ItemTable:
    """The addresses of the JSON of the products of an index, each encoded when it is first shown.

    Threads may share it as long as the kernel holds the GIL: an address is replaced before its bytes are given up, by one thread at a time.
    """

    def __init__(self, n: int) -> None:
        self.addresses = np.zeros((n, 4), np.int64)
        self._cards: list[ProductCard | object | None] = [_NO_CARD] * n
        self._parts: list[ItemParts] = [UNKNOWN_PRODUCT] * n
        self._lock = threading.Lock()

    def update(self, products: ProductIndex, rows: Sequence[int]) -> None:
        """Encode the products of these rows, all ≥ 0, whose card was replaced since they were encoded."""
        known, current = map(self._cards.__getitem__, rows), map(products.cards.__getitem__, rows)
        if all(map(is_, known, current)):
            return
        # of two threads without a lock, one could store its address and the other keep its bytes
        with self._lock:
            for row in rows:
                parts = products.get_json(row)
                if self._cards[row] is not parts.card:
                    columns = np.empty(4, np.int64)
                    columns[[HEAD, HEAD_LENGTH]] = find_bytes(parts.head), len(parts.head)
                    columns[[TAIL, TAIL_LENGTH]] = find_bytes(parts.tail), len(parts.tail)
                    self.addresses[row] = columns  # before the old bytes are given up
                    self._parts[row], self._cards[row] = parts, parts.card


def find_bytes(text: bytes) -> int:
    """Return the address of bytes, which the caller must keep."""
    return int(np.frombuffer(text, np.uint8).ctypes.data)


_tables: WeakKeyDictionary[ProductIndex, ItemTable] = WeakKeyDictionary()


def get_item_table(products: ProductIndex, rows: Sequence[int]) -> npt.NDArray[np.int64]:
    """Return the addresses of the JSON of an index, (n, 4), of which those of these rows are current."""
    table = _tables.get(products)
    if table is None:
        table = _tables.setdefault(products, ItemTable(products.n))
    table.update(products, rows)
    return table.addresses
