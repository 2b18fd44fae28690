"""Checks conditions and deletions of segments, and edits the lists of static segments."""

import csv
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import Any

from django.db import transaction
from django.utils.text import slugify
from django.utils.translation import gettext as _

from config.foundation.number_formats import get_sentence_space
from customers.identity.models import Identifier
from customers.segments.conditions.catalog_names import check_catalog_names
from customers.segments.conditions.compiler import compile_condition, list_comparisons
from customers.segments.conditions.condition_tree import ConditionError
from customers.segments.conditions.fields import FieldType
from customers.segments.conditions.parsing import parse_condition
from customers.segments.models import Segment, SegmentMember
from customers.segments.usage import list_segment_users

RESERVED_KEYS = ("fields", "preview")


class SegmentInUseError(Exception):
    """Other segments, or reports, flows, campaigns or destinations, refer to the segment."""


def check_condition(*, condition: object, key: str, as_of: datetime) -> None:
    """Check the condition of the segment ``key``: types, operators, names, references and cycles.

    Raises:
        ConditionError: the condition is not valid.
    """
    compile_condition(condition, as_of=as_of, within=(key,) if key else ())
    check_catalog_names(parse_condition(condition))


def find_referring_keys(*, key: str) -> list[str]:
    """Return the keys of the segments whose condition refers to this one."""
    return [
        segment.key
        for segment in Segment.objects.filter(kind=Segment.Kind.DYNAMIC).exclude(key=key)
        if key in list_referred_keys(segment)
    ]


def list_referred_keys(segment: Segment) -> set[str]:
    return list_condition_segments(segment.condition)


def list_condition_segments(condition: object) -> set[str]:
    """Return the keys of the segments that a condition refers to."""
    try:
        comparisons = list_comparisons(parse_condition(condition))
    except ConditionError:
        return set()  # an invalid condition refers to nothing; its error is recorded when it is counted
    return {key for comparison in comparisons if comparison.field.kind == FieldType.SEGMENT for key in comparison.value}


def check_not_in_use(*, segment: Segment) -> None:
    """Raise SegmentInUseError if other segments, or anything registered in `usage`, refer to the segment."""
    if keys := find_referring_keys(key=segment.key):
        raise SegmentInUseError(
            _("%(name)s is used by these segments: %(keys)s. Change them first.")
            % {"name": segment.name, "keys": ", ".join(keys)}
        )
    if names := list_segment_users(segment.key):
        raise SegmentInUseError(_("The segment is used by %(names)s.") % {"names": ", ".join(names)})


@dataclass(frozen=True)
class MemberListResult:
    """The result of adding user IDs to a static segment."""

    added: int
    already_members: int
    unknown: list[str]


def add_members(*, segment: Segment, user_ids: Iterable[str]) -> MemberListResult:
    """Add customers to a static segment; unknown user IDs are returned. Idempotent."""
    unique_ids = dict.fromkeys(user_ids)
    with transaction.atomic():
        known = dict(
            Identifier.objects.filter(
                kind=Identifier.Kind.USER_ID, value__in=list(unique_ids), customer__erased_at__isnull=True
            ).values_list("value", "customer_id")
        )
        customers = set(known.values())
        # bulk_create with ignore_conflicts does not report which rows are new, so the members are counted
        count_before = segment.members.count()
        SegmentMember.objects.bulk_create(
            (SegmentMember(segment=segment, customer_id=customer) for customer in sorted(customers)),
            ignore_conflicts=True,
            batch_size=5000,
        )
        added = segment.members.count() - count_before
    return MemberListResult(added, len(customers) - added, [user_id for user_id in unique_ids if user_id not in known])


def replace_members(*, segment: Segment, user_ids: Sequence[str]) -> MemberListResult:
    """Make the static segment contain exactly these customers."""
    with transaction.atomic():
        segment.members.all().delete()
        return add_members(segment=segment, user_ids=user_ids)


class MemberFileError(ValueError):
    """A file of user IDs that cannot be read."""


def read_user_ids(content: bytes) -> list[str]:
    """Return the ``user_id`` column of a CSV file, or its only column if it has no header.

    Raises:
        MemberFileError: not UTF-8, empty, an unclosed quotation mark, or several columns and none is called user_id.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise MemberFileError(
            _("The file is not UTF-8 (byte %(position)d). Save it as CSV UTF-8.") % {"position": error.start}
        ) from error
    rows = _read_rows(text.replace("\0", ""))
    if not rows:
        raise MemberFileError(
            _("The file is empty. Put one user ID on each line, or use a CSV file with a user_id column.")
        )
    header = [cell.strip().lower() for cell in rows[0]]
    if "user_id" in header:
        column, rows = header.index("user_id"), rows[1:]
    elif len(header) == 1:
        column = 0
    else:
        raise MemberFileError(
            _("Missing column user_id. Columns in the file: %(columns)s.") % {"columns": ", ".join(rows[0])}
        )
    return [row[column].strip() for row in rows if len(row) > column and row[column].strip()]


def _read_rows(text: str) -> list[list[str]]:
    """Return the rows of a CSV text that are not blank. Raises MemberFileError."""
    rows: list[list[str]] = []
    line = 1
    # without the strict mode, a quotation mark that is never closed would turn the rest of the file into one user ID
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        for row in reader:
            line = reader.line_num + 1
            if any(cell.strip() for cell in row):
                rows.append(row)
    except csv.Error as error:
        message = _("The row cannot be read: %(reason)s.") % {"reason": error}
        if reader.line_num > line:
            message += get_sentence_space() + _(
                "Lines %(first)d to %(last)d were read as one row; check for an unclosed quotation mark."
            ) % {"first": line, "last": reader.line_num}
        raise MemberFileError(message) from error
    return rows


class NameTakenError(ValueError):
    """A segment with the key of this name already exists."""


def create_static_segment(*, name: str, description: str, customer_ids: Sequence[int]) -> Segment:
    """Create a static segment of these customers.

    Raises:
        NameTakenError: a segment with the key of this name already exists.
    """
    with transaction.atomic():
        segment = create_segment(name=name, description=description, kind=Segment.Kind.STATIC)
        SegmentMember.objects.bulk_create(
            (SegmentMember(segment=segment, customer_id=customer) for customer in customer_ids), batch_size=5000
        )
    return segment


def make_segment_key(name: str) -> str:
    """Return the key derived from a name, or from a hash of the name if it has no Latin letters, as in Chinese."""
    key = slugify(name)[:100]
    return key if re.search("[a-z]", key) else f"list-{blake2b(name.encode(), digest_size=4).hexdigest()}"


def create_segment(*, name: str, description: str, **fields: Any) -> Segment:
    """Create a segment with a key derived from its name.

    If the name has no Latin letters or digits, the key is derived from a hash of it.

    Raises:
        NameTakenError: a segment with this key already exists.
    """
    key = make_segment_key(name)
    if key in RESERVED_KEYS:
        raise NameTakenError(_("This key is reserved by the REST API."))
    segment, created = Segment.objects.get_or_create(
        key=key, defaults={"name": name[:200], "description": description, **fields}
    )
    if not created:
        raise NameTakenError(_("A segment with the key %(key)s already exists; choose another name.") % {"key": key})
    return segment
