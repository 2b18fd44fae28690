"""The answers that are shown instead of those of a server that is slow or down."""

from __future__ import annotations

import copy
from typing import Any


def build_fallback(operation: str, empty: dict[str, Any], body: Any, path: tuple[str, ...]) -> dict[str, Any]:
    """Return an empty answer; a list to rank keeps its order, and a batch has one empty answer for each placement."""
    answer = copy.deepcopy(empty)
    if operation == "rank":
        answer["items"] = [
            {"product_id": product_id, "rank": rank, "score": 0, "reason": None, "product": None}
            for rank, product_id in enumerate(body["product_ids"], start=1)
        ]
    if operation == "recommendations_batch":
        answer["placements"] = [build_placement(placement) for placement in body["placements"]]
    if operation == "recommendations":
        answer["scenario"] = path[0]
    return answer


def build_placement(placement: dict[str, Any]) -> dict[str, Any]:
    scenario = placement["scenario"]
    return {
        **{"key": placement.get("key") or scenario, "scenario": scenario, "recommendation_id": "", "strategy": ""},
        **{"fallback": None, "fallback_reason": None, "empty_reason": None, "model_version": "", "stale": False},
        **{"took_ms": 0, "items": [], "next_cursor": None},
    }
