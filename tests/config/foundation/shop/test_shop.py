"""The stored settings of the shop, what they fall back to, and e-mails in its name."""

from typing import Any

import pytest
from django.core import mail
from django.db import IntegrityError, connection, transaction

from config.foundation.shop.mail import send_shop_mail
from config.foundation.shop.models import ShopSettings
from config.foundation.shop.palette import STANDARD_PALETTE, build_palette, compute_luminance, parse_color
from config.foundation.shop.profile import forget_shop, get_shop

pytestmark = pytest.mark.django_db


def test_empty_settings_take_the_values_of_the_environment(stored_shop: None, settings: Any) -> None:
    settings.SHOP_NAME, settings.SHOP_CURRENCY = "Tea & Co", "EUR"
    shop = get_shop()
    assert (shop.name, shop.currency, shop.sender_name) == ("Tea & Co", "EUR", "Tea & Co")
    assert shop.sender_address == settings.DEFAULT_FROM_EMAIL
    ShopSettings(name="Kettle House", currency="CNY").save()
    forget_shop()
    assert (get_shop().name, get_shop().currency) == ("Kettle House", "CNY")


def test_there_is_one_row_of_settings(stored_shop: None) -> None:
    ShopSettings(name="First").save()
    ShopSettings(name="Second").save()
    assert [row.name for row in ShopSettings.objects.all()] == ["Second"]
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("UPDATE shop_shopsettings SET id = 2")


def test_an_email_has_the_sender_the_reply_address_and_the_postal_address(stored_shop: None) -> None:
    ShopSettings(
        name="Kettle House",
        sender_name="Kettle House, Service",
        sender_address="service@kettle.example",
        reply_to="help@kettle.example",
        postal_address="1 Kettle Street\nLondon",
    ).save()
    send_shop_mail(subject="Hello\nBcc: x@example.com", text="Text", recipient="anna@example.com")
    message = mail.outbox[0]
    assert message.from_email == '"Kettle House, Service" <service@kettle.example>'
    assert message.reply_to == ["help@kettle.example"]
    assert message.subject == "Hello Bcc: x@example.com"
    assert message.body == "Text\n\n-- \nKettle House\n1 Kettle Street\nLondon\n"


@pytest.mark.parametrize("color", ["#ffff00", "#0000ff", "#aa3377", "#808080"])
def test_a_tint_of_any_brand_color_is_as_light_as_the_standard_one(color: str) -> None:
    palette = build_palette(color)
    assert palette.keys() == STANDARD_PALETTE.keys()
    for weight, standard in STANDARD_PALETTE.items():
        luminance = compute_luminance(parse_color(palette[weight]))
        assert luminance == pytest.approx(compute_luminance(parse_color(standard)), abs=0.01)
