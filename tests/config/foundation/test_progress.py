"""The progress bar estimates the rest of the work from the time that the work has taken."""

from io import StringIO
from types import SimpleNamespace

import pytest

from config.foundation import progress
from config.foundation.progress import ProgressBar


def test_a_wait_before_the_work_is_not_part_of_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([1000.0, 1300.0, 1300.0, 1310.0])  # made, then 300 s of waiting, begun, 10 s later
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    output = StringIO()
    bar = ProgressBar("Profiles", output)
    bar(0, 2)
    bar(1, 2)
    assert [line[line.index("%") :] for line in output.getvalue().splitlines()] == [
        "% 0/2 (0 s)",
        "% 1/2 (10 s, 10 s left)",
    ]


def test_work_that_first_reports_a_part_has_begun_with_the_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([1000.0, 1010.0])
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    output = StringIO()
    ProgressBar("Rows", output)(1, 2)
    assert output.getvalue().endswith("1/2 (10 s, 10 s left)\n")
