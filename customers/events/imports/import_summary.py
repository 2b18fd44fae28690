"""How an import is shown: a line that fills up while it runs, a table of its figures at the end."""

import sys
import time
from typing import TextIO

from django.utils.translation import gettext as _

from customers.events.imports.access_log import SKIPPED
from customers.events.imports.file_import import Imported

SECONDS_BETWEEN = {True: 0.2, False: 5.0}  # on a terminal, and in a file
SECTIONS_SHOWN = 10


class LineBar:
    """Lines, lines a second and the time left; of what comes through a pipe the end is not known."""

    def __init__(self, label: str, stream: TextIO = sys.stderr) -> None:
        self.label = label
        self.stream = stream
        self.started = time.monotonic()
        self.shown_at = self.started
        self.shown = False

    def __call__(self, imported: Imported, position: int, size: int) -> None:
        now = time.monotonic()
        if now - self.shown_at >= SECONDS_BETWEEN[self.stream.isatty()]:
            self.shown_at = now
            self.show(imported, position, size, now - self.started)

    def show(self, imported: Imported, position: int, size: int, seconds: float) -> None:
        share = min(1.0, position / size) if size else 0.0
        bar = f" [{'#' * int(share * 20):<20}] {share * 100:3.0f} %" if size else ""
        left = f", {seconds * (1 - share) / share:.0f} s left" if 0 < share < 1 else ""
        text = f"{self.label}{bar} {imported.lines:,} lines, {imported.lines / max(seconds, 1e-3):,.0f}/s ({seconds:.0f} s{left})"
        self.stream.write(f"\r{text:<100}" if self.stream.isatty() else f"{text}\n")
        self.stream.flush()
        self.shown = True

    def end(self) -> None:
        """Leaves the line, so that what follows stands on its own."""
        if self.shown and self.stream.isatty():
            self.stream.write("\n")
            self.stream.flush()


def describe(imported: Imported, seconds: float) -> str:
    """A table of what became of the lines."""
    rows = [
        (_("lines"), imported.lines),
        (_("events"), imported.events),
        (_("  to be taken") if imported.dry_run else _("  taken"), imported.accepted),
        (_("  known already"), imported.duplicates),
        (_("refused"), imported.refused),
        *((f"  {code}", count) for code, count in imported.problems.most_common()),
    ]
    if imported.skipped:
        rows += [(_("left out"), imported.skipped.total())]
        rows += [(f"  {SKIPPED[reason]}", count) for reason, count in imported.skipped.most_common()]
    width = max(len(text) for text, _count in rows)
    lines = [f"{text:<{width}}  {count:>12,}" for text, count in rows]
    if imported.sections:
        common = imported.sections.most_common(SECTIONS_SHOWN)
        shown = ", ".join(f"{section} ({count:,})" for section, count in common)
        lines.append(
            _("Most frequent addresses without an event: %(addresses)s. --mapping gives them one.")
            % {"addresses": shown}
        )
    if imported.error_file:
        lines.append(_("Refused lines: %(path)s") % {"path": imported.error_file})
    if imported.dry_run:
        lines.append(_("This was a dry run: nothing was written."))
    else:
        lines.append(_("%(rate)s lines a second.") % {"rate": f"{imported.lines / max(seconds, 1e-3):,.0f}"})
    return "\n".join(lines)
