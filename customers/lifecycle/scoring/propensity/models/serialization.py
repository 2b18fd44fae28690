"""Arrays as bytes, and back without running anything."""

import io

import numpy as np

from customers.lifecycle.scoring.propensity.models.array_models import Arrays


def to_bytes(arrays: Arrays) -> bytes:
    """A compressed npz."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def from_bytes(kept: bytes) -> Arrays:
    """What `to_bytes` gave. Errors: ValueError for an array of objects, zipfile.BadZipFile for other bytes."""
    with np.load(io.BytesIO(kept), allow_pickle=False) as arrays:
        return dict(arrays)
