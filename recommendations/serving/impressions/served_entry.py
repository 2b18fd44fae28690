"""One answer that was given, as it travels from the worker that gave it to the table."""

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

MOST_PRODUCTS = 1000  # POST /rank/ takes that many

Short = Annotated[str, Meta(max_length=64)]
Identity = Annotated[str, Meta(max_length=255)]
Name = Annotated[str, Meta(max_length=100)]
ProductId = Annotated[str, Meta(min_length=1, max_length=200)]


class Shown(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, gc=False):
    """``product_ids`` in the order in which they were shown, the first at ``first_rank`` (1 at the top of the first page).

    ``user_id`` and ``anonymous_id`` are what the request named, empty where it named nobody.
    """

    recommendation_id: Annotated[str, Meta(min_length=1, max_length=64)]
    scenario: Annotated[str, Meta(min_length=1, max_length=50)]
    user_id: Identity
    anonymous_id: Identity
    model_version: Name
    strategy: Short
    arm: Name | None
    fallback: Short | None
    served_at: Annotated[datetime, Meta(tz=True)]
    first_rank: Annotated[int, Meta(ge=1, le=2_000_000)]
    product_ids: Annotated[list[ProductId], Meta(max_length=MOST_PRODUCTS)]


pack = msgspec.msgpack.Encoder().encode
_decoder = msgspec.msgpack.Decoder(Shown)


class DamagedEntryError(ValueError):
    """Bytes that are no `Shown`."""


def unpack(packed: bytes) -> Shown:
    """Raises DamagedEntryError."""
    try:
        shown = _decoder.decode(packed)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DamagedEntryError(str(error)) from error
    if any("\0" in text for text in texts_of(shown)):
        raise DamagedEntryError("a text holds NUL, which the database cannot store")
    return shown


def texts_of(shown: Shown) -> list[str]:
    return [
        shown.recommendation_id,
        shown.scenario,
        shown.user_id,
        shown.anonymous_id,
        shown.model_version,
        shown.strategy,
        shown.arm or "",
        shown.fallback or "",
        *shown.product_ids,
    ]
