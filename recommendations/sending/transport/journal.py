"""The journal of a worker: what its delivery process began to send, and the results; readable after both were killed.

It has a line before each message is handed over ("B delivery attempt") and one after it ("E delivery attempt result"). The lines survive
the processes, but not a crash of the machine: after a restart of the machine, a missing line proves nothing. Standard library only.
"""

import fcntl
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

SUFFIX = ".journal"
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True)
class SendResult:
    """What happened to a message.

    outcome: "sent"; "temporary" (try again later); "permanent"; "unreachable" (the server could not be reached or refused the log-in:
    nothing was sent, and other messages would fail in the same way); "uncertain" (handed over, but the answer is missing).
    is_gone: the address does not exist (any more) and must not be used again. recipient: the address, of a message of a batch. parts: the messages of
    a batch as (delivery, attempt, recipient), which one answer is about.
    """

    delivery_id: int
    attempt: int
    outcome: str
    code: int = 0
    text: str = ""
    provider_id: str = ""
    is_gone: bool = False
    recipient: str = ""
    parts: Sequence[tuple[int, int, str]] = ()

    def split(self) -> "list[SendResult]":
        """Return the results of the single messages of a batch."""
        if not self.parts:
            return [self]
        return [
            replace(self, delivery_id=delivery_id, attempt=attempt, recipient=recipient, parts=())
            for delivery_id, attempt, recipient in self.parts
        ]


def read_boot_id() -> str:
    """Return an ID that changes with every start of the machine; empty if the system provides none."""
    try:
        return BOOT_ID.read_text().strip()
    except OSError:
        return ""


class JournalWriter:
    """Appends to the journal; every line is one write, so that lines of several threads never mix."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def begin(self, messages: Sequence[tuple[int, int]]) -> None:
        lines = "".join(f"B {delivery_id} {attempt}\n" for delivery_id, attempt in messages)
        os.write(self._descriptor, lines.encode())

    def end(self, result: SendResult) -> None:
        line = f"E {result.delivery_id} {result.attempt} {json.dumps(asdict(result))}\n"
        os.write(self._descriptor, line.encode())


@dataclass
class Journal:
    """What a journal says: the results, and what was begun without a result. is_complete: no line can be missing."""

    results: dict[tuple[int, int], SendResult]
    begun: set[tuple[int, int]]
    is_complete: bool

    def find_result(self, delivery_id: int, attempt: int) -> SendResult | None:
        """Return what happened to a claimed delivery; None if it was never handed over."""
        key = (delivery_id, attempt)
        if key in self.results:
            return self.results[key]
        if key in self.begun or not self.is_complete:
            return SendResult(delivery_id, attempt, "uncertain", text="The sending process ended before the answer.")
        return None


def create_journal(folder: Path, name: str) -> int:
    """Create a journal that is locked while this process, or a child that inherits the descriptor, is running."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = folder / f"{name}.new"
    descriptor = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    os.write(descriptor, f"H {read_boot_id()}\n".encode())
    draft.rename(
        folder / f"{name}{SUFFIX}"
    )  # it is already locked when it appears, so that nobody mistakes it for that of a dead worker
    return descriptor


def parse_journal(text: str) -> Journal:
    """Read the lines of a journal; an unfinished last line counts as missing."""
    journal = Journal({}, set(), is_complete=False)
    lines = text.split("\n")[:-1]
    for line in lines:
        kind, _space, rest = line.partition(" ")
        if kind == "H":
            journal.is_complete = rest.strip() == read_boot_id()
        elif kind == "B":
            delivery, attempt = rest.split()
            journal.begun.add((int(delivery), int(attempt)))
        elif kind == "E":
            for result in SendResult(**json.loads(rest.split(" ", 2)[2])).split():
                journal.results[result.delivery_id, result.attempt] = result
    return journal


def read_abandoned_journals(folder: Path) -> Iterator[tuple[str, Journal]]:
    """Yield the name and journal of every worker that has ended; each is deleted after the caller is done with it."""
    if not folder.is_dir():
        return
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        with suppress(FileNotFoundError), path.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue  # its worker, or the process that finishes the messages in flight, is still running
            yield path.name.removesuffix(SUFFIX), parse_journal(file.read().decode())
            path.unlink(missing_ok=True)
