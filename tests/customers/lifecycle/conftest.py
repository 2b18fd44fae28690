"""What all tests of the lifecycle share."""

import pytest


@pytest.fixture(autouse=True)
def propensities_learn_from(monkeypatch: pytest.MonkeyPatch) -> None:
    """Too few customers to learn from, which takes seconds of every first refresh; tests of propensities take all."""
    monkeypatch.setattr("customers.lifecycle.propensity.scoring.MAX_TRAINING_CUSTOMERS", 40)
