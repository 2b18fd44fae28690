"""One served response on its way from the worker to the table."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

MAX_PRODUCTS = 1000  # the limit of POST /rank/
MAX_FEATURES = 2_000
MAX_EXPERIMENTS = 10

ShortText = Annotated[str, Meta(max_length=64)]
IdentifierText = Annotated[str, Meta(max_length=255)]
NameText = Annotated[str, Meta(max_length=100)]
ServedPropensity = tuple[Annotated[int, Meta(ge=1, le=MAX_PRODUCTS)], Annotated[float, Meta(gt=0, le=1)]]
ServedTeam = Annotated[int, Meta(ge=-1, le=1)]
ProductIdText = Annotated[str, Meta(min_length=1, max_length=200)]


class ServedVariant(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, gc=False):
    """The variant of an experiment in which the response was served.

    ``unit_kind``: which identifier of the request decided. ``propensity``: the probability with which the variant was chosen.
    """

    experiment_id: Annotated[int, Meta(ge=1)]
    variant_id: Annotated[int, Meta(ge=1)]
    unit_kind: Literal["user_id", "anonymous_id"]
    propensity: Annotated[float, Meta(gt=0, le=1)]


# array_like leaves out the names of fields, and gc=False keeps entries out of garbage collections: they refer to no cycles
class ServedEntry(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, gc=False):
    """A served response.

    ``product_ids``: in the order shown, from ``first_rank`` on (1 is the top of the first page).

    ``user_id`` and ``anonymous_id`` are those of the request, "" without one. ``order_features``: of a page of search results, see
    `search.order.features`. ``variants``: of the experiments that decided about the response; ``arm`` names them. ``propensities``:
    (number in ``product_ids`` from 1 on, probability) of each product that was chosen at random, see `pipeline.propensities`. ``teams``: of
    an interleaved list, the ranking that contributed each product, see `Impression`.
    """

    recommendation_id: Annotated[str, Meta(min_length=1, max_length=64)]
    scenario: Annotated[str, Meta(min_length=1, max_length=50)]
    user_id: IdentifierText
    anonymous_id: IdentifierText
    model_version: NameText
    strategy: ShortText
    arm: NameText | None
    fallback: ShortText | None
    served_at: Annotated[datetime, Meta(tz=True)]
    first_rank: Annotated[int, Meta(ge=1, le=2_000_000)]
    product_ids: Annotated[list[ProductIdText], Meta(max_length=MAX_PRODUCTS)]
    order_features: Annotated[list[float], Meta(max_length=MAX_FEATURES)] | None = None
    variants: Annotated[list[ServedVariant], Meta(max_length=MAX_EXPERIMENTS)] | None = None
    propensities: Annotated[list[ServedPropensity], Meta(max_length=MAX_PRODUCTS)] | None = None
    teams: Annotated[list[ServedTeam], Meta(max_length=MAX_PRODUCTS)] | None = None


pack_entry = msgspec.msgpack.Encoder().encode
_decoder = msgspec.msgpack.Decoder(ServedEntry)


class DamagedEntryError(ValueError):
    """Bytes that are not a valid `ServedEntry`."""


def unpack_entry(packed: bytes) -> ServedEntry:
    """Decode an entry. Raises DamagedEntryError."""
    try:
        entry = _decoder.decode(packed)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DamagedEntryError(str(error)) from error
    if any("\0" in text for text in list_texts(entry)):
        raise DamagedEntryError("a text contains NUL, which the database cannot store")
    return entry


def list_texts(entry: ServedEntry) -> list[str]:
    """Return all texts of an entry."""
    return [
        entry.recommendation_id,
        entry.scenario,
        entry.user_id,
        entry.anonymous_id,
        entry.model_version,
        entry.strategy,
        entry.arm or "",
        entry.fallback or "",
        *entry.product_ids,
    ]
