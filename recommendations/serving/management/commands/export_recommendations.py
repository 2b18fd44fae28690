"""``manage.py export_recommendations``: the best products of a placement for all customers."""

import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from django.utils.translation import gettext as _

from config.foundation.progress import ProgressBar, ignore_progress
from customers.segments.conditions.condition_tree import ConditionError
from recommendations.engine.placements import FOR_YOU
from recommendations.serving.batch.batch_export import FORMATS, InvalidExportError, export_recommendations
from recommendations.serving.batch.batch_scoring import BATCH_PLACEMENTS, NoActiveModelError, UnsupportedPlacementError


class Command(BaseCommand):
    help = (
        "Export the best products of a placement for every customer with a user id: CSV and Parquet with one row per "
        "recommendation, JSON Lines with one line per customer. The file appears complete or not at all."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--scenario", choices=BATCH_PLACEMENTS, default=FOR_YOU, help="the placement")
        parser.add_argument("--n", type=int, default=20, help="products per customer, 1 to 100")
        parser.add_argument("--format", choices=FORMATS, default="csv")
        parser.add_argument("--output", type=Path, required=True, metavar="FILE")
        parser.add_argument("--segment", default="", metavar="KEY", help="only the customers of this segment")
        parser.add_argument("--resume", action="store_true", help="continue an interrupted export")

    def handle(self, *args: Any, **options: Any) -> None:
        began = time.monotonic()
        try:
            done = export_recommendations(
                scenario=options["scenario"],
                n=options["n"],
                path=options["output"].resolve(),
                format=options["format"],
                segment=options["segment"],
                resume=options["resume"],
                now=timezone.now(),
                progress=ProgressBar(_("Customers")) if options["verbosity"] else ignore_progress,
            )
        except (InvalidExportError, UnsupportedPlacementError, NoActiveModelError, ConditionError) as error:
            raise CommandError(str(error)) from error
        except OSError as error:
            message = _("%(path)s: %(reason)s. Fix the problem and start again with --resume.")
            raise CommandError(message % {"path": error.filename or "–", "reason": error.strerror or error}) from error
        except KeyboardInterrupt as error:
            raise CommandError(_("Interrupted. Start again with --resume to continue."), returncode=130) from error
        seconds = max(time.monotonic() - began, 0.001)
        message = _(
            "Wrote %(rows)s recommendations of %(model)s for %(customers)s customers to %(path)s (%(seconds)s "
            "s, %(speed)s customers/s)."
        )
        self.stdout.write(
            message
            % {
                "customers": f"{done.customers:,}",
                "rows": f"{done.rows:,}",
                "model": done.model,
                "path": options["output"],
                "seconds": f"{seconds:.1f}",
                "speed": f"{(done.customers - done.resumed_customers) / seconds:,.0f}",
            }
        )
