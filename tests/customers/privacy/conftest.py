"""A customer with a proven address, a folder for files, and tasks that run immediately.

The modules of the application are imported by the fixtures: this file is loaded before Django is set up.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def eager_tasks(valkey: Any) -> Iterator[None]:
    from config.celery import app

    app.conf.task_always_eager = True
    yield
    app.conf.task_always_eager = False


@pytest.fixture
def export_folder(settings: Any, tmp_path: Path) -> Path:
    settings.EXPORTS_DIR = tmp_path
    return tmp_path / "privacy"


@pytest.fixture
def mei() -> Any:
    from tests.customers.privacy.makers import make_mei

    return make_mei()
