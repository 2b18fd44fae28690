"""Answers as JSON, in one pass: what the REST views and the short way in front of Django both send."""

from typing import Any

import msgspec

from recommendations.serving.pipeline.explain import Reason
from recommendations.serving.recommend import Answer, CategoryItem, Item
from recommendations.serving.state.product_index import Catalogue

NULL = msgspec.Raw(b"null")


class ReasonJSON(msgspec.Struct):
    code: str
    text: str
    product_ids: list[str]


class ItemJSON(msgspec.Struct):
    product_id: str
    rank: int
    score: float
    reason: ReasonJSON | None
    product: msgspec.Raw


class CategoryJSON(msgspec.Struct):
    category: str
    rank: int
    score: float
    reason: ReasonJSON | None
    product_ids: list[str]


class AnswerJSON(msgspec.Struct):
    recommendation_id: str
    scenario: str
    strategy: str
    fallback: str | None
    fallback_reason: str | None
    model_version: str
    stale: bool
    took_ms: float
    items: list[ItemJSON]
    next_cursor: str | None
    categories: list[CategoryJSON] | msgspec.UnsetType = msgspec.UNSET
    left_out: list[dict[str, Any]] | msgspec.UnsetType = msgspec.UNSET


_encoder = msgspec.json.Encoder()


def encode(answer: Answer) -> bytes:
    catalogue = answer.loaded.catalogue if answer.loaded is not None else None
    return _encoder.encode(
        AnswerJSON(
            answer.recommendation_id,
            answer.scenario,
            answer.strategy,
            answer.fallback,
            answer.fallback_reason,
            answer.model_version,
            answer.stale,
            answer.took_ms,
            [item_json(item, catalogue) for item in answer.items],
            answer.next_cursor,
            msgspec.UNSET if answer.categories is None else [category_json(one) for one in answer.categories],
            msgspec.UNSET if answer.left_out is None else [left_json(one) for one in answer.left_out],
        )
    )


def item_json(item: Item, catalogue: Catalogue | None) -> ItemJSON:
    product = catalogue.blob(item.row) if catalogue is not None and item.row >= 0 else NULL
    return ItemJSON(item.product_id, item.rank, round(item.score, 6), reason_json(item.reason), product)


def category_json(one: CategoryItem) -> CategoryJSON:
    return CategoryJSON(one.category, one.rank, round(one.score, 6), reason_json(one.reason), one.product_ids)


def left_json(one: tuple[str, str]) -> dict[str, Any]:
    product_id, why = one
    return {"product_id": product_id, "why": why}


def reason_json(reason: Reason | None) -> ReasonJSON | None:
    return None if reason is None else ReasonJSON(reason.code, reason.text, reason.product_ids)
