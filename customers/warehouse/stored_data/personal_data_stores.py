"""The files of the warehouse."""

from collections.abc import Sequence

from django.utils.translation import gettext_lazy as _

from config.foundation.personal_data.locations import files, table
from config.foundation.personal_data.person import Finding, Person
from config.foundation.personal_data.registry import register_impersonal, register_stores
from config.foundation.personal_data.stores import ErasurePhase, PersonalDataStore
from config.foundation.personal_data.text_stores import MatchingTexts, TextAction
from customers.warehouse.engines.registry import get_engine
from customers.warehouse.erasure import ErasedValues, erase_from_files, find_in_file, list_data_files
from customers.warehouse.parquet_files import get_warehouse_root


class WarehouseFiles(PersonalDataStore):
    """Parquet files with events, orders, impressions and customers."""

    key = "warehouse.files"
    label = _("files of the data warehouse")
    locations = tuple(files("warehouse/*"))
    kept = _("The same as in the database: events and orders that cannot be linked to anyone.")
    phase = ErasurePhase.DERIVED

    def erase(self, people: Sequence[Person]) -> int:
        return erase_from_files(people)

    def find(self, people: Sequence[Person]) -> list[Finding]:
        root, values = get_warehouse_root(), ErasedValues.of(people)
        counts = {path: find_in_file(path, rule, values) for path, rule in list_data_files(root)}
        return [
            self.make_finding(f"file warehouse/{path.relative_to(root).as_posix()}", count, "customer")
            for path, count in counts.items()
            if count
        ]


class WarehouseCopies(PersonalDataStore):
    """The copy of the files on the server of an engine; without one of those engines there is none.

    The keys order the stores of a phase: the copies come after the files of which they are made.
    """

    key = "warehouse.server_copies"
    label = _("copies of the data warehouse on a ClickHouse server")
    kept = _("The same as in the database: events and orders that cannot be linked to anyone.")
    phase = ErasurePhase.DERIVED

    def erase(self, people: Sequence[Person]) -> int:
        before = self.count(people)
        get_engine().refresh_copies(get_warehouse_root())
        return sum(before.values()) - sum(self.count(people).values()) if before else 0

    def find(self, people: Sequence[Person]) -> list[Finding]:
        return [
            self.make_finding(f"ClickHouse table {name}", rows, "customer") for name, rows in self.count(people).items()
        ]

    def count(self, people: Sequence[Person]) -> dict[str, int]:
        """Return the rows of the people by table. Errors: WarehouseEngineError."""
        return get_engine().find_in_copies(ErasedValues.of(people).list_searches())


register_stores(
    WarehouseFiles(),
    WarehouseCopies(),
    MatchingTexts("warehouse.runs", _("export errors"), "warehouse.ExportRun", "error", action=TextAction.MASK),
)
register_impersonal(
    table("warehouse.ExportRun"),
    table("warehouse.AppendMark"),
    reason="Names, counts and checksums of exported tables.",
)
