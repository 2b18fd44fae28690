"""Saves and deletes segments so that none is left that cannot work; makes fixed lists."""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import Any

from django.db import transaction
from django.utils.text import slugify
from django.utils.translation import gettext as _

from customers.identity.models import Identifier
from customers.segments.conditions.catalog_names import check_catalogue_names
from customers.segments.conditions.compiler import comparisons, compile_condition
from customers.segments.conditions.fields import Kind
from customers.segments.conditions.parsing import ConditionError, read_condition
from customers.segments.models import Segment, SegmentMember

RESERVED_KEYS = ("fields", "preview")


class SegmentInUseError(Exception):
    """Other segments refer to the segment."""


def check_condition(*, condition: object, key: str, as_of: datetime) -> None:
    """That a condition of the segment ``key`` can work now: types, operators, names, other segments, no circle.

    Raises:
        ConditionError: it cannot.
    """
    compile_condition(condition, as_of=as_of, within=(key,) if key else ())
    check_catalogue_names(read_condition(condition))


def referring_keys(*, key: str) -> list[str]:
    """The keys of the segments whose condition names this one."""
    return [
        segment.key
        for segment in Segment.objects.filter(kind=Segment.Kind.LIVE).exclude(key=key)
        if key in referred_keys(segment)
    ]


def referred_keys(segment: Segment) -> set[str]:
    try:
        found = comparisons(read_condition(segment.condition))
    except ConditionError:
        return set()  # a tree that cannot be read refers to nothing; counting it records the error
    return {key for comparison in found if comparison.field.kind == Kind.SEGMENT for key in comparison.value}


def refuse_when_in_use(*, segment: Segment) -> None:
    """
    Raises:
        SegmentInUseError: a segment or a campaign would lose its ground.
    """
    if keys := referring_keys(key=segment.key):
        raise SegmentInUseError(
            _("%(name)s is used by these segments: %(keys)s. Change them first.")
            % {"name": segment.name, "keys": ", ".join(keys)}
        )


@dataclass(frozen=True)
class ListResult:
    """What became of the user ids for a fixed list."""

    added: int
    already_on_it: int
    unknown: list[str]


def add_to_list(*, segment: Segment, user_ids: Iterable[str]) -> ListResult:
    """Puts customers on a fixed list; user ids that nobody has are returned. Doing it again changes nothing."""
    wanted = dict.fromkeys(user_ids)
    with transaction.atomic():
        found = dict(
            Identifier.objects.filter(
                kind=Identifier.Kind.USER_ID, value__in=list(wanted), customer__erased_at__isnull=True
            ).values_list("value", "customer_id")
        )
        customers = set(found.values())
        before = segment.members.count()
        SegmentMember.objects.bulk_create(
            (SegmentMember(segment=segment, customer_id=customer) for customer in sorted(customers)),
            ignore_conflicts=True,
            batch_size=5000,
        )
        added = segment.members.count() - before
    return ListResult(added, len(customers) - added, [user_id for user_id in wanted if user_id not in found])


def replace_list(*, segment: Segment, user_ids: Sequence[str]) -> ListResult:
    """Makes a fixed list hold exactly these customers."""
    with transaction.atomic():
        segment.members.all().delete()
        return add_to_list(segment=segment, user_ids=user_ids)


class ListFileError(ValueError):
    """A file of user ids that cannot be read."""


def read_user_ids(content: bytes) -> list[str]:
    """The column ``user_id`` of a CSV, or its first column when it has one column and no heading.

    Raises:
        ListFileError: not UTF-8, empty, or several columns of which none is called user_id.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ListFileError(
            _("The file is not UTF-8 (byte %(place)d). Save it as CSV UTF-8.") % {"place": error.start}
        ) from error
    rows = [
        row for row in csv.reader(io.StringIO(text.replace("\0", ""), newline="")) if any(cell.strip() for cell in row)
    ]
    if not rows:
        raise ListFileError(_("The file is empty. Give one user id a line, or a CSV with a column user_id."))
    heading = [cell.strip().lower() for cell in rows[0]]
    if "user_id" in heading:
        column, rows = heading.index("user_id"), rows[1:]
    elif len(heading) == 1:
        column = 0
    else:
        raise ListFileError(
            _("The file has the columns %(columns)s; one must be called user_id.") % {"columns": ", ".join(rows[0])}
        )
    return [row[column].strip() for row in rows if len(row) > column and row[column].strip()]


class NameTakenError(ValueError):
    """A segment has this name's key already."""


def make_fixed_list(*, name: str, description: str, customer_ids: Sequence[int]) -> Segment:
    """A new fixed list of customers.

    Raises:
        NameTakenError: there is a segment of that name's key.
    """
    with transaction.atomic():
        segment = new_segment(name=name, description=description, kind=Segment.Kind.FIXED)
        SegmentMember.objects.bulk_create(
            (SegmentMember(segment=segment, customer_id=customer) for customer in customer_ids), batch_size=5000
        )
    return segment


def new_segment(*, name: str, description: str, **fields: Any) -> Segment:
    """A new segment whose key is made of the name; of one without Latin letters or digits, of its hash.

    Raises:
        NameTakenError: there is a segment of that key.
    """
    key = slugify(name)[:100] or f"list-{blake2b(name.encode(), digest_size=4).hexdigest()}"
    if key in RESERVED_KEYS:
        raise NameTakenError(_("This key is taken by an address of the API."))
    segment, created = Segment.objects.get_or_create(
        key=key, defaults={"name": name[:200], "description": description, **fields}
    )
    if not created:
        raise NameTakenError(_("There is a segment with the key %(key)s; choose another name.") % {"key": key})
    return segment
