"""Values that programs send where they have no id; taken for ids they would make one person of thousands."""

import re

MOST_BLOCKED = 36
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
# zeros and the separators of a UUID: what devices without an advertising id send
ONLY_ZEROS = re.compile(r"[0\-]+")
PLACEHOLDER_MAILBOXES = frozenset({"noreply", "no-reply", "donotreply", "do-not-reply", *BLOCKED_IDS})
PLACEHOLDER_HOSTS = frozenset({"example.com", "example.org", "example.net", "test.com", "localhost", "none.com"})
ADDRESS = re.compile(r"[^@\s]+@[^@\s]+")
MOST_ADDRESS = 254
FEWEST_DIGITS = 5


def is_blocked_id(value: str) -> bool:
    """Whether a value stands for no id at all."""
    if len(value) > MOST_BLOCKED:
        return False
    return value.strip().lower() in BLOCKED_IDS or ONLY_ZEROS.fullmatch(value) is not None


def is_blocked_email(email: str) -> bool:
    """Whether an address can belong to no person: no address at all, or a placeholder; ``email`` is normalised."""
    if len(email) > MOST_ADDRESS or not ADDRESS.fullmatch(email):
        return True
    mailbox, _at, host = email.rpartition("@")
    return mailbox in PLACEHOLDER_MAILBOXES or (host in PLACEHOLDER_HOSTS and mailbox in {"test", "foo", "me", "a"})


def is_blocked_phone(phone: str) -> bool:
    """Whether a number is too short to be one, or one digit over and over; ``phone`` is normalised."""
    digits = phone.removeprefix("+")
    return len(digits) < FEWEST_DIGITS or len(set(digits)) == 1
