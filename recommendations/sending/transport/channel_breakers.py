"""The circuit breakers of the channels of one sending run."""

from collections.abc import Sequence

from config.foundation.circuit_breakers.breaker import CircuitBreaker
from recommendations.sending.checks.candidates import DueDelivery
from recommendations.sending.transport.journal import SendResult


class ChannelBreakers:
    """Decides which channels may be used, and records whether their servers answer."""

    def __init__(self) -> None:
        self._breakers: dict[str, CircuitBreaker] = {}
        self._is_answering: dict[str, bool] = {}

    def check(self, candidates: Sequence[DueDelivery]) -> tuple[set[str], list[DueDelivery]]:
        """Look at the breakers of channels that the run has not used.

        Returns:
            the channels whose breaker is open, and one message for each channel that must first be tried with a single message.
        """
        closed_channels, probes = set(), []
        for candidate in candidates:
            key = candidate.channel
            if key in self._breakers:
                continue
            breaker = self._breakers[key] = CircuitBreaker(f"channel:{key}")
            permission = breaker.find_permission()
            if permission == "no":
                closed_channels.add(key)
            elif permission == "probe":
                probes.append(candidate)
        return closed_channels, probes

    def record(self, key: str, result: SendResult) -> None:
        """Record a result. A refused message is an answer, too; only the first answer after a failure is written."""
        breaker = self._breakers.get(key)
        if breaker is None:
            return
        has_answered = result.outcome in ("sent", "permanent") or bool(result.code)
        if not has_answered:
            breaker.record_failure(result.text)
        elif not self._is_answering.get(key):
            breaker.record_success()
        self._is_answering[key] = has_answered
