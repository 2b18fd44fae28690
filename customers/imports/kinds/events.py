"""Events, imported by ``customers.events.imports``; the file format names its fields itself."""

from datetime import datetime
from pathlib import Path

from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from config.foundation.progress import Progress
from customers.events.dead_letters.rejection_reasons import describe_reason
from customers.events.imports.file_import import (
    EventImportResult,
    import_events,
)
from customers.events.models import Source
from customers.imports.event_undo import count_recorded_events, record_events, undo_events
from customers.imports.kinds.base import ImportFileError, ImportKind, ImportOutcome, ImportTask
from customers.imports.kinds.outcomes import build_outcome, translate_file_errors
from customers.imports.models import ImportRun


def import_event_file(task: ImportTask) -> ImportOutcome:
    """Import or check a file of events; events that are stored already are duplicates."""
    run = task.run
    source = find_source(run.source)

    def watch(result: EventImportResult, position: int, size: int) -> None:
        task.progress(position, size)

    with translate_file_errors(task):
        result = import_events(
            path=task.path,
            source=source,
            received_at=task.at,
            dry_run=task.dry_run,
            errors=Path(settings.EXPORTS_DIR) / "imports" / f"events-{run.pk}-rejected.csv",
            watch=watch,
            record=lambda rows: record_events(run, source, rows),
        )
    # events that an earlier attempt has added are duplicates of this one
    created = result.accepted if task.dry_run else count_recorded_events(run)
    return build_outcome(
        result,
        counts={"skipped": result.skipped.total()},
        rows=result.lines,
        created=created,
        updated=0,
        unchanged=max(0, result.accepted + result.duplicates - created),
    )


def undo_event_import(run: ImportRun, at: datetime, progress: Progress) -> None:
    undo_events(run=run, at=at, progress=progress)


def find_source(key: str) -> Source:
    """Return the source of a file, creating it if it is new. Raises ImportFileError if the source cannot have files."""
    source, _created = Source.objects.get_or_create(key=key, defaults={"name": key, "kind": Source.Kind.IMPORT})
    if not source.is_trusted:
        raise ImportFileError(
            _(
                "Source %(key)s is a browser or app source, whose orders and customer IDs do not count. Upload the file with "
                "another source."
            )
            % {"key": key}
        )
    if source.is_sandbox:
        raise ImportFileError(
            _("Source %(key)s is a sandbox, whose events are not processed. Upload the file with another source.")
            % {"key": key}
        )
    if not source.enabled:
        raise ImportFileError(
            _("Source %(key)s is disabled. Enable it, or upload the file with another source.") % {"key": key}
        )
    return source


EVENTS = ImportKind(
    key="events",
    label=gettext_lazy("Events"),
    icon="bolt",
    description=gettext_lazy("What visitors did before the tracking was installed, from an export or a server log."),
    file_help=gettext_lazy(
        "JSON Lines with one event per line, or an nginx or Apache access log, optionally compressed."
    ),
    created_label=gettext_lazy("New events"),
    updated_label="",
    unchanged_label=gettext_lazy("Existing events"),
    permissions=("events.add_event", "events.view_event"),
    import_file=import_event_file,
    main_table="events_event",
    count_labels={"skipped": gettext_lazy("lines without an event")},
    describes_people=True,
    get_reason=describe_reason,
    explains_codes=True,
    undo_steps=undo_event_import,
    undo_removes=(
        gettext_lazy("The events that this import added. Events that already existed are kept."),
        gettext_lazy(
            "Orders and reviews that exist only because of these events, and what these events changed in other orders."
        ),
        gettext_lazy("Visitors without an ID or contact data who were created only by these events."),
        gettext_lazy(
            "Figures computed from these events, such as daily counts, sessions, recent activity and stages. They are computed again."
        ),
    ),
    undo_keeps=(
        gettext_lazy(
            "Customers with an ID or contact data, including the fields that these events filled and the merges that they caused."
        ),
        gettext_lazy("Unsubscriptions: people who unsubscribed get no emails."),
        gettext_lazy("Products created by the orders in these events, and new texts of reviews that already existed."),
        gettext_lazy("Recommendations, until the next training, and the performance of placements on earlier days."),
    ),
)
