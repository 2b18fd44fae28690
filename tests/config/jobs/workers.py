"""Stands in for the workers that say which tasks they are busy with."""

from types import SimpleNamespace

import pytest


def pretend_active(monkeypatch: pytest.MonkeyPatch, *ids: str, error: Exception | None = None) -> None:
    """Let one worker report the tasks that it is busy with, or let the question fail."""

    def active() -> dict[str, list[dict[str, str]]]:
        if error is not None:
            raise error
        return {"celery@shop": [{"id": celery_id} for celery_id in ids]}

    monkeypatch.setattr("config.jobs.lost_runs.app.control.inspect", lambda **_options: SimpleNamespace(active=active))
