"""A back-office user who may import everything, and folders of their own for every test.

The modules of the application are imported by the fixtures: this file is loaded before Django is set up.
"""

from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse


@pytest.fixture
def boss(client: Client, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Client:
    """Return a client of an administrator; background tasks run immediately."""
    from django.contrib.auth import get_user_model

    from customers.imports import tasks

    settings.EXPORTS_DIR = tmp_path / "exports"
    settings.VAR_DIR = tmp_path / "var"
    settings.SHOP_CURRENCY = "EUR"
    for task in (tasks.check_file, tasks.import_file, tasks.undo_import):
        monkeypatch.setattr(task, "delay", task)
    client.force_login(get_user_model().objects.create_superuser("boss", password="x"))
    return client


@pytest.fixture
def upload(boss: Client) -> Any:
    """Return a function that uploads a file and, by default, checks it with the proposed columns."""
    from customers.imports.kinds.registry import KINDS
    from customers.imports.models import ImportRun
    from tests.customers.imports.wizard_pages import check_columns

    def upload_text(
        kind: str,
        text: str | bytes,
        *,
        name: str = "export.csv",
        source: str = "shop",
        check: bool = True,
        **options: str,
    ) -> ImportRun:
        content = text.encode() if isinstance(text, str) else text
        response = boss.post(
            reverse("imports:new", args=[kind]), {"file": SimpleUploadedFile(name, content), "source": source}
        )
        assert response.status_code == 302, response.context["form"].errors
        run = ImportRun.objects.order_by("-pk")[0]
        return check_columns(boss, run, **options) if check and KINDS[kind].fields else run

    return upload_text
