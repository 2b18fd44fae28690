"""Recovery codes: each replaces one code of the app, once. Only keyed hashes are stored."""

import secrets
from typing import Any

from django.db import transaction

from config.access.models import RecoveryCode
from customers.identity.personal_data.hashing import list_keyed_hashes

COUNT = 10
ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"  # without characters that look alike
GROUPS, GROUP_LENGTH = 3, 4  # 31^12 possible codes are 59 bits


def replace_recovery_codes(user: Any) -> list[str]:
    """Make the codes of a user invalid and return new ones, which cannot be read again."""
    codes = ["-".join(_generate_group() for _number in range(GROUPS)) for _number in range(COUNT)]
    with transaction.atomic():
        RecoveryCode.objects.filter(user=user).delete()
        RecoveryCode.objects.bulk_create(RecoveryCode(user=user, code_hash=_hash_code(user, code)[0]) for code in codes)
    return codes


def use_recovery_code(user: Any, code: str) -> bool:
    """Return whether this is an unused code of the user, and use it up. Of two simultaneous requests, only one succeeds."""
    deleted, _models = RecoveryCode.objects.filter(user=user, code_hash__in=_hash_code(user, code)).delete()
    return deleted > 0


def count_recovery_codes(user: Any) -> int:
    return RecoveryCode.objects.filter(user=user).count()


def _generate_group() -> str:
    return "".join(secrets.choice(ALPHABET) for _number in range(GROUP_LENGTH))


def _hash_code(user: Any, code: str) -> list[str]:
    """Return the hash under each key of the installation, which is of no use for another user or purpose."""
    return list_keyed_hashes(f"recovery code:{user.pk}:{code.replace('-', '')}")
