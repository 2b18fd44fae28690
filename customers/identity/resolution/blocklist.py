"""Placeholders that programs send instead of an id; treated as ids, they would merge thousands of people into one."""

import re

MAX_BLOCKED_LENGTH = 36
BLOCKED_IDS: frozenset[str] = frozenset(
    {
        "",
        "-",
        "-1",
        "0",
        "(not set)",
        "[]",
        "[object object]",
        "anon",
        "anonymous",
        "anonymous_id",
        "anonymousid",
        "blank",
        "customer",
        "customer_id",
        "default",
        "distinct_id",
        "distinctid",
        "email",
        "empty",
        "false",
        "guest",
        "id",
        "missing",
        "n/a",
        "na",
        "nan",
        "nil",
        "no_id",
        "nobody",
        "none",
        "not set",
        "not_authenticated",
        "not_set",
        "null",
        "true",
        "undefined",
        "unknown",
        "unset",
        "user",
        "user_id",
        "userid",
        "uuid",
        "visitor",
        "void",
        "{}",
    }
)
# zeros and UUID separators, which devices without an advertising id send
ONLY_ZEROS = re.compile(r"[0\-]+")
PLACEHOLDER_MAILBOXES = frozenset({"noreply", "no-reply", "donotreply", "do-not-reply", *BLOCKED_IDS})
PLACEHOLDER_HOSTS = frozenset({"example.com", "example.org", "example.net", "test.com", "localhost", "none.com"})
ADDRESS = re.compile(r"[^@\s]+@[^@\s]+")
MAX_ADDRESS = 254
MIN_DIGITS = 5


def is_blocked_id(value: str) -> bool:
    """Return whether a value is a placeholder instead of an id."""
    if len(value) > MAX_BLOCKED_LENGTH:
        return False
    # most ids begin with another character, and the comparison is faster than the pattern
    return value.strip().lower() in BLOCKED_IDS or (value[:1] in "0-" and ONLY_ZEROS.fullmatch(value) is not None)


def is_blocked_email(email: str) -> bool:
    """Return whether a normalized address is invalid or a placeholder."""
    if len(email) > MAX_ADDRESS or not ADDRESS.fullmatch(email):
        return True
    mailbox, _at, host = email.rpartition("@")
    return mailbox in PLACEHOLDER_MAILBOXES or (host in PLACEHOLDER_HOSTS and mailbox in {"test", "foo", "me", "a"})


def is_blocked_phone(phone: str) -> bool:
    """Return whether a normalized number is too short or repeats a single digit."""
    digits = phone.removeprefix("+")
    return len(digits) < MIN_DIGITS or len(set(digits)) == 1
