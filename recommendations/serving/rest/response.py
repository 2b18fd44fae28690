"""Encode responses as JSON in one pass, for the REST views and the fast path."""

from typing import Any

import msgspec

from recommendations.serving.pipeline.fallback import EmptyListReason
from recommendations.serving.pipeline.reasons import ItemReason
from recommendations.serving.response import RecommendationResponse, RecommendedCategory, RecommendedItem
from recommendations.serving.state.product_index import ProductIndex
from recommendations.serving.visitor_claims import UNVERIFIED

NULL = msgspec.Raw(b"null")


class ReasonJSON(msgspec.Struct):
    code: str
    text: str
    product_ids: list[str]


class EmptyReasonJSON(msgspec.Struct):
    code: str
    text: str
    filters: list[str]


class ItemJSON(msgspec.Struct):
    product_id: str
    rank: int
    score: float
    reason: ReasonJSON | msgspec.Raw | None
    product: msgspec.Raw
    boost: float | msgspec.UnsetType = msgspec.UNSET


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
    items: list[ItemJSON]
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
            [_encode_item(item, products) for item in response.items],
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


def _encode_item(item: RecommendedItem, products: ProductIndex | None) -> ItemJSON:
    product = products.get_json(item.row) if products is not None and item.row >= 0 else NULL
    boost = msgspec.UNSET if item.boost is None else round(item.boost, 4)
    return ItemJSON(item.product_id, item.rank, round(item.score, 6), _encode_reason(item.reason), product, boost)


def _encode_category(category: RecommendedCategory) -> CategoryJSON:
    reason = _encode_reason(category.reason)
    return CategoryJSON(category.category, category.rank, round(category.score, 6), reason, category.product_ids)


def _encode_reason(reason: ItemReason | None) -> msgspec.Raw | None:
    return None if reason is None else reason.json
