"""Every column that may hold personal data is registered for erasure or explained, and a new one that is not is noticed."""

import pytest
from django.db import models

from config.foundation.personal_data import inventory
from config.foundation.personal_data.inventory import list_unknown_columns
from config.foundation.personal_data.table_stores import list_personal_columns
from customers.feedback.models import Review


def test_every_column_is_registered_or_explained() -> None:
    assert list_unknown_columns() == [], "Register the column in the personal_data_stores.py of its app."


@pytest.mark.parametrize(
    "field", [models.TextField(), models.JSONField(), models.CharField(max_length=10), models.BinaryField()]
)
def test_a_planted_column_is_noticed(field: models.Field, monkeypatch: pytest.MonkeyPatch) -> None:
    field.set_attributes_from_name("planted")
    field.model = Review
    monkeypatch.setattr(Review._meta, "local_concrete_fields", (*Review._meta.local_concrete_fields, field))
    known = [location for location in inventory.list_known_locations() if location.name != "feedback.review"]
    monkeypatch.setattr(inventory, "list_known_locations", lambda: known)
    assert "planted" in list_personal_columns(Review)
    assert "feedback.review.planted" in list_unknown_columns()
