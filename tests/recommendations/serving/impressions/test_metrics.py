"""Prometheus metrics of waiting and lost impressions."""

import time
from typing import Any

import pytest
import redis
from prometheus_client import CollectorRegistry, generate_latest

from recommendations.serving.impressions import stream
from recommendations.serving.impressions.metrics import ImpressionMetrics
from recommendations.serving.impressions.served_entry import pack_entry
from recommendations.serving.impressions.store import store_impressions
from tests.makers import NOON
from tests.recommendations.serving.impressions.entries import make_entry, send_entries


def scrape() -> dict[str, float]:
    registry = CollectorRegistry()
    registry.register(ImpressionMetrics())
    lines = [line for line in generate_latest(registry).decode().splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}


@pytest.mark.django_db
def test_waiting_and_lost_impressions_are_counted(valkey: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    assert scrape()["perennial_impressions_waiting"] == 0
    monkeypatch.setattr(stream, "MAX_ENTRIES", 100)
    started = time.time()
    stream.append_entries([pack_entry(make_entry(f"r{number}")) for number in range(1000)], dropped=7)
    remaining = valkey.xlen("served")
    assert remaining < 1000
    metrics = scrape()
    assert metrics["perennial_impressions_waiting"] == remaining
    assert 0 <= metrics["perennial_impressions_oldest_seconds"] <= time.time() - started + 1
    assert metrics['perennial_impressions_lost_total{why="dropped"}'] == 7
    assert metrics['perennial_impressions_lost_total{why="trimmed"}'] == 1000 - remaining
    send_entries(make_entry("bad", first_rank=0))
    store_impressions(at=NOON)
    metrics = scrape()
    assert metrics["perennial_impressions_waiting"] == 0
    assert metrics['perennial_impressions_lost_total{why="trimmed"}'] >= 1000 - remaining
    assert metrics['perennial_impressions_lost_total{why="damaged"}'] == 1


def test_metrics_are_omitted_while_valkey_is_down(settings: Any) -> None:
    settings.VALKEY_URL = "redis://127.0.0.1:1/0"
    assert scrape() == {}
