"""Serializes arrays as bytes, without pickles, so that loading runs no code."""

import io

import numpy as np

from customers.lifecycle.scoring.propensity.models.array_models import Arrays


def serialize_arrays(arrays: Arrays) -> bytes:
    """Return a compressed npz."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def deserialize_arrays(data: bytes) -> Arrays:
    """Rebuild the arrays.

    Errors: ValueError for an array of objects, zipfile.BadZipFile for other bytes.
    """
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        return dict(arrays)
