"""Every placement has settings after a migration and after a flush; existing settings are kept."""

import pytest
from django.core.management import call_command

from recommendations.placement_labels import RECOMMENDATION_PLACEMENT_LABELS
from recommendations.serving.models import PlacementSettings


def names() -> set[str]:
    return set(PlacementSettings.objects.values_list("placement", flat=True))


@pytest.mark.django_db(transaction=True)
def test_every_placement_has_settings_again_after_a_flush() -> None:
    call_command("flush", interactive=False, verbosity=0)
    assert names() == set(RECOMMENDATION_PLACEMENT_LABELS)


@pytest.mark.django_db
def test_a_migration_adds_missing_settings_and_keeps_the_others() -> None:
    PlacementSettings.objects.filter(placement="trending").delete()
    PlacementSettings.objects.filter(placement="cart").update(switch="off")
    call_command("migrate", verbosity=0)
    assert names() == set(RECOMMENDATION_PLACEMENT_LABELS)
    assert PlacementSettings.objects.get(placement="cart").switch == "off"


@pytest.mark.django_db(transaction=True)
def test_migrating_to_before_the_settings_and_forward_again_restores_them() -> None:
    call_command("migrate", "serving", "zero", verbosity=0)
    try:
        call_command("migrate", "serving", "0001", verbosity=0)
    finally:
        call_command("migrate", verbosity=0)
    assert names() == set(RECOMMENDATION_PLACEMENT_LABELS)
