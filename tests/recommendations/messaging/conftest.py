"""Fixtures of all tests of messages."""

from typing import Any

import pytest


@pytest.fixture(autouse=True)
def current_products(settings: Any) -> None:
    """Recommend the products of this test: load them anew, with a deadline that a busy machine meets."""
    from recommendations.serving.state.loader import loader

    settings.RECOMMEND_DEADLINE_MS = 600_000.0
    loader.state = None
