"""A person is stored with an erasure and read again, also by a later version."""

import json

from config.foundation.personal_data.person import Person

ADA = Person(
    7, merged_ids=(8,), identifiers=(("user_id", "ada"),), search_terms=("ada@example.com",), order_keys=((1, "o-1"),)
)


def test_a_stored_person_is_the_same_when_read_again() -> None:
    assert Person.from_json(json.loads(json.dumps(ADA.to_json()))) == ADA


def test_a_person_stored_by_an_earlier_version_keeps_the_texts_to_search_for() -> None:
    content = ADA.to_json()
    content["needles"] = content.pop("search_terms")
    assert Person.from_json(content) == ADA
