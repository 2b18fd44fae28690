"""``manage.py simulate_clickstream``: a plausible storefront history around real orders."""

import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError
from django.utils import timezone

from config.clickstream.delivery import SOURCE_KEY, DeliveryError, get_sender_name
from config.clickstream.shop import NoOrdersError
from config.clickstream.simulation import ClickstreamSimulation, ReceiptsExpiredError
from config.foundation.database.advisory_locks import AlreadyRunningError
from config.foundation.progress import Progress, ProgressBar, ignore_progress


class Command(BaseCommand):
    help = (
        "Simulate the storefront activity before the stored orders: views, searches, carts, checkouts, visits without a purchase, "
        "several devices per household, anonymous at first and signed in later. All events are marked as simulated "
        "(context.simulated), and no orders are sent. The same seed produces the same events, so a second run changes nothing."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--days", type=parse_positive, default=21, help="number of days before the newest order (default 21)"
        )
        parser.add_argument("--households", type=parse_positive, default=600, help="number of households (default 600)")
        parser.add_argument("--seed", type=int, default=1, help="another seed produces another history (default 1)")
        target = parser.add_mutually_exclusive_group()
        target.add_argument(
            "--to", type=Path, metavar="FILE", help="write JSON Lines for import_events (.gz compresses them)"
        )
        parser.add_argument(
            "--force", action="store_true", help="store them even in a shop with real data, which is not a demo"
        )
        target.add_argument("--host", metavar="URL", help="send to a collector, with Segment's SDK if it is installed")
        parser.add_argument("--write-key", help="write key of the source at --host")

    def handle(self, *args: Any, **options: Any) -> None:
        if bool(options["host"]) != bool(options["write_key"]):
            raise CommandError(
                "--host and --write-key must be used together: the URL of a collector and the write key of one of its sources."
            )
        if not (options["to"] or options["host"] or options["force"] or settings.DEMO):
            raise CommandError(
                "This would store simulated visits among the real events of this shop, and no command removes them. "
                "Use a demo shop (DEMO=true), write the events to a file with --to, or add --force."
            )
        started = time.monotonic()
        progress: Progress = ProgressBar("Clicks") if options["verbosity"] else ignore_progress
        try:
            simulation = ClickstreamSimulation(
                days=options["days"], households=options["households"], seed=options["seed"]
            )
            summary = self.deliver(simulation, options, progress)
        except (NoOrdersError, ReceiptsExpiredError, DeliveryError, AlreadyRunningError) as error:
            raise CommandError(str(error)) from error
        except OSError as error:
            raise CommandError(f"{error.filename or options['to']}: {error.strerror or error}.") from error
        except OperationalError as error:
            raise CommandError(
                f"The database connection failed: {str(error).strip().splitlines()[0]}. Run the command again."
            ) from error
        except KeyboardInterrupt as error:
            raise CommandError(
                "Interrupted. Stored events are kept; run the command again to continue with the rest.", returncode=130
            ) from error
        shop, seconds = simulation.shop, time.monotonic() - started
        self.stdout.write(
            f"{len(simulation):,} simulated events around {len(shop.basket_key):,} baskets of {len(shop.households):,} households, "
            f"{shop.since:%Y-%m-%d} to {shop.until:%Y-%m-%d}: {summary} ({seconds:.1f} s)."
        )

    def deliver(self, simulation: ClickstreamSimulation, options: dict[str, Any], progress: Progress) -> str:
        if options["to"]:
            simulation.write(options["to"], progress=progress)
            return f"written to {options['to']}"
        if options["host"]:
            simulation.send(host=options["host"], write_key=options["write_key"], progress=progress)
            return f"sent to {options['host']} by {get_sender_name()}"
        imported = simulation.store(at=timezone.now(), progress=progress)
        return f"{imported.accepted:,} accepted, {imported.duplicates:,} duplicates, {imported.rejected:,} rejected, source {SOURCE_KEY}"


def parse_positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number
