"""Gives compiled code access to arrays by their addresses in a table, for the arrays of a model that every request reads.

Numba inspects every array argument of a kernel, which takes 0.1 to 0.5 microseconds each. A table of addresses is a single array.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import carray, types
from numba.core import cgutils
from numba.extending import intrinsic

from recommendations.engine.linear_algebra.jit import compiled


def find_address(array: npt.NDArray[Any]) -> int:
    """Return the address of the entries of a C-contiguous array; the caller must keep a reference to the array."""
    if not array.flags.c_contiguous:
        raise ValueError("the array must be C-contiguous")
    return int(array.ctypes.data)


def _declare_pointer(_typing_context: Any, _address: Any) -> Any:
    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], cgutils.voidptr_t)

    return types.voidptr(types.int64), generate


_make_pointer: Any = intrinsic(_declare_pointer)


@compiled
def view_int32(address: int, length: int) -> npt.NDArray[np.int32]:
    """Return the int32 array of a length at an address."""
    return carray(_make_pointer(address), (length,), np.int32)


@compiled
def view_int64(address: int, length: int) -> npt.NDArray[np.int64]:
    """Return the int64 array of a length at an address."""
    return carray(_make_pointer(address), (length,), np.int64)


@compiled
def view_float32(address: int, length: int) -> npt.NDArray[np.float32]:
    """Return the float32 array of a length at an address."""
    return carray(_make_pointer(address), (length,), np.float32)


@compiled
def view_float64(address: int, length: int) -> npt.NDArray[np.float64]:
    """Return the float64 array of a length at an address."""
    return carray(_make_pointer(address), (length,), np.float64)
