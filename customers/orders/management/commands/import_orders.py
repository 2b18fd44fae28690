"""``manage.py import_orders FILE``: past orders from CSV or Parquet."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError
from django.utils import timezone
from django.utils.text import slugify
from django.utils.translation import gettext as _

from config.foundation.database.advisory_locks import AlreadyRunningError
from config.foundation.progress import ProgressBar, no_progress
from customers.events.models import Source
from customers.orders.imports.column_mapping import FIELDS, PRESETS, parse_assignments
from customers.orders.imports.count_labels import COUNTS
from customers.orders.imports.file_import import (
    ImportOptionError,
    MappingError,
    UnreadableFileError,
    error_file,
    import_orders,
)
from customers.orders.imports.rejected_rows import REASONS
from customers.orders.models import OrderImport


class Command(BaseCommand):
    help = (
        "Imports past orders from a CSV file (any usual encoding and delimiter, also gzipped) or a Parquet file. "
        "A second import of the same file changes nothing. Fields for --map: "
        + "; ".join(f"{name}: {text}" for name, text in FIELDS.items())
        + "."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--source", default="orders", help="key of the shop system; orders are unique within it")
        parser.add_argument("--preset", choices=list(PRESETS), default="own", help="whose column names the file has")
        parser.add_argument(
            "--map", action="append", default=[], metavar="FIELD=COLUMN", help="which column holds a field; repeatable"
        )
        parser.add_argument("--currency", default="", help="of rows that name none; default SHOP_CURRENCY")
        parser.add_argument("--timezone", default="UTC", help="of times without an offset, such as Europe/Berlin")
        parser.add_argument("--encoding", default=None, help="of a CSV file; default: found out")
        parser.add_argument(
            "--date-format",
            action="append",
            default=[],
            help="such as %%d/%%m/%%Y %%H:%%M, beside ISO 8601; repeatable",
        )
        parser.add_argument(
            "--products", choices=["create", "reject"], default="create", help="what to do with unknown ones"
        )
        parser.add_argument("--keep-zero-quantity", action="store_true", help="take rows of quantity 0")
        parser.add_argument("--dry-run", action="store_true", help="check and count, write nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            run = import_orders(
                path=options["file"],
                source=find_source(options["source"]),
                started_at=timezone.now(),
                preset=options["preset"],
                mapping=parse_assignments(options["map"]),
                currency=options["currency"].upper(),
                timezone=options["timezone"],
                encoding=options["encoding"],
                date_formats=options["date_format"],
                products=options["products"],
                keep_zero_quantity=options["keep_zero_quantity"],
                dry_run=options["dry_run"],
                progress=ProgressBar(_("Orders")) if options["verbosity"] else no_progress,
            )
        except (UnreadableFileError, MappingError, ImportOptionError, AlreadyRunningError) as error:
            raise CommandError(str(error)) from error
        except OSError as error:
            message = _("%(place)s: %(reason)s. Nothing was written; make room or mend it, and start again.")
            raise CommandError(message % {"place": error.filename or "–", "reason": error.strerror or error}) from error
        except OperationalError as error:
            message = _("The database gave up: %(reason)s. Nothing was written; mend it and start again.")
            raise CommandError(message % {"reason": str(error).strip().split("\n")[0]}) from error
        except KeyboardInterrupt as error:
            raise CommandError(
                _("Interrupted: nothing was written. Start it again when you like."), returncode=130
            ) from error
        self.stdout.write(describe(run))


def find_source(key: str) -> Source:
    if slugify(key) != key:
        raise CommandError(_("--source %(key)s: use small letters, digits and hyphens.") % {"key": repr(key)})
    source, _created = Source.objects.get_or_create(key=key, defaults={"name": key, "kind": Source.Kind.IMPORT})
    return source


def describe(run: OrderImport) -> str:
    """A table of what became of the rows."""
    rows = [
        (_("rows"), run.rows),
        (_("loaded"), run.loaded),
        (_("unchanged"), run.unchanged),
        (_("rejected"), run.rejected),
    ]
    rows += [(f"  {REASONS[code]}", count) for code, count in run.problems.items()]
    rows += [(str(text), run.counts[name]) for name, text in COUNTS.items() if run.counts.get(name)]
    width = max(len(text) for text, _count in rows)
    lines = [f"{text:<{width}}  {count:>12,}" for text, count in rows]
    if run.error_file:
        lines.append(_("Rejected rows: %(path)s") % {"path": error_file(run)})
    if run.dry_run:
        lines.append(_("This was a dry run: nothing was written."))
    return "\n".join(lines)
