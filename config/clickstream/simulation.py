"""Simulates a storefront's clicks around the orders that are stored, and hands them on.

The orders themselves are never sent: they are stored already, under the source they came from, and an "Order Completed" of this
source would be a second order of the same basket. A visit that bought ends with the page "Order Confirmation", which names the order.
"""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

from config.clickstream.delivery import send, simulated_source, write_file
from config.clickstream.items import make_items
from config.clickstream.sessions import History, plan_history
from config.clickstream.shop import Shop, read_shop
from config.foundation.progress import Progress, no_progress
from customers.events.imports.file_import import Imported, import_items
from customers.events.models import Event, Source

RECEIPT_DAYS = 30  # as long as the task purge_receipts keeps them


def check_receipts(source: Source, *, at: datetime) -> None:
    """Raises ReceiptsGoneError."""
    before = at - timedelta(days=RECEIPT_DAYS - 1)
    if Event.objects.filter(source=source, received_at__lt=before).exists():
        raise ReceiptsGoneError(
            f"Clicks were simulated before {before:%Y-%m-%d}. Message ids are known again for {RECEIPT_DAYS} days only, so these "
            "visits would count twice. Keep what is there, or begin with an empty database."
        )


class ReceiptsGoneError(Exception):
    """Message ids are not remembered for ever: the same visits would be taken a second time."""


class Simulation:
    """Clicks of the last ``days`` days before the newest order, around the baskets of so many households."""

    def __init__(self, *, days: int, households: int, seed: int) -> None:
        self.shop: Shop = read_shop(days=days, households=households, seed=seed)
        self.history: History = plan_history(self.shop, seed=seed)

    def __len__(self) -> int:
        return len(self.history)

    def items(self) -> Iterator[list[bytes]]:
        return make_items(self.shop, self.history)

    def watched(self, progress: Progress) -> Callable[[int], None]:
        return lambda done: progress(done, len(self))

    def store(self, *, at: datetime, progress: Progress = no_progress) -> Imported:
        """Through the import, into the source that is marked as simulated.

        Raises:
            ReceiptsGoneError: events were simulated so long ago that these would not be known again.
            AlreadyRunningError: another simulation is under way.
        """
        source = simulated_source()
        check_receipts(source, at=at)

        def counted() -> Iterator[tuple[int, list[bytes]]]:
            done = 0
            for found in self.items():
                done += len(found)
                yield done, found

        return import_items(items=counted(), source=source, received_at=at, watch=self.watched(progress))

    def write(self, path: Path, *, progress: Progress = no_progress) -> int:
        return write_file(self.items(), path, self.watched(progress))

    def send(self, *, host: str, write_key: str, progress: Progress = no_progress) -> int:
        return send(self.items(), host=host, write_key=write_key, done=self.watched(progress))
