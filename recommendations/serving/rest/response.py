"""Encode responses as JSON in one pass, for the REST views and the fast path."""

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from recommendations.serving.pipeline.fallback import EmptyListReason
from recommendations.serving.response import RecommendationResponse, RecommendedCategory, RecommendedItem
from recommendations.serving.state.product_index import ItemParts, ProductIndex
from recommendations.serving.visitor_claims import UNVERIFIED

# the pieces between the parts of an item
SCORE, REASON, END = b',"score":', b',"reason":', b"},"


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
    reason: msgspec.Raw | None
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
    return _encoder.encode(
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
            encode_items(response.items, products),
            response.next_cursor,
            msgspec.UNSET if categories is None else [_encode_category(category) for category in categories],
            msgspec.UNSET if left_out is None else [{"product_id": id_, "why": why} for id_, why in left_out],
            UNVERIFIED if is_unverified else msgspec.UNSET,
            msgspec.UNSET if key is None else key,
        )
    )


def encode_empty_reason(reason: EmptyListReason | None) -> EmptyReasonJSON | None:
    """Return why a list is empty as a part of a response."""
    return None if reason is None else EmptyReasonJSON(reason.code, reason.text, list(reason.filters))


def encode_items(items: Sequence[RecommendedItem], products: ProductIndex | None) -> msgspec.Raw:
    """Return the JSON of a list, joined from the parts that all responses share."""
    scores = encode_numbers([item.score for item in items], decimals=6)
    rows = [item.row for item in items]
    all_parts = [None] * len(rows) if products is None else products.list_json(rows)
    pieces: list[bytes] = []
    for (product_id, rank, _score, _card, reason, _row, boost), score, parts in zip(
        items, scores, all_parts, strict=True
    ):
        if parts is None:
            parts = ItemParts.encode(product_id, None)
        card, known_id, head, tail = parts
        if known_id != product_id:  # a request may name a product by its SKU
            _card, _id, head, tail = ItemParts.encode(product_id, card)
        pieces += (head, b"%d" % rank, SCORE, score, REASON, b"null" if reason is None else reason.json, tail)
        if boost is not None:
            pieces.append(encode_boost(boost))
        pieces.append(END)
    return join_items(pieces)


def encode_boost(boost: float) -> bytes:
    """Return the JSON of the field of a boost, after a comma."""
    return b',"boost":%b' % _encoder.encode(round(boost, 4))


def join_items(pieces: list[bytes]) -> msgspec.Raw:
    """Return the JSON array of items, of which each ends with END."""
    if not pieces:
        return msgspec.Raw(b"[]")
    pieces[-1] = b"}]"
    return msgspec.Raw(b"[" + b"".join(pieces))


def encode_numbers(values: Sequence[float], *, decimals: int) -> list[bytes]:
    """Return the JSON of float32 numbers, rounded; for these, the rounding of NumPy is that of Python."""
    if not values:
        return []
    return _encoder.encode(np.array(values, np.float64).round(decimals).tolist())[1:-1].split(b",")


def _encode_category(category: RecommendedCategory) -> CategoryJSON:
    reason = None if category.reason is None else msgspec.Raw(category.reason.json)
    return CategoryJSON(category.category, category.rank, round(category.score, 6), reason, category.product_ids)
