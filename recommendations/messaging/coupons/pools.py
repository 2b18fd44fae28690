"""Codes of coupon pools: import, generation and counts."""

import csv
import io
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import batched

from django.db import connection
from django.db.models import F, QuerySet
from django.utils.translation import gettext as _

from recommendations.messaging.models import CouponPool

ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"  # without letters and digits that look alike
MAX_CODE = 100
MAX_GENERATED = 1_000_000
BATCH = 10_000
ADD_SQL = """
WITH added AS (
    INSERT INTO messaging_couponcode (pool_id, code) SELECT %(pool)s, code FROM unnest(%(codes)s::text[]) AS given (code)
    ON CONFLICT (pool_id, code) DO NOTHING RETURNING id
)
UPDATE messaging_couponpool SET code_count = code_count + added.number
FROM (SELECT count(*) AS number FROM added) AS added WHERE id = %(pool)s RETURNING added.number
"""


class CouponFileError(ValueError):
    """A file of codes that cannot be read; the message names the line and the fix."""


@dataclass(frozen=True)
class AddedCodes:
    """How many codes were added, and how many the pool had already or the file had twice."""

    added: int
    repeated: int


def count_codes(pools: QuerySet[CouponPool]) -> QuerySet[CouponPool]:
    """Annotate pools with `total` and `free`."""
    return pools.annotate(total=F("code_count"), free=F("code_count") - F("claimed_count"))


def is_expired(pool: CouponPool, *, now: datetime) -> bool:
    return pool.expires_at is not None and pool.expires_at <= now


def describe_state(pool: CouponPool, *, now: datetime) -> tuple[str, str]:
    """Return the state of an annotated pool and its kind for a badge."""
    if is_expired(pool, now=now):
        return _("expired"), "warns"
    if not pool.total:  # type: ignore[attr-defined]
        return _("no codes"), "warns"
    if not pool.free:  # type: ignore[attr-defined]
        return _("used up"), "bad"
    return _("available"), "good"


def read_codes(text: str) -> list[str]:
    """Return the codes of a CSV file: its column "code", or its first column. Errors: CouponFileError."""
    reader = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""))
    try:
        rows = list(reader)
    except csv.Error as error:  # a text in quotation marks that is longer than the csv module reads
        raise CouponFileError(
            _("The file cannot be read after line %(line)d. Check for an unclosed quotation mark.")
            % {"line": reader.line_num}
        ) from error
    if not rows:
        raise CouponFileError(_("The file is empty. Put one code on each line."))
    header = [cell.strip().lower() for cell in rows[0]]
    column = header.index("code") if "code" in header else 0
    start = 1 if "code" in header else 0
    codes = []
    for number, row in enumerate(rows[start:], start=start + 1):
        code = row[column].strip() if len(row) > column else ""
        if not code:
            continue
        if len(code) > MAX_CODE or not code.isprintable():
            raise CouponFileError(
                _(
                    "Line %(line)d: “%(code)s” is not a code of at most %(max)d printable characters. Correct it and import again."
                )
                % {"line": number, "code": code[:40], "max": MAX_CODE}
            )
        codes.append(code)
    if not codes:
        raise CouponFileError(_("The file has no codes. Put one code on each line, or name a column “code”."))
    return codes


def add_codes(*, pool: CouponPool, codes: Iterable[str]) -> AddedCodes:
    """Add codes that the pool does not have; a repeated import adds nothing."""
    added = total = 0
    with connection.cursor() as cursor:
        for batch in batched(codes, BATCH):
            cursor.execute(ADD_SQL, {"pool": pool.pk, "codes": list(batch)})
            added += sum(number for (number,) in cursor.fetchall())
            total += len(batch)
    return AddedCodes(added, total - added)


def generate_codes(*, count: int, prefix: str = "", length: int = 8) -> Iterator[str]:
    """Yield random codes that cannot be guessed. Errors: ValueError."""
    if not 1 <= count <= MAX_GENERATED:
        raise ValueError(
            _("The number of codes is %(count)d; valid: 1 to %(max)d.") % {"count": count, "max": MAX_GENERATED}
        )
    if not 6 <= length <= 40 or len(prefix) + length > MAX_CODE:
        raise ValueError(_("The length of a code is %(length)d; valid: 6 to 40.") % {"length": length})
    for _number in range(count):
        yield prefix + "".join(secrets.choice(ALPHABET) for _position in range(length))
