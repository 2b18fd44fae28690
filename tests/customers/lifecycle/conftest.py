"""Fixtures of all lifecycle tests."""

import pytest


@pytest.fixture(autouse=True)
def limit_training_customers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Train on too few customers for a model, which saves seconds of every first refresh.

    Tests of propensities use all.
    """
    monkeypatch.setattr("customers.lifecycle.propensity.scoring.MAX_TRAINING_CUSTOMERS", 40)
