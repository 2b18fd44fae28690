"""Simulates storefront activity around stored orders and delivers it.

The orders themselves are never sent: they are stored under their own source, and an "Order Completed" of this source would be a second
order. A visit that ends in an order ends with the page "Order Confirmation", which names the order.
"""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

from config.clickstream.delivery import ensure_simulated_source, send_items, write_file
from config.clickstream.items import build_items
from config.clickstream.sessions import SimulatedHistory, plan_history
from config.clickstream.shop import SimulatedShop, read_latest_orders, read_shop
from config.foundation.progress import Progress, ignore_progress
from customers.events.imports.file_import import EventImportResult, import_items
from customers.events.models import Event, Source

RECEIPT_DAYS = 30  # the retention of the task purge_receipts


def check_receipts(source: Source, *, at: datetime) -> None:
    """Check that events simulated earlier are still recognized. Raises ReceiptsExpiredError."""
    before = at - timedelta(days=RECEIPT_DAYS - 1)
    if Event.objects.filter(source=source, received_at__lt=before).exists():
        raise ReceiptsExpiredError(
            f"Visits were simulated before {before:%Y-%m-%d}. Message ids are only recognized for {RECEIPT_DAYS} days, so these "
            "visits would be stored twice. Keep the existing ones, or start with an empty database."
        )


class ReceiptsExpiredError(Exception):
    """Receipts of an earlier simulation have expired, so the same visits would be stored again."""


class ClickstreamSimulation:
    """Visits of the last ``days`` days before the newest order, around the orders of ``households`` households.

    with_latest_orders: also the visits around the newest order of every other household.
    """

    def __init__(
        self, *, days: int, households: int, seed: int, with_latest_orders: bool = False, locale: str = "en-US"
    ) -> None:
        self.shop: SimulatedShop = read_shop(days=days, households=households, seed=seed)
        shops = [self.shop]
        if with_latest_orders and (others := read_latest_orders(self.shop, seed=seed)).households:
            shops.append(others)
        self.locale = locale
        self.parts: list[tuple[SimulatedShop, SimulatedHistory]] = [
            (shop, plan_history(shop, seed=seed)) for shop in shops
        ]

    def __len__(self) -> int:
        return sum(len(history) for _shop, history in self.parts)

    def build_items(self) -> Iterator[list[bytes]]:
        for shop, history in self.parts:
            yield from build_items(shop, history, locale=self.locale)

    def build_reporter(self, progress: Progress) -> Callable[[int], None]:
        return lambda done: progress(done, len(self))

    def store(self, *, at: datetime, progress: Progress = ignore_progress) -> EventImportResult:
        """Store the events in the source that is marked as simulated.

        Raises ReceiptsExpiredError if an earlier simulation is too old to be recognized; AlreadyRunningError if another one runs.
        """
        source = ensure_simulated_source()
        check_receipts(source, at=at)

        def count_items() -> Iterator[tuple[int, list[bytes]]]:
            n_items = 0
            for item_list in self.build_items():
                n_items += len(item_list)
                yield n_items, item_list

        return import_items(items=count_items(), source=source, received_at=at, watch=self.build_reporter(progress))

    def write(self, path: Path, *, progress: Progress = ignore_progress) -> int:
        return write_file(self.build_items(), path, self.build_reporter(progress))

    def send(self, *, host: str, write_key: str, progress: Progress = ignore_progress) -> int:
        return send_items(
            self.build_items(), host=host, write_key=write_key, report_progress=self.build_reporter(progress)
        )
