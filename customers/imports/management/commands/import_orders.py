"""``manage.py import_orders FILE``: imports past orders from CSV or Parquet."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError
from django.db import OperationalError
from django.utils import timezone
from django.utils.text import slugify
from django.utils.translation import gettext as _

from config.foundation.database.advisory_locks import AlreadyRunningError
from config.foundation.files.import_command import ImportCommand, parse_columns
from config.foundation.progress import ProgressBar, ignore_progress
from customers.events.models import Source
from customers.imports.command_columns import match_command_columns
from customers.imports.kinds.orders import ORDERS
from customers.orders.imports.count_labels import COUNT_LABELS
from customers.orders.imports.file_import import (
    ColumnMappingError,
    ImportOptionError,
    UnreadableOrderFileError,
    get_error_file,
    import_orders,
)
from customers.orders.imports.order_fields import FIELDS
from customers.orders.imports.presets.registry import DEFAULT_PRESET, PRESETS
from customers.orders.models import OrderImport
from customers.orders.order_rules import REASONS
from customers.orders.sources import describe_wrong_source


class Command(ImportCommand):
    help = (
        "Imports past orders from a CSV file (any common encoding and delimiter, also gzipped) or a Parquet file. "
        "A second import of the same file changes nothing. Fields for --map: "
        + "; ".join(f"{name}: {text}" for name, text in FIELDS.items())
        + "."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        self.add_file_arguments(parser, presets=PRESETS, default_preset=DEFAULT_PRESET)
        parser.add_argument("--source", default="orders", help="key of the shop system; order IDs are unique within it")
        parser.add_argument("--currency", default="", help="currency of rows without one; default: SHOP_CURRENCY")
        parser.add_argument(
            "--timezone", default="UTC", help="time zone of times without an offset, such as Europe/Berlin"
        )
        parser.add_argument(
            "--date-format",
            action="append",
            default=[],
            help="date format besides ISO 8601, such as %%d/%%m/%%Y %%H:%%M; repeatable",
        )
        parser.add_argument(
            "--products",
            choices=["create", "reject"],
            default="create",
            help="create unknown products, or reject their rows",
        )
        parser.add_argument("--keep-zero-quantity", action="store_true", help="accept rows with quantity 0")

    def handle(self, *args: Any, **options: Any) -> None:
        columns = match_command_columns(
            kind=ORDERS,
            path=options["file"],
            preset=options["preset"],
            chosen=parse_columns(options["map"], example="order_id=Invoice"),
            encoding=options["encoding"],
        )
        self.report_matches(columns.describe_matches(), verbosity=options["verbosity"])
        try:
            run = import_orders(
                path=options["file"],
                source=find_source(options["source"]),
                started_at=timezone.now(),
                preset=options["preset"],
                mapping=columns.mapping,
                currency=options["currency"].upper(),
                timezone=options["timezone"],
                encoding=options["encoding"],
                date_formats=options["date_format"],
                products=options["products"],
                keep_zero_quantity=options["keep_zero_quantity"],
                dry_run=options["dry_run"],
                progress=ProgressBar(_("Orders")) if options["verbosity"] else ignore_progress,
            )
        except ColumnMappingError as error:
            raise CommandError(columns.problem or str(error)) from error
        except (UnreadableOrderFileError, ImportOptionError, AlreadyRunningError) as error:
            raise CommandError(str(error)) from error
        except OSError as error:
            message = _("%(path)s: %(reason)s. Nothing was written. Fix the problem and run the command again.")
            raise CommandError(message % {"path": error.filename or "–", "reason": error.strerror or error}) from error
        except OperationalError as error:
            message = _("Database error: %(reason)s. Nothing was written. Fix the problem and run the command again.")
            raise CommandError(message % {"reason": str(error).strip().split("\n")[0]}) from error
        except KeyboardInterrupt as error:
            raise CommandError(_("Interrupted. Nothing was written. Run the command again."), returncode=130) from error
        self.stdout.write(format_summary(run))


def find_source(key: str) -> Source:
    if slugify(key) != key:
        raise CommandError(
            _("Invalid --source %(key)s; use lowercase letters, digits and hyphens.") % {"key": repr(key)}
        )
    source, _created = Source.objects.get_or_create(key=key, defaults={"name": key, "kind": Source.Kind.IMPORT})
    if reason := describe_wrong_source(source):
        raise CommandError(reason)
    return source


def format_summary(run: OrderImport) -> str:
    """Return a table of the import's counts."""
    rows = [
        (_("rows"), run.rows),
        (_("loaded"), run.loaded),
        (_("unchanged"), run.unchanged),
        (_("rejected"), run.rejected),
    ]
    rows += [(f"  {REASONS[code]}", count) for code, count in run.problems.items()]
    rows += [(str(text), run.counts[name]) for name, text in COUNT_LABELS.items() if run.counts.get(name)]
    width = max(len(text) for text, _count in rows)
    lines = [f"{text:<{width}}  {count:>12,}" for text, count in rows]
    if run.error_file:
        lines.append(_("Rejected rows: %(path)s") % {"path": get_error_file(run)})
    if run.dry_run:
        lines.append(_("This was a dry run: nothing was written."))
    return "\n".join(lines)
