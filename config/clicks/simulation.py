"""Simulates a storefront's clicks around the orders that are stored, and hands them on.

The orders themselves are never sent: they are stored already, under the source they came from, and an "Order Completed" of this
source would be a second order of the same basket. A visit that bought ends with the page "Order Confirmation", which names the order.
"""

from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

from catalog.progress import Progress, no_progress
from config.clicks.items import make_items
from config.clicks.sending import send, simulated_source, write_file
from config.clicks.sessions import History, plan_history
from config.clicks.shop import Shop, read_shop
from customers.events.files.importing import Imported, import_items


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
        """Through the import, into the source that is marked as simulated."""

        def counted() -> Iterator[tuple[int, list[bytes]]]:
            done = 0
            for found in self.items():
                done += len(found)
                yield done, found

        return import_items(items=counted(), source=simulated_source(), received_at=at, watch=self.watched(progress))

    def write(self, path: Path, *, progress: Progress = no_progress) -> int:
        return write_file(self.items(), path, self.watched(progress))

    def send(self, *, host: str, write_key: str, progress: Progress = no_progress) -> int:
        return send(self.items(), host=host, write_key=write_key, done=self.watched(progress))
