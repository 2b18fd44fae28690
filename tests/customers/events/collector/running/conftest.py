"""A collector with servers of its own, which the tests of this folder share: each test has a source of its own."""

from collections.abc import Iterator

import pytest

from tests.customers.events.server import CollectorServer, run_collector


@pytest.fixture(scope="package")
def shop() -> Iterator[CollectorServer]:
    with run_collector() as server:
        yield server
