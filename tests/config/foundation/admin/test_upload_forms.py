"""The form of an uploaded file has the fields of its subclass in their order, and checks the currency."""

from typing import Any

import pytest
from django import forms
from django.core.files.uploadedfile import SimpleUploadedFile

from config.foundation.admin.upload_forms import UploadForm


class PriceListForm(UploadForm):
    file_help_text = "A price list."
    currency_help_text = "Of all prices."
    field_order = ("file", "region", "encoding", "currency")

    region = forms.CharField()


def submit(**changes: Any) -> PriceListForm:
    data = {"region": "north", "currency": "eur", **changes}
    return PriceListForm(data, {"file": SimpleUploadedFile("prices.csv", b"x")})


def test_the_fields_have_the_order_and_the_help_of_the_subclass() -> None:
    form = PriceListForm()
    assert list(form.fields) == ["file", "region", "encoding", "currency"]
    assert (form.fields["file"].help_text, form.fields["currency"].help_text) == ("A price list.", "Of all prices.")


def test_the_default_currency_is_that_of_the_shop(settings: Any) -> None:
    settings.SHOP_CURRENCY = "CHF"
    assert PriceListForm()["currency"].value() == "CHF"


def test_a_currency_is_read_in_any_case() -> None:
    form = submit()
    assert form.is_valid(), form.errors
    assert (form.cleaned_data["currency"], form.cleaned_data["encoding"]) == ("EUR", "")


@pytest.mark.parametrize(("field", "value"), [("currency", "abc"), ("currency", ""), ("encoding", "latin-1")])
def test_an_invalid_option_is_an_error_of_its_field(field: str, value: str) -> None:
    assert list(submit(**{field: value}).errors) == [field]
