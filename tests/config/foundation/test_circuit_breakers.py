"""Circuit breakers: the states that processes share, one trial at a time, the budget of retries, and the limit of a call."""

import socket
import threading
import time

import pytest

from config.foundation.circuit_breakers import breaker as breakers
from config.foundation.circuit_breakers.breaker import CircuitBreaker, list_breakers
from config.foundation.http.call_limit import limit_call
from config.foundation.valkey import ValkeyDownError, run_command
from tests.waiting import DEADLINE_SECONDS, measure_running_seconds

NAME = "webhook:https://shop.example"


def fail(breaker: CircuitBreaker, times: int) -> None:
    for _number in range(times):
        breaker.record_failure("timed out")


def end_pause() -> None:
    """Move the end of the pause into the past, as time would."""
    run_command("HSET", breakers.PREFIX + NAME, "until", 1)


def test_it_opens_after_failures_in_a_row_for_all_processes_and_allows_one_trial() -> None:
    fail(CircuitBreaker(NAME), breakers.MAX_FAILURES - 1)
    CircuitBreaker(NAME).allow()
    other = CircuitBreaker(NAME)
    assert other.allow()
    other.record_success()  # failures with successes in between do not add up
    fail(CircuitBreaker(NAME), breakers.MAX_FAILURES)
    assert not CircuitBreaker(NAME).allow()
    [state] = [state for state in list_breakers() if state.name == NAME]
    assert (state.state, state.failures, state.reason) == ("open", breakers.MAX_FAILURES, "timed out")
    end_pause()
    assert CircuitBreaker(NAME).find_permission() == "probe"
    assert CircuitBreaker(NAME).find_permission() == "no"  # another process: someone tries already


def test_a_failed_trial_doubles_the_pause_and_a_success_closes_it() -> None:
    breaker = CircuitBreaker(NAME)
    fail(breaker, breakers.MAX_FAILURES)
    end_pause()
    assert breaker.find_permission() == "probe"
    before = time.time()
    breaker.record_failure("refused")
    after = time.time()
    [state] = [state for state in list_breakers() if state.name == NAME]
    assert state.opened_at is not None
    assert state.retry_at is not None
    retry_at = state.retry_at.timestamp()
    assert before + 1.9 * breakers.OPEN_SECONDS < retry_at < after + 2.1 * breakers.OPEN_SECONDS
    end_pause()
    breaker.allow()
    breaker.record_success()
    assert breaker.find_permission() == "yes"
    assert list_breakers() == []


def test_a_clock_that_was_set_back_does_not_keep_it_open() -> None:
    fail(CircuitBreaker(NAME), breakers.MAX_FAILURES)
    run_command("HSET", breakers.PREFIX + NAME, "until", int((time.time() + 86_400) * 1000))
    assert CircuitBreaker(NAME).find_permission() == "probe"


def test_without_valkey_each_process_counts_for_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail_to_run(*_arguments: object, **_options: object) -> None:
        raise ValkeyDownError

    monkeypatch.setattr(breakers, "run_script", fail_to_run)
    monkeypatch.setattr(breakers, "run_command", fail_to_run)
    now = 0.0
    breaker = CircuitBreaker(NAME, clock=lambda: now)
    fail(breaker, breakers.MAX_FAILURES)
    assert not breaker.allow()
    now = breakers.OPEN_SECONDS + 1.0
    assert breaker.allow()
    assert not breaker.allow()
    breaker.record_success()
    assert breaker.allow()
    assert breaker.may_retry()
    assert list_breakers() == []


def test_retries_are_a_share_of_the_first_attempts() -> None:
    breaker = CircuitBreaker(NAME)
    assert sum(breaker.may_retry() for _number in range(30)) == breakers.MIN_RETRIES
    for _number in range(10):
        breaker.record_first_attempt()
    assert sum(breaker.may_retry() for _number in range(30)) == 2


def test_a_server_that_sends_one_byte_after_the_other_does_not_hold_a_call() -> None:
    ours, theirs = socket.socketpair()
    stopped = threading.Event()

    def drip() -> None:
        while not stopped.wait(0.05):
            try:
                theirs.send(b"x")
            except OSError:
                return

    thread = threading.Thread(target=drip)
    thread.start()
    ours.settimeout(DEADLINE_SECONDS)
    with measure_running_seconds() as get_seconds:
        with limit_call(lambda: ours, seconds=0.2):
            while ours.recv(1):
                pass
        assert get_seconds() < 10
    stopped.set()
    thread.join()
    ours.close()
    theirs.close()
