"""Codes against the values of RFC 6238, their tolerance, and the QR code."""

import base64
from xml.etree import ElementTree

import pytest

from config.access.two_factor.totp import compute_code, compute_step, draw_qr_code, find_step, format_address

RFC_SECRET = base64.b32encode(b"12345678901234567890").decode()


@pytest.mark.parametrize(
    ("seconds", "code"),
    [(59, "287082"), (1111111109, "081804"), (1111111111, "050471"), (1234567890, "005924"), (20000000000, "353130")],
)
def test_codes_are_those_of_the_standard(seconds: int, code: str) -> None:
    """RFC 6238, appendix B, of which apps show the last six digits."""
    assert compute_code(RFC_SECRET, step=compute_step(seconds)) == code


def test_a_code_of_the_step_before_or_after_is_accepted_and_no_other() -> None:
    now = 1111111111
    present = compute_step(now)
    found = [find_step(RFC_SECRET, compute_code(RFC_SECRET, step=present + offset), now=now) for offset in range(-2, 3)]
    assert found == [None, present - 1, present, present + 1, None]


def test_a_code_that_is_not_later_than_the_last_one_is_refused() -> None:
    now = 1111111111
    present = compute_step(now)
    code = compute_code(RFC_SECRET, step=present)
    assert find_step(RFC_SECRET, code, now=now, after_step=present - 1) == present
    assert find_step(RFC_SECRET, code, now=now, after_step=present) is None


def test_the_address_is_escaped() -> None:
    address = format_address("ABC", issuer="Tea: & Co", username="li@shop")
    assert (
        address == "otpauth://totp/Tea%20%20%26%20Co:li%40shop?secret=ABC&issuer=Tea%20%20%26%20Co&digits=6&period=30"
    )


def test_the_qr_code_has_nothing_that_the_content_security_policy_refuses() -> None:
    root = ElementTree.fromstring(draw_qr_code("otpauth://totp/x?secret=ABC"))
    assert root.tag.endswith("svg")
    assert all(
        "style" not in element.attrib and not element.tag.endswith(("style", "script")) for element in root.iter()
    )
