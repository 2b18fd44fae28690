"""Encode responses as JSON in one pass, for the REST views and the fast path."""

from collections.abc import Iterable, Sequence
from itertools import chain, repeat
from operator import itemgetter
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from config.foundation.array_types import Rows
from recommendations.serving.pipeline.fallback import EmptyListReason
from recommendations.serving.pipeline.reasons import ItemReason
from recommendations.serving.rank import MAX_RANKED_PRODUCTS
from recommendations.serving.response import ItemColumns, RecommendationResponse, RecommendedCategory, RecommendedItem
from recommendations.serving.rest.item_kernels import write_items
from recommendations.serving.rest.item_table import get_item_table
from recommendations.serving.state.product_index import END_OF_ITEM, UNKNOWN_PRODUCT, ItemParts, ProductIndex
from recommendations.serving.visitor_claims import UNVERIFIED

RANK = b'%d,"score":'
RANKS = tuple(RANK % rank for rank in range(MAX_RANKED_PRODUCTS + 1))
NO_REASON = b',"reason":null'
NO_ITEMS = msgspec.Raw(b"[]")
EMPTY_LIST = b'"items":[]'
GET_PRODUCT_ID, GET_HEAD, GET_TAIL = itemgetter(1), itemgetter(2), itemgetter(3)  # of ItemParts


class ReasonJSON(msgspec.Struct):
    code: str
    text: str
    product_ids: list[str]


class EmptyReasonJSON(msgspec.Struct):
    code: str
    text: str
    filters: list[str]


class CategoryJSON(msgspec.Struct):
    category: str
    rank: int
    score: float
    reason: ItemReason | None
    product_ids: list[str]


class ResponseJSON(msgspec.Struct):
    recommendation_id: str
    scenario: str
    strategy: str
    fallback: str | None
    fallback_reason: str | None
    empty_reason: EmptyReasonJSON | None
    model_version: str
    stale: bool
    took_ms: float
    items: msgspec.Raw
    next_cursor: str | None
    categories: list[CategoryJSON] | msgspec.UnsetType = msgspec.UNSET
    left_out: list[dict[str, Any]] | msgspec.UnsetType = msgspec.UNSET
    identity: str | msgspec.UnsetType = msgspec.UNSET
    key: str | msgspec.UnsetType = msgspec.UNSET


_encoder = msgspec.json.Encoder()


def encode_response(response: RecommendationResponse, *, is_unverified: bool = False, key: str | None = None) -> bytes:
    """Return the JSON of a response; ``identity`` says if the customer ID of the request was ignored."""
    products = response.state.products if response.state is not None else None
    categories, left_out = response.categories, response.left_out
    text = _encoder.encode(
        ResponseJSON(
            response.recommendation_id,
            response.scenario,
            response.strategy,
            response.fallback,
            response.fallback_reason,
            encode_empty_reason(response.empty_reason),
            response.model_version,
            response.stale,
            response.took_ms,
            NO_ITEMS,
            response.next_cursor,
            msgspec.UNSET if categories is None else [_encode_category(category) for category in categories],
            msgspec.UNSET if left_out is None else [{"product_id": id_, "why": why} for id_, why in left_out],
            UNVERIFIED if is_unverified else msgspec.UNSET,
            msgspec.UNSET if key is None else key,
        )
    )
    if not response.items:
        return text
    # a quote within a JSON text has a backslash before it, so this can only be the field
    first = text.index(EMPTY_LIST) + len(EMPTY_LIST) - 1
    return b"".join((text[:first], encode_items(response.items, products), text[first:]))


def encode_empty_reason(reason: EmptyListReason | None) -> EmptyReasonJSON | None:
    """Return why a list is empty as a part of a response."""
    return None if reason is None else EmptyReasonJSON(reason.code, reason.text, list(reason.filters))


def encode_items(items: Sequence[RecommendedItem], products: ProductIndex | None) -> bytes | memoryview:
    """Return the JSON of the items of a list without its brackets, joined from the parts that all responses share."""
    if isinstance(items, ItemColumns) and products is not None and (text := write_columns(items, products)):
        return text
    ids, ranks, scores, reasons, rows, boosts = list_columns(items)
    parts: Sequence[ItemParts] = () if products is None else products.list_json(rows)
    if list(map(GET_PRODUCT_ID, parts)) != list(ids):
        parts = [
            known if known.product_id == product_id else rename_parts(known, product_id)
            for known, product_id in zip(parts or repeat(UNKNOWN_PRODUCT), ids, strict=bool(parts))
        ]
    tails = map(GET_TAIL, parts)
    if any(boost is not None for boost in boosts):
        fields = [b"" if boost is None else encode_boost(boost) for boost in boosts]
        tails = map(insert_fields, tails, fields)
    return join_items(
        map(GET_HEAD, parts),
        encode_ranks(ranks),
        encode_numbers(scores, decimals=6),
        [NO_REASON if reason is None else reason.json_field for reason in reasons],
        tails,
    )


def write_columns(items: ItemColumns, products: ProductIndex) -> memoryview | None:
    """Return what `encode_items` does, written by compiled code; None for items with other names than their product's, or with boosts."""
    if items.boosts or not items.are_catalog_ids:
        return None
    fields = [NO_REASON if reason is None else reason.json_field for reason in items.reasons]
    return write_list(products, items.rows, items.row_numbers, items.first_rank, items.scores, fields)


def write_list(
    products: ProductIndex,
    rows: Sequence[int],
    row_numbers: Rows,
    first_rank: int,
    scores: npt.NDArray[np.floating],
    fields: Sequence[bytes],
) -> memoryview | None:
    """Return the JSON of products of the catalog with consecutive ranks and the fields of their reasons, without the brackets of a list.

    row_numbers: the rows as an array. None if a score is negative, too large or no number.
    """
    table, lengths = get_item_table(products, rows), np.array(list(map(len, fields)), np.int32)
    text = write_items(table, row_numbers, first_rank, scores, np.frombuffer(b"".join(fields), np.uint8), lengths)
    return memoryview(text)[:-1] if len(text) else None


def list_columns(items: Sequence[RecommendedItem]) -> tuple[Sequence[Any], ...]:
    """Return the product IDs, ranks, scores, reasons, rows and boosts of items."""
    if isinstance(items, ItemColumns):
        ranks = range(items.first_rank, items.first_rank + len(items))
        return items.product_ids, ranks, items.scores.tolist(), items.reasons, items.rows, items.boosts
    ids, all_ranks, scores, _cards, reasons, rows, boosts = zip(*items, strict=True)
    return ids, all_ranks, scores, reasons, rows, boosts


def rename_parts(known: ItemParts, product_id: str) -> ItemParts:
    """Return the parts of a product that the catalog does not know, or that a request names by its SKU."""
    return ItemParts.encode(product_id, known.card)


def encode_ranks(ranks: Sequence[int]) -> Iterable[bytes]:
    """Return the rest of the field of each rank, and the name of the next field, the score."""
    if max(ranks) < len(RANKS):
        return map(RANKS.__getitem__, ranks)
    return [RANK % rank for rank in ranks]


def encode_boost(boost: float) -> bytes:
    """Return the JSON of the field of a boost, after a comma."""
    return b',"boost":%b' % _encoder.encode(round(boost, 4))


def insert_fields(tail: bytes, fields: bytes) -> bytes:
    """Return the end of an item with more fields."""
    return tail[: -len(END_OF_ITEM)] + fields + END_OF_ITEM


def join_items(*columns: Iterable[bytes]) -> bytes:
    """Return the JSON of items without brackets; each item consists of one entry of every column, followed by END_OF_ITEM."""
    return b"".join(chain.from_iterable(zip(*columns, strict=True))).removesuffix(b",")


def encode_numbers(values: Sequence[float], *, decimals: int) -> list[bytes]:
    """Return the JSON of float32 numbers, rounded; for these, the rounding of NumPy is that of Python."""
    if not values:
        return []
    return _encoder.encode(np.array(values, np.float64).round(decimals).tolist())[1:-1].split(b",")


def _encode_category(category: RecommendedCategory) -> CategoryJSON:
    return CategoryJSON(
        category.category, category.rank, round(category.score, 6), category.reason, category.product_ids
    )
