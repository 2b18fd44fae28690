"""Output of an import: a progress line while it runs, a table of its counts at the end."""

import sys
import time
from typing import TextIO

from django.utils.translation import gettext as _

from customers.events.imports.access_log import SKIP_REASONS
from customers.events.imports.file_import import EventImportResult

SECONDS_BETWEEN = {True: 0.2, False: 5.0}  # on a terminal, and in a file
MAX_SECTIONS = 10


class ImportProgressLine:
    """Shows lines, lines per second and the remaining time, which is unknown for a pipe."""

    def __init__(self, label: str, stream: TextIO = sys.stderr) -> None:
        self.label = label
        self.stream = stream
        self.started = time.monotonic()
        self.last_output_at = self.started
        self.has_output = False

    def __call__(self, imported: EventImportResult, position: int, size: int) -> None:
        now = time.monotonic()
        if now - self.last_output_at >= SECONDS_BETWEEN[self.stream.isatty()]:
            self.last_output_at = now
            self.show(imported, position, size, now - self.started)

    def show(self, imported: EventImportResult, position: int, size: int, seconds: float) -> None:
        share = min(1.0, position / size) if size else 0.0
        bar = f" [{'#' * int(share * 20):<20}] {share * 100:3.0f} %" if size else ""
        left = f", {seconds * (1 - share) / share:.0f} s left" if 0 < share < 1 else ""
        text = f"{self.label}{bar} {imported.lines:,} lines, {imported.lines / max(seconds, 1e-3):,.0f}/s ({seconds:.0f} s{left})"
        self.stream.write(f"\r{text:<100}" if self.stream.isatty() else f"{text}\n")
        self.stream.flush()
        self.has_output = True

    def end(self) -> None:
        """End the progress line, so that the next output starts on a new line."""
        if self.has_output and self.stream.isatty():
            self.stream.write("\n")
            self.stream.flush()


def format_summary(imported: EventImportResult, seconds: float) -> str:
    """Return the counts as a table."""
    rows = [
        (_("lines"), imported.lines),
        (_("events"), imported.events),
        (_("  to be accepted") if imported.dry_run else _("  accepted"), imported.accepted),
        *((f"    {code}", count) for code, count in imported.warnings.most_common()),
        (_("  duplicates"), imported.duplicates),
        (_("rejected"), imported.rejected),
        *((f"  {code}", count) for code, count in imported.problems.most_common()),
    ]
    if imported.skipped:
        rows += [(_("skipped"), imported.skipped.total())]
        rows += [(f"  {SKIP_REASONS[reason]}", count) for reason, count in imported.skipped.most_common()]
    width = max(len(text) for text, _count in rows)
    lines = [f"{text:<{width}}  {count:>12,}" for text, count in rows]
    if imported.sections:
        common = imported.sections.most_common(MAX_SECTIONS)
        sections = ", ".join(f"{section} ({count:,})" for section, count in common)
        lines.append(
            _("Most frequent unmapped URLs: %(urls)s. Map them to events with --mapping.") % {"urls": sections}
        )
    if imported.error_file:
        lines.append(_("Rejected lines: %(path)s") % {"path": imported.error_file})
    if imported.dry_run:
        lines.append(_("This was a dry run: nothing was written."))
    else:
        lines.append(_("%(rate)s lines per second.") % {"rate": f"{imported.lines / max(seconds, 1e-3):,.0f}"})
    return "\n".join(lines)
