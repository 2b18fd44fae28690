"""A web server of its own for the SDKs, started once by each process that runs tests."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.clients.serving import web_server


@pytest.fixture(scope="session")
def server(django_db_setup: None, django_db_blocker: Any) -> Iterator[str]:
    with django_db_blocker.unblock():
        address = web_server()
    with address as url:
        yield url
