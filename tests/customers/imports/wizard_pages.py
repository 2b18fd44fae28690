"""What a user does on the pages of the wizard."""

from collections.abc import Callable
from typing import Any

from django.test import Client
from django.urls import reverse

from customers.imports.models import ImportRun

Upload = Callable[..., ImportRun]


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
