"""``manage.py import_events FILE``: import events from JSON Lines or a web server's access log."""

import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError
from django.utils import timezone
from django.utils.text import slugify
from django.utils.translation import gettext as _

from config.foundation.database.advisory_locks import AlreadyRunningError
from customers.events.imports.file_import import (
    UnknownEventFormatError,
    UnreadableEventFileError,
    UrlMappingError,
    ignore_import_progress,
    import_events,
)
from customers.events.imports.import_summary import ImportProgressLine, format_summary
from customers.events.imports.url_mapping import read_builtin_mapping
from customers.events.models import Source


class Command(BaseCommand):
    help = (
        "Import events from JSON Lines (an item of a Segment SDK or a batch per line) or from an access log (nginx's and "
        "Apache's combined format), optionally compressed with gzip, zstd or bzip2; - is standard input. The collector's rules "
        "apply; importing the same file again changes nothing."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, nargs="?")
        parser.add_argument(
            "--source", default="events-import", help="key of the events' source; created if it does not exist"
        )
        parser.add_argument("--format", choices=["auto", "jsonl", "nginx"], default="auto")
        parser.add_argument("--mapping", type=Path, help="TOML or JSON file that maps URLs of a log to events")
        parser.add_argument(
            "--print-mapping", action="store_true", help="print the built-in mapping as a starting point and exit"
        )
        parser.add_argument("--errors", type=Path, help="CSV file for rejected lines; default: a file in EXPORTS_DIR")
        parser.add_argument("--dry-run", action="store_true", help="check and count without writing anything")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["print_mapping"]:
            self.stdout.write(read_builtin_mapping(), ending="")
            return
        if options["file"] is None:
            raise CommandError(_("Specify a file, or - for standard input."))
        bar = ImportProgressLine(_("Events"))
        started = time.monotonic()
        try:
            imported = import_events(
                path=options["file"],
                source=find_or_create_source(options["source"], create=not options["dry_run"]),
                received_at=timezone.now(),
                format=options["format"],
                mapping=options["mapping"],
                dry_run=options["dry_run"],
                errors=options["errors"] or build_error_file_path(options["source"]),
                watch=bar if options["verbosity"] else ignore_import_progress,
            )
        except UnknownEventFormatError as error:
            raise CommandError(error.explain_options()) from error
        except (UnreadableEventFileError, UrlMappingError, AlreadyRunningError) as error:
            raise CommandError(str(error)) from error
        except OSError as error:
            message = _(
                "%(place)s: %(reason)s. Events stored so far are kept. Fix the problem and run the command again."
            )
            raise CommandError(message % {"place": error.filename or "–", "reason": error.strerror or error}) from error
        except OperationalError as error:
            message = _(
                "Database error: %(reason)s. Events stored so far are kept. Fix the problem and run the command again."
            )
            raise CommandError(message % {"reason": str(error).strip().split("\n")[0]}) from error
        except KeyboardInterrupt as error:
            raise CommandError(
                _("Interrupted. Events stored so far are kept. Run the command again to import the rest."),
                returncode=130,
            ) from error
        finally:
            bar.end()
        self.stdout.write(format_summary(imported, time.monotonic() - started))


def build_error_file_path(source_key: str) -> Path:
    return Path(settings.EXPORTS_DIR) / "imports" / f"events-{source_key}-{timezone.now():%Y%m%d-%H%M%S}.csv"


def find_or_create_source(key: str, *, create: bool) -> Source:
    if slugify(key) != key:
        raise CommandError(
            _("Invalid --source %(key)s; use lowercase letters, digits and hyphens.") % {"key": repr(key)}
        )
    fields = {"name": key, "kind": Source.Kind.IMPORT}
    source = Source.objects.filter(key=key).first()
    if source is None:
        source = Source.objects.get_or_create(key=key, defaults=fields)[0] if create else Source(key=key, **fields)
    if not source.is_trusted:
        raise CommandError(
            _(
                "Source %(key)s is a browser or app source, whose orders and customer IDs do not count; choose another with --source."
            )
            % {"key": key}
        )
    if source.is_sandbox:
        raise CommandError(
            _("Source %(key)s is a sandbox, whose events are not processed; choose another with --source.")
            % {"key": key}
        )
    if not source.enabled:
        raise CommandError(_("Source %(key)s is disabled; enable it or choose another with --source.") % {"key": key})
    return source
