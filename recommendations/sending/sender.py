"""Sends due messages: claim and decide in one transaction, compose, hand over to the delivery process, record.

A delivery is claimed under the name of the worker's journal before it is sent. Even if a process is killed at any moment, the journal shows which
messages were handed over: these are recorded, the others return to the queue, and only a message whose answer is missing becomes uncertain.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import batched
from typing import Any

from django.db import connection, transaction
from prometheus_client import Counter

from config.foundation.progress import is_worker_stopping
from recommendations.sending.channels.base import OutgoingMessage
from recommendations.sending.channels.registry import CHANNELS, understand
from recommendations.sending.checks.candidates import DueDelivery, load_customers, lock_due_deliveries
from recommendations.sending.checks.eligibility import decide
from recommendations.sending.composition import compose
from recommendations.sending.outbox import store_in_outbox
from recommendations.sending.push_subscriptions import forget_gone_browsers
from recommendations.sending.queue import apply_origin_states
from recommendations.sending.recording import ResultRow, write_choices, write_decisions, write_results, write_rows
from recommendations.sending.recovery import recover_interrupted
from recommendations.sending.restores.hold import is_sending_held
from recommendations.sending.settings_model import load_sending_settings
from recommendations.sending.transport.channel_breakers import ChannelBreakers
from recommendations.sending.transport.client import DeliveryClient
from recommendations.sending.transport.journal import SendResult

CHUNK_ROWS = 500
HANDOVER_ROWS = 200  # messages between two checks for pauses, consents and erasures

SENDS = Counter("perennial_sends", "Messages that were handed over, by channel and outcome.", ["channel", "outcome"])
FIND_STOPPED = """
SELECT d.id, s.state FROM sending_delivery d
JOIN sending_originstate s ON s.origin_kind = d.origin_kind AND s.origin_id = d.origin_id AND s.state <> 'resuming'
WHERE d.id = ANY(%s)
"""


@dataclass
class SendingRun:
    """What one run did, by outcome."""

    decided: int = 0
    skipped: int = 0
    postponed: int = 0
    outcomes: dict[str, int] = field(default_factory=dict)

    def count(self, outcome: str, number: int = 1) -> None:
        self.outcomes[outcome] = self.outcomes.get(outcome, 0) + number


def send_due(*, now: datetime, seconds: float = 50.0, chunk_rows: int = CHUNK_ROWS) -> SendingRun:
    """Send due messages until none is left, or for ``seconds``; first settle what killed workers left behind."""
    recover_interrupted(now=now)
    apply_origin_states()
    if is_sending_held():
        return SendingRun()
    worker = SendingWorker(now=now)
    try:
        while worker.elapsed < seconds and not is_worker_stopping() and worker.send_chunk(chunk_rows):
            pass
        worker.finish()
    except BaseException:
        worker.abandon()
        raise
    return worker.run


class SendingWorker:
    """One run: its time, its delivery process, and what it counted."""

    def __init__(self, *, now: datetime) -> None:
        self._started_at, self._started = now, time.monotonic()
        self.run = SendingRun()
        self._settings = load_sending_settings()
        self._client = DeliveryClient({})
        self._open: dict[int, tuple[str, str]] = {}  # delivery → channel and address, of messages without a result
        self._unreachable: set[str] = set()  # channels whose server could not be reached: they wait for the next run
        self._breakers = ChannelBreakers()

    @property
    def elapsed(self) -> float:
        return time.monotonic() - self._started

    @property
    def now(self) -> datetime:
        return self._started_at + timedelta(seconds=self.elapsed)

    def send_chunk(self, rows: int) -> bool:
        """Decide about and send the next due deliveries; return whether there may be more."""
        candidates = self.decide_chunk(rows)
        open_candidates = [candidate for candidate in candidates if candidate.is_open]
        for start, batch in enumerate(batched(open_candidates, HANDOVER_ROWS)):
            if is_worker_stopping():
                self.put_back(open_candidates[start * HANDOVER_ROWS :])
                break
            part = self.try_channels(batch)
            waiting = [candidate for candidate in part if candidate.channel in self._unreachable]
            self.record([make_unreachable(candidate.id, candidate.attempts + 1) for candidate in waiting])
            if reachable := [candidate for candidate in part if candidate.channel not in self._unreachable]:
                self.send_part(reachable)
        return bool(candidates)

    def try_channels(self, candidates: Sequence[DueDelivery]) -> list[DueDelivery]:
        """Try channels whose breaker is half-open with one message; return the other candidates."""
        outgoing = [candidate for candidate in candidates if not CHANNELS[candidate.channel].uses_outbox()]
        closed_channels, probes = self._breakers.check(outgoing)
        self._unreachable |= closed_channels
        for probe in probes:
            self.send_part([probe])
            self.record(self._client.collect(wait=True))
        return [candidate for candidate in candidates if candidate not in probes]

    def decide_chunk(self, rows: int) -> list[DueDelivery]:
        """Lock, decide and claim the next due deliveries, in one transaction."""
        now = self.now
        with transaction.atomic():
            candidates = lock_due_deliveries(now=now, limit=rows)
            if candidates:
                decide(candidates, settings=self._settings, now=now)
                is_sending = any(candidate.is_open for candidate in candidates)
                write_decisions(candidates, claim=self._client.claim if is_sending else "", now=now)
        self.run.decided += len(candidates)
        self.run.skipped += sum(candidate.status == "skipped" for candidate in candidates)
        self.run.postponed += sum(candidate.status == "pending" for candidate in candidates)
        return candidates

    def send_part(self, candidates: Sequence[DueDelivery]) -> None:
        """Compose a few messages, check once more whether they may be sent, and hand them over."""
        composition = compose(candidates, now=self.now)
        attempts = {candidate.id: candidate.attempts + 1 for candidate in candidates}
        write_choices(composition.choices)
        problems = [
            make_row(delivery_id, attempts[delivery_id], status, reason, error)
            for delivery_id, (status, reason, error) in composition.problems.items()
        ]
        stopped = find_stopped(candidates)
        write_rows([*problems, *stopped.values()], now=self.now)
        failed = sum(status == "failed" for status, _reason, _error in composition.problems.values())
        self.run.skipped += len(problems) - failed
        if failed:
            self.run.count("failed", failed)
        messages = [message for message in composition.messages if message.delivery_id not in stopped]
        self.hand_over(messages)
        self.record(self._client.collect(wait=False))

    def put_back(self, candidates: Sequence[DueDelivery]) -> None:
        """Return claimed messages to the queue, because the worker is about to stop."""
        write_rows([make_waiting_row(candidate.id, candidate.attempts + 1) for candidate in candidates], now=self.now)

    def hand_over(self, messages: Sequence[OutgoingMessage]) -> None:
        """Give messages to the delivery process, or to the outbox."""
        stored = [message for message in messages if CHANNELS[message.channel].uses_outbox()]
        if stored:
            store_in_outbox(stored, now=self.now)
            self.run.count("sent", len(stored))
            for message in stored:
                SENDS.labels(message.channel, "sent").inc()
        by_channel: dict[str, list[OutgoingMessage]] = {}
        for message in messages:
            if not CHANNELS[message.channel].uses_outbox():
                by_channel.setdefault(message.channel, []).append(message)
        for key, own in by_channel.items():
            self._client.configure(CHANNELS[key].get_process_options())
            for group in CHANNELS[key].group_messages(own):
                self.submit(group)

    def submit(self, group: Sequence[OutgoingMessage]) -> None:
        """Give messages with the same content to the delivery process, as one request."""
        first = group[0]
        self._open.update((message.delivery_id, (message.channel, message.recipient)) for message in group)
        header: dict[str, Any] = {"id": first.delivery_id, "attempt": first.attempt}
        if len(group) > 1:
            header["batch"] = [(message.delivery_id, message.attempt, message.recipient) for message in group]
            first = replace(first, recipients=tuple(message.recipient for message in group))
        try:
            job = CHANNELS[first.channel].build_job(first)
        except (OSError, LookupError, ValueError) as error:  # an account that is incomplete, or refused
            text = f"{type(error).__name__}: {error}"
            self.record([make_unreachable(message.delivery_id, message.attempt, text) for message in group])
            return
        self._client.submit({**job.header, **header}, job.body)

    def record(self, results: Sequence[SendResult]) -> None:
        if not results:
            return
        understood, gone = [], []
        for result in results:
            key, recipient = self._open.pop(result.delivery_id, ("", ""))
            understood.append(understand(result, CHANNELS[key]) if key else result)
            self.run.count(understood[-1].outcome)
            SENDS.labels(key or "unknown", understood[-1].outcome).inc()
            if understood[-1].is_gone and key == "push":
                gone.append(recipient)
            if key and result.outcome == "unreachable":
                self._unreachable.add(key)
            self._breakers.record(key, result)
        if gone:
            forget_gone_browsers(gone)
        write_results(understood, now=self.now)

    def finish(self) -> None:
        """Wait for the messages in flight, record them and end the process."""
        while self._client.open_count:
            self.record(self._client.collect(wait=True))
        self._client.close()

    def abandon(self) -> None:
        """After an error, leave claimed messages to the next run, which reads the journal."""
        self._client.abandon()


def find_stopped(candidates: Sequence[DueDelivery]) -> dict[int, ResultRow]:
    """Return the rows of claimed deliveries that must not be sent any more: paused, canceled, consent withdrawn, erased or merged."""
    with connection.cursor() as cursor:
        cursor.execute(FIND_STOPPED, [[candidate.id for candidate in candidates]])
        states = dict(cursor.fetchall())
    load_customers(candidates)
    stopped: dict[int, ResultRow] = {}
    for candidate in candidates:
        attempt, channel, customer = candidate.attempts + 1, CHANNELS[candidate.channel], candidate.customer
        if states.get(candidate.id) == "canceled":
            stopped[candidate.id] = make_row(candidate.id, attempt, "canceled", "canceled")
        elif states.get(candidate.id) == "paused":
            stopped[candidate.id] = make_waiting_row(candidate.id, attempt)
        elif customer is None:
            stopped[candidate.id] = make_waiting_row(candidate.id, attempt)  # merged: decided again
        elif customer.is_erased:
            stopped[candidate.id] = make_row(candidate.id, attempt, "skipped", "erased")
        elif channel.purpose and not candidate.is_transactional and channel.purpose not in customer.granted:
            stopped[candidate.id] = make_row(candidate.id, attempt, "skipped", "no_consent")
    return stopped


def make_unreachable(delivery_id: int, attempt: int, text: str = "The channel cannot be reached.") -> SendResult:
    return SendResult(delivery_id, attempt, "unreachable", text=text)


def make_row(delivery_id: int, attempt: int, status: str, reason: str, error: str = "") -> ResultRow:
    return (delivery_id, attempt, status, reason, error, "", None, 0)


def make_waiting_row(delivery_id: int, attempt: int) -> ResultRow:
    """Return the row of a delivery that was claimed but not tried: it waits again, and the attempt does not count."""
    return (delivery_id, attempt, "pending", "", "", "", None, 1)
