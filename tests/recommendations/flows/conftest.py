"""Nothing of a test's published versions may be left in the process, because their IDs return."""

from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def graphs_of_this_test() -> Iterator[None]:
    from recommendations.flows.execution.published_graphs import (
        forget_graphs,
    )  # this file is read before Django is set up

    forget_graphs()
    yield
    forget_graphs()
