"""The proof of an erasure finds names in every form in which a table can contain them."""

import json

import pytest
from django.db import connection

from config.foundation.personal_data.person import Person
from config.foundation.personal_data.text_matcher import GroupMatcher
from customers.erasure.proof.tables import SearchedTable, search_texts

pytestmark = pytest.mark.django_db
NAME = "欧阳修远\\east"
FORMS = {"plain": NAME, "json": json.dumps({"name": NAME}), "nested json": json.dumps(json.dumps({"name": NAME}))}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("column", ["note", "body"])
def test_a_name_with_characters_beyond_ascii_and_a_backslash_is_found(form: str, column: str) -> None:
    text = FORMS[form]
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE proof_example (note text NOT NULL DEFAULT '', body bytea NOT NULL DEFAULT '')")
        cursor.execute(
            f"INSERT INTO proof_example ({column}) VALUES (%s), (%s)",
            [text, "someone else"] if column == "note" else [text.encode(), b"someone else"],
        )
    searched = SearchedTable("proof_example", texts=("note",), bytes=("body",), numbers=(), arrays=())
    matcher = GroupMatcher({7: [Person(1, search_terms=("欧阳修远",))], 8: [Person(2, search_terms=("nobody here",))]})
    [(group, finding)] = search_texts(searched, matcher)
    assert (group, finding.location, finding.count) == (7, f"table proof_example.{column}", 1)
