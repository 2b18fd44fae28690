"""The portrait of a customer counts the recommendations served to them."""

from datetime import timedelta

import pytest

from customers.lifecycle.portrait import build_portrait
from recommendations.serving.models import Impression
from tests.customers.events.makers import make_event
from tests.makers import NOON, make_customer

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


def test_the_portrait_counts_recommendations_served_and_clicked_before_its_date() -> None:
    ada, bob = make_customer("ada"), make_customer("bob")
    for number, (customer, days) in enumerate([(ada, 3), (ada, 2), (ada, 0), (bob, 1), (None, 1)]):
        Impression.objects.create(
            recommendation_id=f"r{number}",
            scenario="for-you",
            customer=customer,
            model_version="m",
            strategy="s",
            served_at=NOON - DAY * days,
        )
    make_event(at=NOON - DAY, user_id="ada", name="Recommendation Clicked")
    portrait = build_portrait(customer_id=ada.pk, as_of=NOON, with_personal=False)
    [line] = [entry for entry in portrait.lines if entry.key == "responses.recommendations"]
    assert line.value == {"sent": 2, "opened": 0, "clicked": 1}
    assert line.text == "2 served (last Nov 22, 2026), 1 clicked (last Nov 23, 2026)"
    assert (line.facts, line.as_of) == (3, NOON - DAY)
