"""An operator sees how many impressions wait and how many were lost."""

from typing import Any

import pytest
import redis
from prometheus_client import CollectorRegistry, generate_latest

from recommendations.serving.impressions import stream
from recommendations.serving.impressions.metrics import ImpressionMetrics
from recommendations.serving.impressions.served_entry import pack_entry
from recommendations.serving.impressions.store import store_impressions
from tests.makers import NOON
from tests.recommendations.serving.impressions.shown import send, shown


def scraped() -> dict[str, float]:
    registry = CollectorRegistry()
    registry.register(ImpressionMetrics())
    lines = [line for line in generate_latest(registry).decode().splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}


@pytest.mark.django_db
def test_waiting_and_lost_impressions_are_counted(valkey: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    assert scraped()["perennial_impressions_waiting"] == 0
    monkeypatch.setattr(stream, "MAX_ENTRIES", 100)
    stream.append_entries([pack_entry(shown(f"r{number}")) for number in range(1000)], dropped=7)
    left = valkey.xlen("served")
    assert left < 1000
    figures = scraped()
    assert figures["perennial_impressions_waiting"] == left
    assert figures["perennial_impressions_oldest_seconds"] < 60
    assert figures['perennial_impressions_lost_total{why="dropped"}'] == 7
    assert figures['perennial_impressions_lost_total{why="trimmed"}'] == 1000 - left
    send(shown("bad", first_rank=0))
    store_impressions(at=NOON)
    figures = scraped()
    assert figures["perennial_impressions_waiting"] == 0
    assert figures['perennial_impressions_lost_total{why="trimmed"}'] >= 1000 - left
    assert figures['perennial_impressions_lost_total{why="damaged"}'] == 1


def test_valkey_that_is_down_leaves_the_figures_out(settings: Any) -> None:
    settings.VALKEY_URL = "redis://127.0.0.1:1/0"
    assert scraped() == {}
