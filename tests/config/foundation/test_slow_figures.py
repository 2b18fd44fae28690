"""Figures that take long are kept and counted again in the background; quick ones are counted on every page."""

import time
from decimal import Decimal
from typing import Any, TypedDict

import pytest
from django.core.cache import cache
from django.db import connection

from config.foundation import slow_figures
from config.foundation.slow_figures import get_figures, get_figures_soon


class Cell(TypedDict):
    """A row with a decimal number, which JSON has not."""

    name: str
    revenue: Decimal


class Counter:
    """Counts how often it was called."""

    def __init__(self) -> None:
        self.calls = 0

    def count(self) -> list[Cell]:
        self.calls += 1
        return [{"name": "tea", "revenue": Decimal("1.50") * self.calls}]


@pytest.fixture
def counter(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(slow_figures, "run_in_background", lambda work: work())
    yield Counter()
    cache.delete_many(["figures:test", "figures:test:counting"])


def read(counter: Counter) -> Decimal:
    return get_figures("test", list[Cell], counter.count)[0]["revenue"]


def test_quick_figures_are_counted_each_time(counter: Counter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slow_figures, "SLOW_SECONDS", 1000.0)
    assert [read(counter), read(counter)] == [Decimal("1.50"), Decimal("3.00")]


def test_slow_figures_are_kept_shown_once_when_old_and_then_new(
    counter: Counter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slow_figures, "SLOW_SECONDS", 0.0)
    assert [read(counter), read(counter)] == [Decimal("1.50"), Decimal("1.50")]
    monkeypatch.setattr(slow_figures, "FRESH_SECONDS", -1.0)
    monkeypatch.setattr(slow_figures, "_claim", lambda key: True)
    assert [read(counter), read(counter)] == [Decimal("1.50"), Decimal("3.00")]


def test_figures_of_a_clock_that_was_ahead_are_counted_again(counter: Counter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slow_figures, "SLOW_SECONDS", 0.0)
    now = time.time()
    monkeypatch.setattr(slow_figures.time, "time", lambda: now + 3600)
    assert read(counter) == Decimal("1.50")
    monkeypatch.setattr(slow_figures.time, "time", lambda: now)
    assert [read(counter), read(counter)] == [Decimal("1.50"), Decimal("3.00")]


def test_figures_are_counted_while_valkey_does_not_answer(counter: Counter, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_arguments: Any) -> None:
        raise ConnectionError

    monkeypatch.setattr(slow_figures, "SLOW_SECONDS", 0.0)
    monkeypatch.setattr(slow_figures, "cache", type("Broken", (), {"get": fail, "set": fail}))
    assert read(counter) == Decimal("1.50")


@pytest.mark.django_db
def test_a_page_does_not_wait_for_figures_that_take_long(monkeypatch: pytest.MonkeyPatch, counter: Counter) -> None:
    monkeypatch.setattr(slow_figures, "SLOW_SECONDS", 0.0)
    monkeypatch.setattr(slow_figures, "WAIT_MS", 1)

    def count_slowly() -> list[Cell]:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(0.05)")
        return counter.count()

    assert get_figures_soon("test", list[Cell], count_slowly) is None
    assert (get_figures_soon("test", list[Cell], count_slowly) or [])[0]["revenue"] == Decimal("1.50")
    assert counter.calls == 1
