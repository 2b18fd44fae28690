"""Passwords that are refused: those of data breaches, and the name of the shop."""

from hashlib import sha1
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.password_validation import password_validators_help_texts, validate_password
from django.core.exceptions import ImproperlyConfigured, ValidationError

from config.access.passwords.breached import contains_line, is_breached
from config.settings import read_breached_passwords, read_variable

BREACHED = [f"password-{number}" for number in range(500)]


def compute_digest(password: str) -> str:
    return sha1(password.encode(), usedforsecurity=False).hexdigest().upper()


@pytest.fixture
def breaches(tmp_path: Path, settings: Any) -> Path:
    """Write a file as the downloader of Pwned Passwords does, with lines of different lengths."""
    lines = [f"{compute_digest(password)}:{number**3}" for number, password in enumerate(BREACHED)]
    path = tmp_path / "pwned.txt"
    path.write_bytes("\r\n".join(sorted(lines)).encode())
    settings.BREACHED_PASSWORDS = str(path)
    return path


def test_every_password_of_the_file_is_found_and_no_other(breaches: Path) -> None:
    with breaches.open("rb") as file:
        assert all(contains_line(file, compute_digest(password).encode()) for password in BREACHED)
        assert not any(contains_line(file, compute_digest(f"other-{number}").encode()) for number in range(500))
    assert not contains_line(BytesIO(b""), compute_digest("a").encode())


@pytest.mark.django_db
def test_a_breached_password_is_refused(breaches: Path) -> None:
    with pytest.raises(ValidationError, match="known from a data breach"):
        validate_password("password-7")
    validate_password("not-in-that-file-7")


@pytest.mark.django_db
def test_without_the_setting_or_its_file_every_password_is_accepted(
    breaches: Path, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    breaches.unlink()
    validate_password("password-7")
    assert "not checked against known breaches" in caplog.text
    settings.BREACHED_PASSWORDS = ""
    validate_password("password-7")


def test_a_service_without_a_public_address_refuses_nobody(caplog: pytest.LogCaptureFixture) -> None:
    assert not is_breached(compute_digest("password-7"), source="https://127.0.0.1/range/")
    assert "not checked against known breaches" in caplog.text


def test_a_missing_file_is_reported_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BREACHED_PASSWORDS", "/no/such/file")
    with pytest.raises(ImproperlyConfigured, match="neither an existing file nor an https address"):
        read_variable("BREACHED_PASSWORDS", "", read_breached_passwords, "a file")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("shop", "password", "is_refused"),
    [
        ("Blue Kettle", "my-KETTLE-2026", True),
        ("Blue Kettle", "Perennial-2026", True),
        ("Tea & Co", "correct-tea-horse", False),
        ("蓝壶茶叶", "我爱蓝壶茶叶店123", True),
    ],
)
def test_the_name_of_the_shop_is_no_part_of_a_password(
    settings: Any, shop: str, password: str, is_refused: bool
) -> None:
    settings.SHOP_NAME = shop
    if is_refused:
        with pytest.raises(ValidationError, match="easy to guess here"):
            validate_password(password)
    else:
        validate_password(password)


@pytest.mark.django_db
def test_the_form_says_what_is_refused() -> None:
    texts = " ".join(password_validators_help_texts())
    assert "name of the shop" in texts
    assert "data breach" in texts
