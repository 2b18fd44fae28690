"""Finds operations that lock a large table for long, or that break the programs of the last release.

Programs of the last release keep running while migrations are applied, so a migration may only add, and only a later release may remove.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

LARGE_TABLES = frozenset(
    {
        "auditlog_logentry", "catalog_product", "events_event", "events_eventreceipt", "events_outbox",
        "experiments_experimentexposure", "feedback_review", "feedback_surveyanswer", "flows_flowentry", "flows_flowsteprun",
        "identity_consent", "identity_consentdenial", "identity_customer", "identity_identifier", "lifecycle_countedsession",
        "lifecycle_customerprofile", "lifecycle_stagetransition", "measurement_assignment", "messaging_couponcode",
        "offers_offerexposure", "orders_order", "orders_orderevent", "orders_orderline", "segments_eventcount",
        "segments_segmentstay", "sending_delivery", "sending_deliveryevent", "sending_suppression", "serving_impression",
        "uplift_customeraction",
    }
)  # fmt: skip
TABLE = r'(?:ONLY )?"?(?P<table>\w+)"?'
CREATE_TABLE = re.compile(rf"CREATE (?:UNLOGGED )?TABLE (?:IF NOT EXISTS )?{TABLE}", re.I)
ALTER_TABLE = re.compile(rf"ALTER TABLE (?:IF EXISTS )?{TABLE} (?P<rest>.*)", re.I | re.S)
CREATE_INDEX = re.compile(
    rf'CREATE (?:UNIQUE )?INDEX (?P<concurrently>CONCURRENTLY )?(?:IF NOT EXISTS )?"?\w+"? ON {TABLE}', re.I
)
WRITE_ROWS = re.compile(rf"(?:UPDATE|DELETE FROM) {TABLE}\b", re.I)
DROP_TABLE = re.compile(rf"DROP TABLE (?:IF EXISTS )?{TABLE}", re.I)

FIXES = {
    "index": "Use AddIndexConcurrently in a migration with atomic = False.",
    "type": "Add a new column, fill it in batches, and remove the old one in a later release.",
    "not_null": "Add a check constraint NOT VALID, validate it in a later migration, and then set NOT NULL.",
    "no_default": "Give the field a db_default: programs of the last release insert rows without the column.",
    "constraint": "Add the constraint with AddConstraintNotValid, and validate it with ValidateConstraint in a later migration.",
    "unique": "Create the unique index concurrently, then add the constraint USING INDEX.",
    "removal": "Remove it from the code in this release, and from the database in the next one.",
    "rows": "Change the rows in batches by a command or job, not in the transaction of a migration.",
    "python": "Set atomic = False and work in batches, each a transaction of its own.",
}


@dataclass(frozen=True)
class BlockingOperation:
    """An operation that a migration must not do. kind: a key of FIXES."""

    kind: str
    table: str
    statement: str

    def __str__(self) -> str:
        return f"{self.table}: {' '.join(self.statement.split())[:160]}\n    {FIXES[self.kind]}"


def find_blocking_operations(statements: Iterable[str]) -> list[BlockingOperation]:
    """Return the operations in one migration's statements that are not allowed on large tables; tables that they create are empty."""
    listed = [statement for statement in statements if not statement.lstrip().startswith("--")]
    created = {match["table"].lower() for statement in listed for match in CREATE_TABLE.finditer(statement)}
    large = LARGE_TABLES - created
    return [
        BlockingOperation(kind, table, statement)
        for statement in listed
        for kind, table in classify_statement(statement, " ".join(listed))
        if is_large(table, large)
    ]


def is_large(table: str, large: Iterable[str]) -> bool:
    """Return whether a table is large, or a partition of a large one."""
    return any(
        table.lower() == name or re.fullmatch(rf"{name}_(\d{{4}}_\d{{2}}|default)", table.lower()) for name in large
    )


def classify_statement(statement: str, whole: str) -> Iterator[tuple[str, str]]:
    """Yield kinds of blocking operations in a statement, with their tables."""
    for match in CREATE_INDEX.finditer(statement):
        if not match["concurrently"]:
            yield "index", match["table"]
    for match in ALTER_TABLE.finditer(statement):
        yield from ((kind, match["table"]) for kind in classify_alteration(match["rest"].split(";")[0], whole))
    if dropped := DROP_TABLE.match(statement.lstrip()):
        yield "removal", dropped["table"]
    if written := WRITE_ROWS.match(statement.lstrip()):
        yield "rows", written["table"]


def classify_alteration(rest: str, whole: str) -> Iterator[str]:
    """Yield kinds of blocking operations of an ALTER TABLE."""
    text = " ".join(rest.upper().split())
    if re.search(r"ALTER COLUMN \S+ (SET DATA )?TYPE ", text):
        yield "type"
    if "SET NOT NULL" in text:
        yield "not_null"
    if re.search(r"DROP COLUMN|RENAME COLUMN|RENAME TO", text):
        yield "removal"
    if match := re.search(r"ADD COLUMN (?:IF NOT EXISTS )?\"?(\w+)\"? (.*)", text):
        yield from classify_column(match[1], match[2], whole)
    elif "ADD CONSTRAINT" in text and "NOT VALID" not in text:
        if re.search(r"\b(UNIQUE|PRIMARY KEY)\b", text):
            if "USING INDEX" not in text:
                yield "unique"
        else:
            yield "constraint"


def classify_column(name: str, definition: str, whole: str) -> Iterator[str]:
    """Yield kinds of blocking operations of an ADD COLUMN."""
    drops_default = re.search(rf'ALTER COLUMN "?{name}"? DROP DEFAULT', whole, re.I)
    if "NOT NULL" in definition and ("DEFAULT" not in definition or drops_default):
        yield "no_default"
    if " REFERENCES " in definition:
        yield "constraint"
    if re.search(r"\b(UNIQUE|PRIMARY KEY)\b", definition):
        yield "unique"
