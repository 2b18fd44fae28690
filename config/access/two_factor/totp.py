"""Time-based one-time passwords (RFC 6238) with six digits and steps of 30 seconds, as every authenticator app makes them."""

import base64
import secrets
from urllib.parse import quote, urlencode

import segno
from django.utils.crypto import constant_time_compare
from django_otp.oath import hotp

STEP_SECONDS = 30
DIGITS = 6
TOLERANCE = 1  # steps before and after the current one, for clocks that differ
SECRET_BYTES = 20  # RFC 4226, requirement R6: the length of SHA-1


def generate_secret() -> str:
    """Return a new secret in base32, the form that apps accept."""
    return base64.b32encode(secrets.token_bytes(SECRET_BYTES)).decode()


def compute_code(secret: str, *, step: int) -> str:
    """Return the code of a time step."""
    return f"{hotp(base64.b32decode(secret), step, digits=DIGITS):0{DIGITS}}"


def compute_step(now: float) -> int:
    return int(now) // STEP_SECONDS


def find_step(secret: str, code: str, *, now: float, after_step: int = -1) -> int | None:
    """Return the time step whose code this is, if it is near the current one and later than ``after_step``; otherwise None."""
    present = compute_step(now)
    for step in range(present - TOLERANCE, present + TOLERANCE + 1):
        if step > after_step and constant_time_compare(compute_code(secret, step=step), code):
            return step
    return None


def format_address(secret: str, *, issuer: str, username: str) -> str:
    """Return the otpauth URL that an app reads from the QR code."""
    issuer = issuer.replace(":", " ")
    parameters = urlencode(
        {"secret": secret, "issuer": issuer, "digits": DIGITS, "period": STEP_SECONDS}, quote_via=quote
    )
    return f"otpauth://totp/{quote(issuer)}:{quote(username)}?{parameters}"


def draw_qr_code(text: str) -> str:
    """Return a QR code as inline SVG without styles, so that the content security policy allows it."""
    return segno.make(text, error="m").svg_inline(scale=5, border=4, dark="#000", light="#fff", omitsize=True)
