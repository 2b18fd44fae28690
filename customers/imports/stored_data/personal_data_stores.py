"""What imports keep about people: what they changed, uploaded files, rejected rows."""

from collections.abc import Sequence

from django.db import connection
from django.utils.translation import gettext_lazy as _

from config.foundation.personal_data.file_stores import TextFiles
from config.foundation.personal_data.locations import files, table
from config.foundation.personal_data.person import Finding, Person, list_customer_ids
from config.foundation.personal_data.registry import register_impersonal, register_stores
from config.foundation.personal_data.stores import PersonalDataStore
from config.foundation.personal_data.table_stores import CustomerArrays
from config.foundation.personal_data.text_stores import MatchingTexts, TextAction

FIND_CHANGES = """
SELECT id FROM imports_importchange
WHERE (table_name = 'identity_customer' AND row_id = ANY(%(ids)s::bigint[]))
   OR (before ->> 'customer_id') = ANY(%(texts)s::text[]) OR (after ->> 'customer_id') = ANY(%(texts)s::text[])
"""


class ImportedChanges(PersonalDataStore):
    """What imports changed of people, with which an import can be undone."""

    key = "imports.changes"
    label = _("changes by imports")
    locations = (table("imports.ImportChange"),)

    def list_rows(self, people: Sequence[Person]) -> list[int]:
        """Return the changes that are about people."""
        ids = list_customer_ids(people)
        with connection.cursor() as cursor:
            cursor.execute(FIND_CHANGES, {"ids": ids, "texts": [str(number) for number in ids]})
            return [row_id for (row_id,) in cursor.fetchall()]

    def erase(self, people: Sequence[Person]) -> int:
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM imports_importchange WHERE id = ANY(%s::bigint[])", [self.list_rows(people)])
            return int(cursor.rowcount)

    def find(self, people: Sequence[Person]) -> list[Finding]:
        rows = self.list_rows(people)
        return [self.make_finding(self.locations[0], len(rows), "customer")] if rows else []


register_stores(
    ImportedChanges(),
    CustomerArrays(
        "imports.events", _("customers of imported events"), "imports.ImportedEvents", column="customer_ids"
    ),
    MatchingTexts(
        "imports.runs",
        _("reports of imports"),
        "imports.ImportRun",
        "error",
        "problems",
        "options",
        action=TextAction.MASK,
    ),
    MatchingTexts(
        "imports.feeds", _("errors of scheduled imports"), "imports.ScheduledFeed", "error", action=TextAction.MASK
    ),
    TextFiles(
        "imports.files",
        _("uploaded files and rejected rows"),
        "exports/*",
        "var/tmp/*",
        "var/exports/*",
        kept=_("The other lines of the file; lines about the person are overwritten."),
    ),
)
register_impersonal(
    table("imports.ImportRun"),
    table("imports.ScheduledFeed"),
    reason="Settings, file names and counts of imports.",
)
register_impersonal(files("var/.*"), reason="Marks of this installation.")
