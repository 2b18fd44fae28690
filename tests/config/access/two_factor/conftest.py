"""Quick password hashes, and two-factor authentication as in production."""

from typing import Any

import pytest


@pytest.fixture(autouse=True)
def production_rules(settings: Any) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    settings.TWO_FACTOR_REQUIRED = True
