"""The device type: phone, tablet or desktop."""

import pytest

from customers.events.collector.devices import classify_device

IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 Version/17.5 Mobile/15E148 Safari/604.1"
ANDROID = (
    "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Mobile Safari/537.36"
)
ANDROID_TABLET = (
    "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36"
)
OLD_IPAD = "Mozilla/5.0 (iPad; CPU OS 12_5 like Mac OS X) AppleWebKit/605.1.15 Version/12.1 Mobile/15E148 Safari/604.1"
WINDOWS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36"
)
MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:133.0) Gecko/20100101 Firefox/133.0"
FIREFOX_TABLET = "Mozilla/5.0 (Android 14; Tablet; rv:133.0) Gecko/133.0 Firefox/133.0"
WECHAT = "Mozilla/5.0 (Linux; Android 13) AppleWebKit/537.36 Chrome/107 Mobile Safari/537.36 MicroMessenger/8.0.32"
GOOGLEBOT = (
    "Mozilla/5.0 (Linux; Android 6.0.1) AppleWebKit/537.36 Chrome/131 Mobile Safari/537.36 (compatible; Googlebot/2.1)"
)


@pytest.mark.parametrize(
    ("user_agent", "kind"),
    [
        (IPHONE, "phone"),
        (ANDROID, "phone"),
        (WECHAT, "phone"),
        (ANDROID_TABLET, "tablet"),
        (OLD_IPAD, "tablet"),
        (FIREFOX_TABLET, "tablet"),
        (WINDOWS, "desktop"),
        (MAC, "desktop"),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0", "desktop"),
        (GOOGLEBOT, None),
        ("python-requests/2.32", None),
        ("", None),
        ("?", None),
    ],
)
def test_device_type_is_read_from_the_user_agent(user_agent: str, kind: str | None) -> None:
    assert classify_device(type="", model="", user_agent=user_agent) == kind


@pytest.mark.parametrize(
    ("type", "model", "kind"),
    [("ios", "iPhone14,5", "phone"), ("ios", "iPad13,1", "tablet"), ("Android", "", "phone"), ("tablet", "", "tablet"), ("Desktop", "", "desktop")],
)  # fmt: skip
def test_device_of_the_context_takes_precedence_over_the_user_agent(type: str, model: str, kind: str) -> None:
    assert classify_device(type=type, model=model, user_agent=WINDOWS) == kind
