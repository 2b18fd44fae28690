"""``manage.py simulate_clicks``: a plausible storefront history around the baskets that were really bought."""

import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError
from django.utils import timezone

from config.clickstream.delivery import SOURCE_KEY, SendingError, sender_name
from config.clickstream.shop import NoBasketsError
from config.clickstream.simulation import ReceiptsGoneError, Simulation
from config.foundation.database.advisory_locks import AlreadyRunningError
from config.foundation.progress import Progress, ProgressBar, no_progress


class Command(BaseCommand):
    help = (
        "Simulates what happened in a storefront before the orders that are stored: views, searches, carts, checkouts, visits that "
        "end in nothing, several devices a household, first anonymous and then signed in. Everything is marked as simulated "
        "(context.simulated), and the orders are not sent again. The same seed makes the same events, so a second run changes nothing."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--days", type=positive, default=21, help="how many days before the newest order (default 21)"
        )
        parser.add_argument(
            "--households", type=positive, default=600, help="around the baskets of how many (default 600)"
        )
        parser.add_argument("--seed", type=int, default=1, help="another one makes another history (default 1)")
        target = parser.add_mutually_exclusive_group()
        target.add_argument(
            "--to", type=Path, metavar="FILE", help="write JSON Lines for import_events (.gz packs them)"
        )
        target.add_argument("--host", metavar="URL", help="send to a collector, by Segment's SDK where it is installed")
        parser.add_argument("--write-key", help="of the source at --host")

    def handle(self, *args: Any, **options: Any) -> None:
        if bool(options["host"]) != bool(options["write_key"]):
            raise CommandError(
                "--host and --write-key go together: the address of a collector, and the key of a source there."
            )
        started = time.monotonic()
        progress: Progress = ProgressBar("Clicks") if options["verbosity"] else no_progress
        try:
            simulation = Simulation(days=options["days"], households=options["households"], seed=options["seed"])
            told = self.hand_on(simulation, options, progress)
        except (NoBasketsError, ReceiptsGoneError, SendingError, AlreadyRunningError) as error:
            raise CommandError(str(error)) from error
        except OSError as error:
            raise CommandError(f"{error.filename or options['to']}: {error.strerror or error}.") from error
        except OperationalError as error:
            raise CommandError(
                f"The database gave up: {str(error).strip().splitlines()[0]}. Start it again."
            ) from error
        except KeyboardInterrupt as error:
            raise CommandError(
                "Interrupted: what was taken so far stays. Start it again, it goes on with the rest.", returncode=130
            ) from error
        shop, seconds = simulation.shop, time.monotonic() - started
        self.stdout.write(
            f"{len(simulation):,} simulated events around {len(shop.basket_key):,} baskets of {len(shop.households):,} households, "
            f"{shop.since:%Y-%m-%d} to {shop.until:%Y-%m-%d}: {told} ({seconds:.1f} s)."
        )

    def hand_on(self, simulation: Simulation, options: dict[str, Any], progress: Progress) -> str:
        if options["to"]:
            simulation.write(options["to"], progress=progress)
            return f"written to {options['to']}"
        if options["host"]:
            simulation.send(host=options["host"], write_key=options["write_key"], progress=progress)
            return f"sent to {options['host']} by {sender_name()}"
        imported = simulation.store(at=timezone.now(), progress=progress)
        return f"{imported.accepted:,} taken, {imported.duplicates:,} known already, {imported.refused:,} refused, source {SOURCE_KEY}"


def positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number
