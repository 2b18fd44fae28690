"""The stored events of a person: searched for and exported once each, whatever identifiers they carry."""

from datetime import timedelta

import pytest

from config.foundation.personal_data.person import Person
from customers.events.stored_data import personal_data_stores
from customers.events.stored_data.personal_data_stores import StoredEvents
from tests.customers.events.makers import make_event
from tests.makers import NOON, make_source

pytestmark = pytest.mark.django_db


def test_an_event_with_two_identifiers_of_a_person_is_exported_once_and_in_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(personal_data_stores, "EVENTS_OF_BATCH", 2)
    source = make_source()
    for hours, user_id, anonymous_id in ((3, "ada", "phone"), (1, "ada", ""), (2, "", "phone"), (2, "ben", "")):
        at = NOON - timedelta(hours=hours)
        make_event(source, at=at, name=f"{hours} hours ago", user_id=user_id, anonymous_id=anonymous_id)
    ada = Person(1, identifiers=(("user_id", "ada"), ("anonymous_id", "phone"), ("email", "ada")))
    store = StoredEvents()
    assert [event["name"] for event in store.export(ada)] == ["3 hours ago", "2 hours ago", "1 hours ago"]
    assert [finding.count for finding in store.find([ada])] == [3]


def test_a_person_without_identifiers_of_events_has_none() -> None:
    make_event(user_id="", anonymous_id="")
    nobody = Person(1, identifiers=(("user_id", ""), ("email", "ada")))
    assert (list(StoredEvents().export(nobody)), StoredEvents().find([nobody])) == ([], [])
