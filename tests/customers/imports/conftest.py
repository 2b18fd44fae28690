"""A back-office user who may import everything, and folders of their own for every test."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from customers.imports import runs, tasks
from customers.imports.models import ImportRun

Upload = Callable[..., ImportRun]


@pytest.fixture
def boss(client: Client, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Client:
    """Return a client of an administrator; background tasks run at once."""
    settings.EXPORTS_DIR = tmp_path / "exports"
    settings.VAR_DIR = tmp_path / "var"
    settings.SHOP_CURRENCY = "EUR"
    for task in (tasks.check_file, tasks.import_file, tasks.undo_import):
        monkeypatch.setattr(task, "delay", task)
    client.force_login(get_user_model().objects.create_superuser("boss", password="x"))
    return client


@pytest.fixture
def upload(boss: Client) -> Upload:
    """Return a function that uploads a file and, by default, checks it with the proposed columns."""

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
        return check_columns(boss, run, **options) if check and runs.get_kind(run).fields else run

    return upload_text


def check_columns(
    client: Client, run: ImportRun, *, columns: dict[str, str] | None = None, **options: str
) -> ImportRun:
    """Confirm the proposed columns, with changes: column → field."""
    address = reverse("imports:columns", args=[run.pk])
    page = client.get(address)
    assert page.status_code == 200
    data = {f"column-{row.position}": row.field for row in page.context["rows"]}
    for name, field in (columns or {}).items():
        data[f"column-{run.columns.index(name)}"] = field
    form = page.context["options"]
    defaults = {} if form is None else {field.name: field.value() for field in form if field.value() is not False}
    response = client.post(
        address,
        {
            **data,
            **{name: value or "" for name, value in defaults.items()},
            **options,
            "reading": "1",
            "preset": run.preset,
        },
    )
    assert response.status_code == 302, (response.context["missing"], response.context["options"].errors)
    run.refresh_from_db()
    return run


def post(client: Client, name: str, run: ImportRun, **data: Any) -> ImportRun:
    """Send a form of the page of an import, and return the import."""
    assert client.post(reverse(f"imports:{name}", args=[run.pk]), data).status_code == 302
    run.refresh_from_db()
    return run


def show(client: Client, run: ImportRun) -> str:
    response = client.get(reverse("imports:run", args=[run.pk]))
    assert response.status_code == 200
    return response.content.decode()
