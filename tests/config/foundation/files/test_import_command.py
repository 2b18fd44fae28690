"""The options that the commands for imports share."""

import pytest
from django.core.management.base import CommandError

from config.foundation.files.import_command import parse_columns


def test_columns_are_assigned_to_fields() -> None:
    assert parse_columns(["order_id=Invoice", "email=Mail", " email = Other mail "], example="x=y") == {
        "order_id": ["Invoice"],
        "email": ["Mail", "Other mail"],
    }


@pytest.mark.parametrize("text", ["order_id", "=x", "order_id=", ""])
def test_wrong_assignment_is_reported_with_an_example(text: str) -> None:
    with pytest.raises(CommandError, match="field=column, such as email=Mail"):
        parse_columns([text], example="email=Mail")
