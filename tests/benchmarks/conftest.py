"""Fixtures; modules of benchmarks are imported inside, because this file is read before Django is set up."""

from itertools import count
from types import SimpleNamespace

import pytest


@pytest.fixture(autouse=True)
def counted_searches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the clocks of searches advance by 10 ms per reading, so that these try the same on every machine.

    By the real clock, a busy machine leaves algorithms out and keeps their first parameters.
    """
    from benchmarks import sequences, topn_tuning
    from recommendations.engine.tuning.parameter_search import search_parameters

    readings = count()

    def read_clock() -> float:
        return next(readings) / 100

    assert search_parameters.__kwdefaults__ is not None
    monkeypatch.setitem(search_parameters.__kwdefaults__, "clock", read_clock)
    for module in (sequences, topn_tuning):
        monkeypatch.setattr(module, "time", SimpleNamespace(perf_counter=read_clock))
