"""The suppression list: adds, removes, imports and exports addresses as keyed hashes."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import batched

from django.db import connection

from config.foundation.audit_log import record_action, record_export
from config.foundation.csv_cells import format_csv
from customers.identity.personal_data.hashing import hash_email, hash_phone
from recommendations.sending.email_format import normalize_address
from recommendations.sending.models import Suppression

Kind = Suppression.Kind
BATCH = 5_000
COLUMNS = ("kind", "hash", "reason", "source", "added_at")
HASH_LENGTH = 64
INSERT_NEW = """
INSERT INTO sending_suppression (kind, value_hash, reason, source, added_at)
SELECT row.kind, row.value_hash, %s, %s, %s FROM unnest(%s::text[], %s::text[]) AS row (kind, value_hash)
ORDER BY row.value_hash
ON CONFLICT (kind, value_hash) DO NOTHING
RETURNING kind, value_hash
"""
DELETE_ADDRESSES = """
DELETE FROM sending_suppression s USING unnest(%s::text[], %s::text[]) AS row (kind, value_hash)
WHERE s.kind = row.kind AND s.value_hash = row.value_hash
RETURNING s.kind, s.value_hash
"""


@dataclass(frozen=True)
class ParsedAddress:
    """An address or number as its keyed hash."""

    kind: str
    value_hash: str


@dataclass(frozen=True)
class ImportResult:
    """What an import did or, as a dry run, would do. problems: (line, text) of lines that are no address."""

    new: int
    known: int
    problems: list[tuple[int, str]]
    source: str = ""


def parse_address(text: str) -> ParsedAddress | None:
    """Return an email address, a phone number or the keyed hash of an exported list; None for anything else."""
    value = text.strip().strip("\"'").removeprefix("mailto:")
    if len(value) == HASH_LENGTH and set(value.lower()) <= set("0123456789abcdef"):
        return ParsedAddress(Kind.EMAIL, value.lower())
    if "@" in value:
        return ParsedAddress(Kind.EMAIL, hash_email(value)) if normalize_address(value) else None
    digits = sum(character.isdigit() for character in value)
    if 6 <= digits <= 15 and set(value) <= set("+0123456789 ()-./"):
        return ParsedAddress(Kind.PHONE, hash_phone(value))
    return None


def suppress(addresses: Iterable[ParsedAddress], *, reason: str, source: str, at: datetime) -> int:
    """Add addresses; return how many are new. One that is on the list keeps its first reason."""
    return len(suppress_new(addresses, reason=reason, source=source, at=at))


def suppress_new(addresses: Iterable[ParsedAddress], *, reason: str, source: str, at: datetime) -> set[ParsedAddress]:
    """Add addresses; return those that are new."""
    wanted = list(dict.fromkeys(addresses))
    with connection.cursor() as cursor:
        cursor.execute(
            INSERT_NEW,
            [
                reason,
                source[:150],
                at,
                [address.kind for address in wanted],
                [address.value_hash for address in wanted],
            ],
        )
        return {ParsedAddress(*row) for row in cursor.fetchall()}


def unsuppress(addresses: Iterable[ParsedAddress]) -> set[ParsedAddress]:
    """Remove addresses; return those that were on the list. The audit log records how many, not which."""
    wanted = list(dict.fromkeys(addresses))
    columns = [[address.kind for address in wanted], [address.value_hash for address in wanted]]
    with connection.cursor() as cursor:
        cursor.execute(DELETE_ADDRESSES, columns)
        removed = {ParsedAddress(*row) for row in cursor.fetchall()}
    record_action("suppressions.removed", model=Suppression, details={"removed": len(removed)})
    return removed


def suppress_email(address: str, *, reason: str, source: str, at: datetime) -> int:
    parsed = parse_address(address)
    return suppress([parsed], reason=reason, source=source, at=at) if parsed is not None else 0


def is_email_suppressed(address: str) -> bool:
    """Return whether an email address is on the list. Its owner can still be asked for consent after unsubscribing."""
    listed = Suppression.objects.filter(kind=Kind.EMAIL, value_hash=hash_email(address))
    return listed.exclude(reason=Suppression.Reason.UNSUBSCRIBED).exists()


def read_addresses(lines: Iterable[str]) -> Iterator[tuple[int, str]]:
    """Yield line number and address of a text or CSV file: the first column that looks like an address; headings are left out."""
    for number, line in enumerate(lines, start=1):
        cells = [
            cell for cell in line.replace(";", ",").replace("\t", ",").strip("\ufeff \r\n").split(",") if cell.strip()
        ]
        if not cells:
            continue
        kind = next((cell.strip() for cell in cells if cell.strip() in Kind.values), "")
        found = next((cell for cell in cells if parse_address(cell) is not None), None)
        if found is None and number == 1:
            continue
        yield number, f"{kind}:{found}" if kind and found is not None else found if found is not None else cells[0]


def parse_line(text: str) -> ParsedAddress | None:
    kind, colon, value = text.partition(":")
    if colon and kind in Kind.values:
        parsed = parse_address(value)
        return ParsedAddress(kind, parsed.value_hash) if parsed is not None else None
    return parse_address(text)


def import_suppressions(
    lines: Iterable[str], *, source: str, at: datetime, is_dry_run: bool, reason: str = Suppression.Reason.IMPORT
) -> ImportResult:
    """Import a file; a dry run only counts. Flat memory for any number of lines, except for the problems shown."""
    new = known = 0
    problems: list[tuple[int, str]] = []
    for batch in batched(read_addresses(lines), BATCH):
        parsed: dict[ParsedAddress, None] = {}
        for number, text in batch:
            address = parse_line(text)
            if address is None:
                problems.append((number, "–"))
            else:
                parsed[address] = None
        present = count_present(list(parsed))
        known += present
        new += len(parsed) - present
        if not is_dry_run:
            suppress(parsed, reason=reason, source=source, at=at)
    if not is_dry_run:
        record_action(
            "suppressions.imported", model=Suppression, details={"source": source, "new": new, "known": known}
        )
    return ImportResult(new, known, problems[:50], source)


def count_present(addresses: Sequence[ParsedAddress]) -> int:
    hashes = [address.value_hash for address in addresses]
    rows = set(Suppression.objects.filter(value_hash__in=hashes).values_list("kind", "value_hash"))
    return sum((address.kind, address.value_hash) in rows for address in addresses)


def undo_import(*, source: str) -> int:
    """Remove what an import added; return how many."""
    deleted, _by_model = Suppression.objects.filter(source=source, reason=Suppression.Reason.IMPORT).delete()
    record_action("suppressions.import_undone", model=Suppression, details={"source": source, "removed": deleted})
    return deleted


def export_suppressions() -> Iterator[str]:
    """Yield the list as CSV. Only keyed hashes are stored, so only these can be exported; they can be imported again."""
    record_export(model=Suppression, pks=[], count=Suppression.objects.count())
    yield format_csv([COLUMNS])
    rows = Suppression.objects.order_by("pk").values_list("kind", "value_hash", "reason", "source", "added_at")
    for block in batched(rows.iterator(chunk_size=BATCH), BATCH):
        yield format_csv(block)
