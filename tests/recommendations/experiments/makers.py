"""Stored experiments for tests."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from customers.identity.models import Customer
from recommendations.experiments.editing import VariantDraft, create_experiment, split_evenly
from recommendations.experiments.models import Experiment, ExperimentExposure
from tests.makers import NOON


def make_exposure(customer: Customer) -> ExperimentExposure:
    """Expose a customer to the first variant of a new experiment."""
    experiment = make_experiment(f"of-{customer.pk}", subject=f"s{customer.pk}")
    return ExperimentExposure.objects.create(
        experiment=experiment,
        variant=experiment.variants.earliest("key"),
        unit_key=f"user_id:u{customer.pk}",
        customer=customer,
        exposed_at=NOON,
    )


def make_experiment(
    key: str = "blend",
    *,
    configs: Sequence[Mapping[str, Any]] = ({}, {"weights": {"popularity": 1.0}}),
    shares: Sequence[str] | None = None,
    **fields: Any,
) -> Experiment:
    """Create a running experiment on for-you; the first config is that of the control."""
    values = [Decimal(share) for share in shares] if shares else split_evenly(len(configs))
    status = fields.pop("status", Experiment.Status.RUNNING)
    experiment = create_experiment(
        key=key,
        variants=[
            VariantDraft(f"Variant {i}", share, config)
            for i, (share, config) in enumerate(zip(values, configs, strict=True))
        ],
        # a fixed salt: with a random one, a few visitors are all in one variant now and then
        **{"name": key, "kind": "placement", "subject": "for-you", "salt": f"salt of {key}", **fields},
    )
    experiment.status = status
    experiment.started_at = NOON
    experiment.save()
    return experiment
