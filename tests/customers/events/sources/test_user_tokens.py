"""User tokens: only the shop's server can make one, for one customer and for a limited time."""

from datetime import timedelta

import jwt
import pytest

from customers.events.sources.user_tokens import create_user_token, is_valid_user_token
from tests.makers import NOON

KEY, OTHER_KEY = "ut_" + "a" * 40, "ut_" + "b" * 40


def is_valid(token: object, user_id: str = "u1", keys: tuple[str, ...] = (KEY,)) -> bool:
    return is_valid_user_token(token, user_id=user_id, keys=keys, now=NOON)


def make_jwt(key: str = KEY, algorithm: str = "HS256", **claims: object) -> str:
    return jwt.encode({"sub": "u1", "exp": NOON.timestamp() + 60, **claims}, key, algorithm=algorithm)


def test_the_documented_signature_is_valid() -> None:
    """The signature of the snippets: HMAC-SHA256 of "<expiry>.<user id>" in hexadecimal."""
    token = create_user_token(key="secret", user_id="42", now=NOON, lifetime=timedelta(hours=1))
    expires, signature = token.split(".")
    assert int(expires) == NOON.timestamp() + 3600
    import hashlib
    import hmac

    assert signature == hmac.new(b"secret", f"{expires}.42".encode(), hashlib.sha256).hexdigest()
    assert is_valid_user_token(token, user_id="42", keys=["secret"], now=NOON)


def test_a_token_is_valid_for_its_customer_key_and_time_only() -> None:
    token = create_user_token(key=KEY, user_id="u1", now=NOON)
    assert is_valid(token)
    assert is_valid(token, keys=(OTHER_KEY, KEY))
    assert not is_valid(token, user_id="u2")
    assert not is_valid(token, keys=(OTHER_KEY,))
    assert not is_valid(token, keys=("",))
    assert not is_valid_user_token(token, user_id="u1", keys=[KEY], now=NOON + timedelta(hours=1))


def test_a_changed_expiry_or_signature_is_invalid() -> None:
    expires, signature = create_user_token(key=KEY, user_id="u1", now=NOON).split(".")
    assert not is_valid(f"{int(expires) + 1}.{signature}")
    assert not is_valid(f"0{expires}.{'0' * 64}")
    assert not is_valid(f"{expires}.{signature[:-1]}")


@pytest.mark.parametrize(
    "token", [None, 7, "", ".", "..", "a.b", "1" * 30 + ".ab", "x" * 5000, "٣.ab", "9999999999.é", ["a"], {"a": 1}]
)
def test_anything_else_is_invalid_without_an_error(token: object) -> None:
    assert not is_valid(token)


def test_a_json_web_token_with_subject_and_expiry_is_valid() -> None:
    assert is_valid(make_jwt())
    assert not is_valid(make_jwt(), user_id="u2")
    assert not is_valid(make_jwt(key=OTHER_KEY))
    assert not is_valid(make_jwt(exp=NOON.timestamp()))


def test_a_json_web_token_without_expiry_or_with_another_algorithm_is_invalid() -> None:
    without_expiry = jwt.encode({"sub": "u1"}, KEY, algorithm="HS256")
    unsigned = jwt.encode({"sub": "u1", "exp": NOON.timestamp() + 60}, "", algorithm="none")
    assert not is_valid(without_expiry)
    assert not is_valid(unsigned)
    assert not is_valid(make_jwt(algorithm="HS512", key=KEY * 2))
