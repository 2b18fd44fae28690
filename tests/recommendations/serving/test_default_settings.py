"""Every place has its settings after a migration, and after the tables were emptied; what was set stays."""

import pytest
from django.core.management import call_command

from recommendations.placement_labels import RECOMMENDATION_PLACEMENT_LABELS
from recommendations.serving.models import PlacementSettings


def names() -> set[str]:
    return set(PlacementSettings.objects.values_list("placement", flat=True))


@pytest.mark.django_db(transaction=True)
def test_places_are_there_again_after_a_flush() -> None:
    call_command("flush", interactive=False, verbosity=0)
    assert names() == set(RECOMMENDATION_PLACEMENT_LABELS)


@pytest.mark.django_db
def test_a_place_without_settings_gets_them_and_what_was_set_stays() -> None:
    PlacementSettings.objects.filter(placement="trending").delete()
    PlacementSettings.objects.filter(placement="cart").update(switch="off")
    call_command("migrate", verbosity=0)
    assert names() == set(RECOMMENDATION_PLACEMENT_LABELS)
    assert PlacementSettings.objects.get(placement="cart").switch == "off"


@pytest.mark.django_db(transaction=True)
def test_migrating_back_to_before_there_were_places_and_forward_again() -> None:
    call_command("migrate", "serving", "0001", verbosity=0)
    try:
        call_command("migrate", "serving", "0002", verbosity=0)
    finally:
        call_command("migrate", verbosity=0)
    assert names() == set(RECOMMENDATION_PLACEMENT_LABELS)
