"""One number is one text, however someone writes it, and numbers of other countries are left alone."""

import pytest

from config.foundation.shop.phone_numbers import CALLING_CODES, NATIONAL_FORMS, list_number_forms, normalize_number

CHINESE = "+8613800138000"


@pytest.mark.parametrize(
    ("phone", "country", "normal"),
    [
        ("13800138000", "CN", CHINESE),
        ("+86 138-0013-8000", "CN", CHINESE),
        ("008613800138000", "CN", CHINESE),
        ("86 138 0013 8000", "CN", CHINESE),
        ("１３８ ００１３ ８０００", "CN", CHINESE),
        ("010-6552 9988", "CN", "+861065529988"),
        ("0755 8601 3388", "CN", "+8675586013388"),
        ("+1 380 013 8000", "CN", "+13800138000"),  # of another country
        ("12345", "CN", "12345"),  # a short code
        ("95588", "CN", "95588"),
        ("13800138000", "", "13800138000"),
        ("13800138000", "DE", "13800138000"),  # a number of Germany begins with 0
        ("0171 1234567", "DE", "+491711234567"),
        ("(650) 555-1212", "US", "+16505551212"),
        ("9123 4567", "HK", "+85291234567"),
        ("912345678", "HK", "912345678"),
        ("06 698 12345", "IT", "+390669812345"),
        ("", "CN", ""),
    ],
)
def test_a_number_has_one_form(phone: str, country: str, normal: str) -> None:
    assert normalize_number(phone, country) == normal
    assert normalize_number(normal, country) == normal


def test_a_list_may_have_a_number_without_its_country_code() -> None:
    assert list_number_forms(CHINESE, "CN") == [CHINESE, "13800138000", "013800138000"]
    assert list_number_forms("+861065529988", "CN") == ["+861065529988", "01065529988"]
    assert list_number_forms("+491711234567", "CN") == ["+491711234567"]
    assert list_number_forms(CHINESE, "") == [CHINESE]


def test_every_country_with_a_code_has_a_form() -> None:
    assert set(CALLING_CODES) == set(NATIONAL_FORMS)
