"""VariantAssignment: stable, by share, independent between experiments; of a person's exposures the earliest counts."""

from datetime import timedelta
from typing import Any

import pytest

from config.foundation.personal_data.person import Person
from customers.identity.signals import customer_erased
from recommendations.experiments.assignment import RunningExperiment, RunningVariant, assign_variant, build_buckets
from recommendations.experiments.kept_variants import make_key
from recommendations.experiments.methods.registry import measure_experiment
from recommendations.experiments.models import ExperimentExposure
from recommendations.experiments.stored_data.personal_data_stores import list_variant_keys
from recommendations.measurement.statistics.sample_ratio import SUSPICIOUS, compute_sample_ratio_p
from tests.makers import NOON, make_customer, make_identifier
from tests.recommendations.experiments.makers import make_experiment


def make_running(*shares: float, unit: str = "customer", salt: str = "s") -> RunningExperiment:
    variants = [
        RunningVariant(number + 1, "abcd"[number], {}, number == 0, first, end)
        for number, (first, end) in enumerate(build_buckets(shares))
    ]
    return RunningExperiment(1, "test", "placement", "for-you", unit, salt, "fixed", tuple(variants))


def test_variants_have_their_shares_and_experiments_are_independent() -> None:
    experiment, other = make_running(0.2, 0.3, 0.5), make_running(0.5, 0.5, salt="other")
    keys = [f"user_id:{number}" for number in range(20_000)]
    variants = [experiment.find_variant(key).key for key in keys]
    assert compute_sample_ratio_p([variants.count(key) for key in "abc"], [0.2, 0.3, 0.5]) > SUSPICIOUS
    of_other = [other.find_variant(key).key for key, own in zip(keys, variants, strict=True) if own == "a"]
    assert compute_sample_ratio_p([of_other.count(key) for key in "ab"], [0.5, 0.5]) > SUSPICIOUS
    assert experiment.find_variant("user_id:ada").key == "b"  # must never change


def test_the_unit_decides_which_identifier_counts() -> None:
    by_visitor, by_customer = make_running(0.5, 0.5, unit="visitor"), make_running(0.5, 0.5)
    assigned = assign_variant(by_visitor, user_id="u", anonymous_id="a")
    assert assigned is not None
    assert (assigned.unit_kind, assigned.variant) == ("anonymous_id", by_visitor.find_variant("anonymous_id:a"))
    assigned = assign_variant(by_customer, user_id="u", anonymous_id="")
    assert assigned is not None
    assert (assigned.unit_kind, assigned.propensity) == ("user_id", 0.5)
    assert assign_variant(by_customer, user_id="", anonymous_id="") is None


@pytest.mark.django_db
def test_a_person_with_two_exposures_counts_in_the_variant_of_the_earliest() -> None:
    experiment = make_experiment()
    control, variant = experiment.variants.all()
    ada = make_customer("ada")
    make_identifier(ada, "phone", kind="anonymous_id")
    for unit_key, shown, at in (
        ("anonymous_id:phone", variant, NOON),
        ("user_id:ada", control, NOON + timedelta(days=1)),
    ):
        ExperimentExposure.objects.create(experiment=experiment, variant=shown, unit_key=unit_key, exposed_at=at)
    results = measure_experiment(experiment, as_of=NOON + timedelta(days=2))
    assert {result.key: result.units for result in results.variants} == {"a": 0, "b": 1}


@pytest.mark.django_db
def test_erasure_keeps_the_count_and_no_identifier() -> None:
    experiment, ada = make_experiment(), make_customer("ada")
    ExperimentExposure.objects.create(
        experiment=experiment,
        variant=experiment.variants.get(key="b"),
        unit_key="user_id:ada",
        customer=ada,
        exposed_at=NOON,
    )
    customer_erased.send(sender=None, customer_id=ada.pk, at=NOON)
    exposure = ExperimentExposure.objects.get()
    assert (exposure.customer_id, "ada" in exposure.unit_key) == (None, False)


@pytest.mark.django_db
def test_erasure_forgets_variants_that_were_kept_under_an_older_hash_key(settings: Any) -> None:
    experiment = make_experiment()
    older = make_key(experiment.pk, "user_id:ada")
    settings.HASH_KEYS = ("a-newer-key-" * 4, *settings.HASH_KEYS)
    person = Person(customer_id=1, identifiers=(("user_id", "ada"),))
    assert set(list_variant_keys([person])) == {older, make_key(experiment.pk, "user_id:ada")}
