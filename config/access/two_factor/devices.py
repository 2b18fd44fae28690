"""Set-up, check and removal of the second factor of a user."""

import re
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Any

from django.db import transaction

from config.access.models import RecoveryCode, TwoFactorDevice
from config.access.sessions.connected_programs import disconnect_programs
from config.access.two_factor.recovery_codes import replace_recovery_codes, use_recovery_code
from config.access.two_factor.totp import find_step

FREE_FAILURES = 5
MAX_PAUSE_SECONDS = 900


class CodeResult(Enum):
    """Whether a code was accepted."""

    CORRECT = "correct"
    RECOVERY = "recovery"
    WRONG = "wrong"
    PAUSED = "paused"

    @property
    def is_accepted(self) -> bool:
        return self in (CodeResult.CORRECT, CodeResult.RECOVERY)


@dataclass(frozen=True)
class WrongCodeError(Exception):
    """The code does not belong to the secret that is being set up."""

    code: str


def has_device(user: Any) -> bool:
    return TwoFactorDevice.objects.filter(user=user).exists()


def enable_two_factor(user: Any, *, secret: str, code: str, now: float | None = None) -> list[str]:
    """Store the secret of an app that has proved with a code to have it, and disconnect all programs; return the recovery codes.

    Raises:
        WrongCodeError: the code is not one of the secret's current codes.
    """
    now = time.time() if now is None else now
    step = find_step(secret, clean_code(code), now=now)
    if step is None:
        raise WrongCodeError(code)
    fields = {
        "secret": secret,
        "last_step": step,
        "failures": 0,
        "failed_at": None,
        "confirmed_at": datetime.fromtimestamp(now, UTC),
    }
    with transaction.atomic():
        TwoFactorDevice.objects.update_or_create(user=user, defaults=fields)
        disconnect_programs(user)
        return replace_recovery_codes(user)


def check_user_code(user: Any, code: str, *, now: float | None = None) -> CodeResult:
    """Check a code of the app, or a recovery code, and use it up: a code is accepted once.

    After five wrong codes in a row, codes of the app are refused for a minute, then for two and so on up to 15, from whatever address
    they come. Recovery codes are still accepted, because they are too long to be guessed; so nobody can lock a user out completely.
    """
    moment = datetime.fromtimestamp(time.time() if now is None else now, UTC)
    code = clean_code(code)
    if not re.fullmatch(r"[0-9]{6}", code):
        return CodeResult.RECOVERY if code and use_recovery_code(user, code) else CodeResult.WRONG
    with transaction.atomic():
        device = TwoFactorDevice.objects.select_for_update().filter(user=user).first()
        if device is None:
            return CodeResult.WRONG
        if compute_pause(device, now=moment):
            return CodeResult.PAUSED
        step = find_step(device.secret, code, now=moment.timestamp(), after_step=device.last_step)
        if step is None:
            device.failures += 1
            device.failed_at = moment
        else:
            device.last_step = step
            device.failures = 0
        device.save(update_fields=["failures", "failed_at", "last_step"])
    return CodeResult.WRONG if step is None else CodeResult.CORRECT


def compute_pause(device: TwoFactorDevice, *, now: datetime) -> int:
    """Return for how many more seconds codes of the app are refused after wrong ones."""
    if device.failed_at is None or device.failures < FREE_FAILURES:
        return 0
    doublings = min(device.failures - FREE_FAILURES, 4)
    pause = min(60 * 2**doublings, MAX_PAUSE_SECONDS)
    return max(0, pause - int((now - device.failed_at).total_seconds()))


def disable_two_factor(user: Any) -> bool:
    """Delete the second factor of a user and the recovery codes, and disconnect all programs; return whether there was one."""
    with transaction.atomic():
        disconnect_programs(user)
        RecoveryCode.objects.filter(user=user).delete()
        deleted, _models = TwoFactorDevice.objects.filter(user=user).delete()
    return deleted > 0


def clean_code(code: str) -> str:
    """Return a code without the spaces and hyphens that people type."""
    return re.sub(r"[\s-]", "", code).lower()
