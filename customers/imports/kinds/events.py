"""Events, imported by ``customers.events.imports``; the file format names its fields itself."""

from pathlib import Path

from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from config.foundation.database.advisory_locks import AlreadyRunningError
from customers.events.imports.file_import import (
    EventImportResult,
    UnreadableEventFileError,
    UrlMappingError,
    import_events,
)
from customers.events.models import Source
from customers.imports.kinds.base import ImportFileError, ImportKind, ImportOutcome, ImportTask


def import_event_file(task: ImportTask) -> ImportOutcome:
    """Import or check a file of events; events that are stored already are duplicates."""
    run = task.run
    source = find_source(run.source)

    def watch(result: EventImportResult, position: int, size: int) -> None:
        task.progress(position, size)

    try:
        result = import_events(
            path=task.path,
            source=source,
            received_at=task.at,
            dry_run=task.dry_run,
            errors=Path(settings.EXPORTS_DIR) / "imports" / f"events-{run.pk}-rejected.csv",
            watch=watch,
        )
    except (UnreadableEventFileError, UrlMappingError, AlreadyRunningError, OSError) as error:
        raise ImportFileError(str(error)) from error
    return ImportOutcome(
        rows=result.lines,
        created=result.accepted,
        updated=0,
        unchanged=result.duplicates,
        rejected=result.rejected,
        problems=dict(result.problems.most_common()),
        counts={"skipped": result.skipped.total()} if result.skipped.total() else {},
        error_file=result.error_file,
    )


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
    file_help=gettext_lazy("JSON Lines with one event per line, or an access log of nginx or Apache, also compressed."),
    created_label=gettext_lazy("New events"),
    updated_label=gettext_lazy("Changed events"),
    unchanged_label=gettext_lazy("Known events"),
    permissions=("events.add_event", "events.view_event"),
    import_file=import_event_file,
    main_table="events_event",
    count_labels={"skipped": gettext_lazy("lines without an event")},
    describes_people=True,
    can_undo=False,
)
