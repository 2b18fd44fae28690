"""The demo has a finished experiment with even groups, which says that it is simulated and cannot be promoted."""

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from config.demo.experiments import KEY, ensure_demo_experiment
from recommendations.experiments.methods.registry import measure_experiment
from recommendations.experiments.models import Experiment, ExperimentExposure
from recommendations.measurement.statistics.sample_ratio import SUSPICIOUS
from tests.makers import make_customer, make_order, make_product


@pytest.mark.django_db
def test_the_demo_experiment_is_simulated(admin_client: Client) -> None:
    now, product = timezone.now(), make_product("tea")
    for number in range(60):
        customer = make_customer(f"u{number}")
        make_order(customer, products=[product], placed_at=now - timedelta(days=60))
        if number % 3 == 0:
            make_order(customer, products=[product], placed_at=now - timedelta(days=5))
    assert ensure_demo_experiment(now=now)
    assert not ensure_demo_experiment(now=now)
    assert ExperimentExposure.objects.count() == 60
    results = measure_experiment(Experiment.objects.get(), as_of=now)
    assert results.sample_ratio_p > SUSPICIOUS
    assert results.get_best() is None or results.units == 60
    page = admin_client.get(reverse("experiments:experiment", args=[KEY]))
    assert "are made up" in page.text
    assert reverse("experiments:promote", args=[KEY]) not in page.text
