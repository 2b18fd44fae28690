"""Storage and check of the second factor."""

import threading
import time
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection, connections
from django.utils import timezone

from config.access.models import RecoveryCode, TwoFactorDevice, UserSession
from config.access.two_factor.devices import (
    CodeResult,
    WrongCodeError,
    check_user_code,
    compute_pause,
    enable_two_factor,
    has_device,
)
from config.access.two_factor.totp import generate_secret
from tests.config.access.staff import (
    add_second_factor,
    compute_present_code,
    compute_wrong_code,
    log_in,
    make_staff,
)
from tests.waiting import DEADLINE_SECONDS

pytestmark = pytest.mark.django_db


def read_table(model: type) -> str:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT t::text FROM {model._meta.db_table} t")  # type: ignore[attr-defined]
        return "\n".join(row for (row,) in cursor.fetchall())


def test_neither_the_secret_nor_a_recovery_code_is_stored_in_plain_text() -> None:
    user = make_staff()
    codes = add_second_factor(user)
    secret = TwoFactorDevice.objects.get(user=user).secret
    assert len(secret) == 32
    assert secret not in read_table(TwoFactorDevice)
    stored = read_table(RecoveryCode)
    assert stored
    assert not any(code in stored or code.replace("-", "") in stored for code in codes)


def test_a_secret_is_stored_only_if_the_app_proves_to_have_it() -> None:
    user = make_staff()
    with pytest.raises(WrongCodeError):
        enable_two_factor(user, secret=generate_secret(), code="nonsense")
    assert not has_device(user)


def test_a_code_works_once() -> None:
    user = make_staff()
    add_second_factor(user)
    code = compute_present_code(user)
    assert [check_user_code(user, code) for _number in range(2)] == [CodeResult.CORRECT, CodeResult.WRONG]
    assert check_user_code(user, compute_present_code(user, steps=1)) is CodeResult.CORRECT


@pytest.mark.django_db(transaction=True)
def test_of_two_requests_with_the_same_code_at_once_one_succeeds() -> None:
    user = make_staff()
    recovery_code = add_second_factor(user)[0]
    for code in (compute_present_code(user), recovery_code):
        barrier = threading.Barrier(4)
        results: list[CodeResult] = []

        def check(code: str = code, barrier: threading.Barrier = barrier, results: list[CodeResult] = results) -> None:
            barrier.wait(DEADLINE_SECONDS)
            try:
                results.append(check_user_code(user, code))
            finally:
                connections.close_all()

        threads = [threading.Thread(target=check) for _number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(result.is_accepted for result in results) == [False, False, False, True]


def test_a_recovery_code_works_once_for_its_user_however_it_is_typed() -> None:
    user, other = make_staff(), make_staff("other")
    codes = add_second_factor(user)
    add_second_factor(other)
    assert len(set(codes)) == 10
    assert check_user_code(other, codes[0]) is CodeResult.WRONG
    assert check_user_code(user, f" {codes[0].upper().replace('-', ' ')} ") is CodeResult.RECOVERY
    assert check_user_code(user, codes[0]) is CodeResult.WRONG
    assert RecoveryCode.objects.filter(user=user).count() == 9


def test_wrong_codes_pause_the_app_for_longer_and_longer_but_not_recovery_codes() -> None:
    user = make_staff()
    recovery_code = add_second_factor(user)[0]
    wrong = compute_wrong_code(user)
    results = [check_user_code(user, wrong) for _number in range(6)]
    assert results == [CodeResult.WRONG] * 5 + [CodeResult.PAUSED]
    assert check_user_code(user, compute_present_code(user)) is CodeResult.PAUSED
    assert check_user_code(user, recovery_code) is CodeResult.RECOVERY
    device = TwoFactorDevice.objects.get(user=user)
    now = device.failed_at
    assert now is not None
    pauses = []
    for failures in (4, 5, 6, 7, 8, 9, 10, 50):
        device.failures = failures
        pauses.append(compute_pause(device, now=now))
    assert pauses == [0, 60, 120, 240, 480, 900, 900, 900]
    assert compute_pause(device, now=now + timedelta(seconds=900)) == 0


def test_a_correct_code_forgets_the_wrong_ones() -> None:
    user = make_staff()
    add_second_factor(user)
    TwoFactorDevice.objects.update(failures=7, failed_at=timezone.now() - timedelta(minutes=15))
    assert check_user_code(user, compute_present_code(user)) is CodeResult.CORRECT
    assert TwoFactorDevice.objects.get(user=user).failures == 0


def test_without_a_device_no_code_is_accepted() -> None:
    user = make_staff()
    assert check_user_code(user, "123456", now=time.time()) is CodeResult.WRONG
    assert check_user_code(user, "") is CodeResult.WRONG


def test_the_operator_can_reset_a_second_factor_on_the_server(capsys: pytest.CaptureFixture[str]) -> None:
    user = make_staff(is_superuser=True)
    add_second_factor(user)
    client = log_in(user)
    call_command("reset_two_factor", user.username)
    assert "1 sessions" in capsys.readouterr().out
    assert not has_device(user)
    assert not RecoveryCode.objects.exists()
    assert not UserSession.objects.filter(user=user).exists()
    assert client.get("/admin/").status_code == 302
    with pytest.raises(CommandError, match="nobody"):
        call_command("reset_two_factor", "nobody")
    assert User.objects.count() == 1
