"""Texts are read once for any number of people, and only where there is one."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from config.foundation.personal_data import text_matcher
from config.foundation.personal_data.person import Person
from config.foundation.personal_data.registry import find_store
from config.foundation.personal_data.text_matcher import GroupMatcher
from config.foundation.personal_data.text_stores import MatchingTexts
from customers.destinations.models import Destination, OutgoingRecord
from recommendations.webhooks.models import WebhookEndpoint, WebhookNotification
from tests.makers import NOON

pytestmark = pytest.mark.django_db
PEOPLE = [Person(number, search_terms=(f"visitor-{number}",)) for number in range(1, 6)]


def get_store(key: str) -> MatchingTexts:
    store = find_store(key)
    assert isinstance(store, MatchingTexts)
    return store


def make_records(errors: list[str]) -> None:
    destination = Destination.objects.create(name="Partner", kind="webhook")
    OutgoingRecord.objects.bulk_create(
        OutgoingRecord(
            destination=destination, stream="events", source_id=number, occurred_at=NOON, created_at=NOON, error=error
        )
        for number, error in enumerate(errors)
    )


def make_notifications(payloads: list[dict[str, Any]]) -> None:
    endpoint = WebhookEndpoint.objects.create(name="shop", url="https://shop.example", event_types=[])
    WebhookNotification.objects.bulk_create(
        WebhookNotification(
            endpoint=endpoint,
            key=str(number),
            type="message.sent",
            payload=payload,
            created_at=NOON,
            next_attempt_at=NOON,
        )
        for number, payload in enumerate(payloads)
    )


@pytest.fixture
def searches(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return the sizes of the texts that are searched."""
    sizes: list[int] = []
    find = text_matcher.TextMatcher.find

    def record(self: Any, data: bytes) -> Any:
        sizes.append(len(data))
        return find(self, data)

    monkeypatch.setattr(text_matcher.TextMatcher, "find", record)
    return sizes


def test_only_records_with_an_error_are_read_and_by_an_index() -> None:
    store = get_store("destinations.errors")
    make_records([*[""] * 200, "Rejected visitor-3", "Timeout"])
    assert [len(rows) for rows in store.read_rows()] == [2]
    assert [finding.count for finding in store.find(PEOPLE)] == [1]
    assert store.erase(PEOPLE) == 1
    assert sorted(OutgoingRecord.objects.exclude(error="").values_list("error", flat=True)) == [
        "Rejected *********",
        "Timeout",
    ]
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("EXPLAIN SELECT id, error FROM destinations_outgoingrecord WHERE error <> ''")
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert "destinations_record_error" in plan


def test_texts_are_read_once_for_all_people_and_searched_many_at_a_time(searches: list[int]) -> None:
    store = get_store("webhooks.notifications")
    make_notifications([{"user_id": f"somebody-{number}"} for number in range(100)])
    with CaptureQueriesContext(connection) as queries:
        assert store.find(PEOPLE) == []
    assert sum("webhooks_webhooknotification" in query["sql"] for query in queries) == 1
    assert len(searches) == 1


def test_a_row_among_many_is_found_and_masked() -> None:
    store = get_store("webhooks.notifications")
    make_notifications([{"user_id": f"somebody-{number}"} for number in range(50)] + [{"user_id": "visitor-2"}])
    assert [finding.count for finding in store.find(PEOPLE)] == [1]
    assert (store.erase(PEOPLE), store.erase(PEOPLE)) == (1, 0)
    assert WebhookNotification.objects.get(key="50").payload == {"user_id": "*********"}
    assert store.find(PEOPLE) == []


def test_the_end_of_one_row_and_the_beginning_of_the_next_are_not_one_text() -> None:
    make_records(["Rejected visitor-", "3 times"])
    assert get_store("destinations.errors").find(PEOPLE) == []


def test_a_matcher_says_whose_texts_it_has_found() -> None:
    groups = {7: PEOPLE[:2], 8: PEOPLE[2:4], 9: [*PEOPLE[:1], Person(99, search_terms=("客户 三",))]}
    matcher = GroupMatcher(groups)
    assert matcher.find_groups(b"visitor-2 and VISITOR-1") == {7, 9}
    assert matcher.find_groups(b"visitor-3, visitor-44") == {8}
    assert matcher.find_groups("客户 三".encode()) == {9}
    assert matcher.find_groups(b"visitor-5, visitor-11") == set()
