"""Figures that take long to count, such as those of millions of rows: kept figures are shown immediately and recounted in the background.

Figures that are fast to count, as in small shops, are counted on every page view. The page states when its figures were counted.
"""

import logging
import time
from collections.abc import Callable
from typing import Any, cast

import msgspec
from django.core.cache import cache
from django.db import OperationalError

from config.foundation.database.statement_timeouts import is_statement_timeout, limit_statements
from config.foundation.ttl_cache import run_in_background

logger = logging.getLogger(__name__)

SLOW_SECONDS = 0.2  # what is counted faster is not kept
WAIT_MS = 800  # how long a page that can show its figures later waits for them
FRESH_SECONDS = 120.0  # older figures are still shown while they are counted again
KEPT_SECONDS = 86_400


class KeptFigures(msgspec.Struct):
    """Figures as JSON, and when they were counted."""

    counted_at: float
    content: msgspec.Raw


def get_figures[T](key: str, kind: Any, count: Callable[[], T]) -> T:
    """Return the figures of ``key``: the kept ones if counting them took long before, otherwise newly counted ones.

    Args:
        key: names the figures and everything that they depend on. kind: their type, into which msgspec decodes them. count: counts them.
    """
    kept = _read(key)
    if kept is None:
        return _count(key, count)
    # figures from the future were counted before the clock was set back
    if abs(time.time() - kept.counted_at) > FRESH_SECONDS and _claim(key):
        run_in_background(lambda: _count(key, count))
    return cast(T, msgspec.json.decode(kept.content, type=kind))


def get_figures_soon[T](key: str, kind: Any, count: Callable[[], T]) -> T | None:
    """Return the figures of ``key`` if they are kept or can be counted within a moment; None while they are counted in the background."""
    if _read(key) is not None:
        return get_figures(key, kind, count)
    if _is_being_counted(key):
        return None
    try:
        with limit_statements(WAIT_MS):
            return _count(key, count)
    except OperationalError as error:
        if not is_statement_timeout(error):
            raise
    if _claim(key):
        run_in_background(lambda: _count(key, count))
    return None


def get_figures_later[T](key: str, kind: Any, count: Callable[[], T]) -> T | None:
    """Return the figures of ``key`` if they are kept; None while they are computed in the background, without waiting for them first."""
    if _read(key) is not None:
        return get_figures(key, kind, count)
    if not _claim(key):
        return None
    found: list[T] = []
    run_in_background(lambda: found.append(_count(key, count, is_slow=True)))
    return found[0] if found else None  # there is no background inside a transaction


def _count[T](key: str, count: Callable[[], T], *, is_slow: bool = False) -> T:
    started = time.monotonic()
    figures = count()
    if is_slow or time.monotonic() - started >= SLOW_SECONDS:
        kept = KeptFigures(time.time(), msgspec.Raw(msgspec.json.encode(figures)))
        try:
            cache.set(_name(key), msgspec.json.encode(kept), KEPT_SECONDS)
        except Exception:
            logger.warning("Figures cannot be kept, because Valkey is not responding.", exc_info=True)
    return figures


def _read(key: str) -> KeptFigures | None:
    try:
        content = cache.get(_name(key))
        return None if content is None else msgspec.json.decode(content, type=KeptFigures)
    except Exception:
        logger.warning("Kept figures cannot be read; counting them again.", exc_info=True)
        return None


def _claim(key: str) -> bool:
    """Return whether this process is to count again; others show the kept figures meanwhile."""
    return bool(cache.add(_name_claim(key), 1, FRESH_SECONDS))


def _is_being_counted(key: str) -> bool:
    try:
        return bool(cache.get(_name_claim(key)))
    except Exception:
        logger.warning("Cannot read whether figures are being counted elsewhere; counting them.", exc_info=True)
        return False


def _name_claim(key: str) -> str:
    return f"{_name(key)}:counting"


def _name(key: str) -> str:
    return f"figures:{key}"
