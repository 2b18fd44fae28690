"""A web server for the SDK tests, started once per module, so that it does not run beside other tests."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.clients.web_server import PATIENT_SETTINGS, run_web_server


@pytest.fixture(scope="module")
def server(django_db_setup: None, django_db_blocker: Any) -> Iterator[str]:
    with django_db_blocker.unblock():
        address = run_web_server(DJANGO_SETTINGS_MODULE=PATIENT_SETTINGS)
    with address as url:
        yield url
