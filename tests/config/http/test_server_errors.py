"""An error that no view handles has an answer that says what happened, also while the database does not respond."""

from typing import Any

import pytest
from django.db import OperationalError
from django.db.backends.base.base import BaseDatabaseWrapper
from django.test import Client

from config.foundation.processes.log_context import log_context

pytestmark = pytest.mark.django_db


@pytest.fixture
def visitor(admin_client: Client) -> Client:
    """Return a client of an administrator, whose session is in the database, that gets responses to errors."""
    admin_client.raise_request_exception = False
    return admin_client


def fail_with(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every access to the database fail, and so every page that reads the session."""

    def fail(connection: BaseDatabaseWrapper, *arguments: Any, **options: Any) -> None:
        raise error

    monkeypatch.setattr(BaseDatabaseWrapper, "cursor", fail)


def test_a_page_says_that_the_database_does_not_respond(visitor: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    fail_with(OperationalError("connection refused"), monkeypatch)
    with log_context(request_id="proxy-0001"):
        response = visitor.get("/admin/imports/")
    text = response.content.decode()
    assert (response.status_code, response["Retry-After"]) == (503, "5")
    assert "This page is not available at the moment" in text
    assert "The database is not reachable; try again in a few seconds." in text
    assert "proxy-0001" in text
    assert "Back to Home" in text


def test_another_error_names_the_id_under_which_it_is_logged(visitor: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    fail_with(RuntimeError("broken"), monkeypatch)
    with log_context(request_id="proxy-0002"):
        response = visitor.get("/admin/imports/")
    text = response.content.decode()
    assert response.status_code == 500
    assert "This page could not be shown" in text
    assert "proxy-0002" in text
    assert "broken" not in text


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [(OperationalError("connection refused"), 503, "database-unreachable"), (RuntimeError("broken"), 500, "error")],
)
def test_the_api_answers_with_a_problem_also_if_the_session_cannot_be_read(
    visitor: Client, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int, kind: str
) -> None:
    fail_with(error, monkeypatch)
    response = visitor.get("/api/v1/products/")
    assert (response.status_code, response["Content-Type"]) == (status, "application/problem+json")
    assert response.json()["type"] == f"urn:perennial:problem:{kind}"
