"""Keep the file of segment members up to date."""

import hashlib
import json
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.core.cache import cache
from django.db import Error, transaction
from django.db.models import BigIntegerField, F, Func, QuerySet, Value
from kombu.exceptions import OperationalError

from config.foundation.keys.hash_keys import get_hash_key
from customers.identity.models import Customer, Identifier
from customers.segments.conditions.condition_tree import ConditionError
from customers.segments.membership import query_members
from customers.segments.models import Segment
from recommendations.merchandising.segment_members.member_file import (
    Hashes,
    build_member_file,
    encode_members,
    get_members_path,
    make_hash_prefix,
    replace_members_file,
    to_unsigned_hashes,
)

logger = logging.getLogger(__name__)

# the identifiers by which requests name a visitor
IDENTIFIER_KINDS = (Identifier.Kind.USER_ID, Identifier.Kind.ANONYMOUS_ID)
# All members are read and hashed again, which takes some ten seconds for millions of identifiers. After a slow run the next ones are left out
# until it has taken a twentieth of the time; runs of up to three seconds take place every minute.
PAUSE_FACTOR = 20
MIN_PAUSE = 60  # seconds; the schedule itself
PAUSE_KEY = "segment-members-written"


class IdentifierHash(Func):
    """`hash_identifier` in SQL, as a signed number."""

    template = "('x' || left(encode(sha256(convert_to(concat(%(expressions)s), 'UTF8')), 'hex'), 16))::bit(64)::bigint"
    output_field = BigIntegerField()


@dataclass(frozen=True)
class MemberFileSummary:
    """segments: number used in rules. identifiers: number in any of them. failed_segments: keys whose members are unknown."""

    segments: int
    identifiers: int
    has_changed: bool
    failed_segments: tuple[str, ...]


def refresh_segment_members(
    *, as_of: datetime, clock: Callable[[], float] = time.perf_counter
) -> MemberFileSummary | None:
    """Write the members unless a slow run has just done so for the same segments and conditions; return None then."""
    segments = list_used_segments()
    fingerprint = compute_fingerprint(segments)
    if cache.get(PAUSE_KEY) == fingerprint:
        return None
    began = clock()
    summary = write_segment_members(as_of=as_of, segments=segments)
    pause = round((clock() - began) * PAUSE_FACTOR)
    if pause > MIN_PAUSE:
        cache.set(PAUSE_KEY, fingerprint, pause)
    return summary


def list_used_segments() -> list[Segment]:
    """Return the segments used in enabled rules."""
    return list(Segment.objects.filter(rules__enabled=True).distinct().order_by("pk"))


def compute_fingerprint(segments: Sequence[Segment]) -> str:
    """Return a hash of the segments, of their conditions and of the key with which their members are hashed."""
    parts = [[segment.pk, segment.kind, segment.condition] for segment in segments]
    text = json.dumps([parts, make_hash_prefix(get_hash_key())], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def write_segment_members(*, as_of: datetime, segments: Sequence[Segment] | None = None) -> MemberFileSummary:
    """Write the members of the segments used in enabled rules.

    A segment whose query fails is written as empty.
    """
    hashes_by_segment: dict[int, Hashes] = {}
    failed = []
    segments = list_used_segments() if segments is None else segments
    for segment in segments:
        try:
            with transaction.atomic():  # a failed query must not abort a transaction around it
                hashes_by_segment[segment.pk] = read_member_hashes(query_members(segment=segment, as_of=as_of))
        except (ConditionError, Error) as error:
            logger.warning("Rules for the segment %s apply to no customer: %s", segment.key, error)
            failed.append(segment.key)
    mirror = build_member_file(get_members_path())
    mirror.update(at_once=True)  # what another machine wrote last
    changed = replace_members_file(path=mirror.path, content=encode_members(hashes_by_segment))
    if changed or not mirror.fingerprint:
        mirror.publish()
    identifiers = sum(len(hashes) for hashes in hashes_by_segment.values())
    return MemberFileSummary(len(segments), identifiers, changed, tuple(failed))


def read_member_hashes(customers: QuerySet[Customer]) -> Hashes:
    identifiers = Identifier.objects.filter(kind__in=IDENTIFIER_KINDS, customer__in=customers.values("pk")).annotate(
        hash=IdentifierHash(Value(make_hash_prefix(get_hash_key())), F("kind"), Value(":"), F("value"))
    )
    return to_unsigned_hashes(identifiers.values_list("hash", flat=True).iterator(chunk_size=50_000))


def request_members_file(*, start: Callable[[], object]) -> None:
    """Have the file written once the change of a rule is committed.

    Without a broker the schedule does it within a minute.
    """

    def start_after_commit() -> None:
        try:
            start()
        except OperationalError as error:
            logger.warning("Segment members will be written within a minute instead of now: %s", error)

    transaction.on_commit(start_after_commit)
