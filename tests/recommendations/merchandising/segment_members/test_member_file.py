"""The file of segment members: written, mapped, replaced under its readers, damaged, and its writer killed."""

import logging
import os
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import redis
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext

from customers.identity.models import Identifier
from recommendations.merchandising.models import Rule
from recommendations.merchandising.segment_members.member_file import (
    SegmentMemberReader,
    encode_members,
    get_members_path,
    hash_identifier,
    replace_members_file,
    to_unsigned_hashes,
)
from recommendations.merchandising.segment_members.member_writer import (
    PAUSE_KEY,
    refresh_segment_members,
    write_segment_members,
)
from tests.child_processes import kill_after_output, start_child
from tests.makers import NOON, make_customer, make_identifier, make_profile, make_segment
from tests.waiting import wait_until

NO_SEGMENTS: frozenset[int] = frozenset()


@pytest.fixture(autouse=True)
def folder(settings: Any, tmp_path: Path) -> Path:
    settings.MERCHANDISING_DIR = tmp_path / "merchandising"
    return settings.MERCHANDISING_DIR


def hash_all(*identifiers: str) -> np.ndarray:
    return np.array([hash_identifier(identifier) for identifier in identifiers], np.uint64)


def write_members(members: dict[int, np.ndarray]) -> bool:
    return replace_members_file(path=get_members_path(), content=encode_members(members))


def make_reader() -> SegmentMemberReader:
    members = SegmentMemberReader()
    assert members.refresh()
    return members


def test_written_members_are_read() -> None:
    write_members({7: hash_all("user_id:1", "user_id:2"), 9: hash_all("user_id:2", "anonymous_id:2"), 11: hash_all()})
    members = make_reader()
    assert members.find_segments(["user_id:1"]) == {7}
    assert members.find_segments(["user_id:2"]) == {7, 9}
    assert members.find_segments(["anonymous_id:2", "user_id:1"]) == {7, 9}
    assert members.find_segments(["user_id:3", "anonymous_id:1", "", "user_id:\ud800"]) == NO_SEGMENTS
    assert members.find_segments([]) == NO_SEGMENTS


def test_many_segments_and_members_are_read_as_written() -> None:
    rng = np.random.default_rng(1)
    identifiers = [f"user_id:{number}" for number in range(3000)]
    is_member = rng.random((70, len(identifiers))) < rng.random((70, 1)) / 4
    write_members({segment: hash_all(*np.array(identifiers)[is_member[segment]]) for segment in range(70)})
    members = make_reader()
    for number, identifier in enumerate(identifiers):
        assert members.find_segments([identifier]) == frozenset(np.flatnonzero(is_member[:, number]).tolist())


def test_without_a_file_all_segments_are_empty() -> None:
    members = SegmentMemberReader()
    assert not members.refresh()
    assert members.find_segments(["user_id:1"]) == NO_SEGMENTS


def test_a_deleted_file_has_no_members() -> None:
    write_members({7: hash_all("user_id:1")})
    members = make_reader()
    get_members_path().unlink()
    assert members.refresh()
    assert members.find_segments(["user_id:1"]) == NO_SEGMENTS
    assert not members.refresh()


def test_the_same_members_are_not_written_again() -> None:
    assert write_members({7: hash_all("user_id:1")})
    members = make_reader()
    assert not write_members({7: hash_all("user_id:1")})
    assert not members.refresh()


@pytest.mark.parametrize("damage", ["cut", "one bit", "header", "empty", "text"])
def test_a_damaged_file_has_no_members_and_is_logged_once(damage: str, caplog: pytest.LogCaptureFixture) -> None:
    write_members({7: hash_all("user_id:1", "user_id:2")})
    members = make_reader()
    content = bytearray(get_members_path().read_bytes())
    if damage == "cut":
        content = content[:-9]
    elif damage == "one bit":
        content[-40] ^= 1
    elif damage == "header":
        content[9] ^= 255
    elif damage == "empty":
        content = bytearray()
    else:
        content = bytearray(b"no such file " * 20)
    other = get_members_path().with_name("other")
    other.write_bytes(content)
    os.replace(other, get_members_path())
    with caplog.at_level(logging.ERROR):
        assert members.refresh()
        assert not members.refresh()
    assert members.find_segments(["user_id:1"]) == NO_SEGMENTS
    assert len(caplog.records) == 1
    assert str(get_members_path()) in caplog.text
    write_members({7: hash_all("user_id:1")})
    assert members.refresh()
    assert members.find_segments(["user_id:1"]) == {7}


def test_readers_see_the_old_or_the_new_file_complete_while_it_is_replaced() -> None:
    identifiers = [f"user_id:{number}" for number in range(500)]
    write_members({1: hash_all(*identifiers)})
    members = make_reader()
    stop, observed = threading.Event(), set()

    def read() -> None:
        while not stop.is_set():
            members.refresh()
            mapped = members.members
            assert mapped is not None
            segments = {mapped.find_segments([identifier]) for identifier in identifiers[::50]}
            assert len(segments) == 1
            observed.update(segments)

    readers = [threading.Thread(target=read) for _reader in range(3)]
    for reader in readers:
        reader.start()
    for segment in range(2, 60):
        write_members({segment: hash_all(*identifiers)})
        members.refresh()
        if segment == 30:
            wait_until(lambda: observed, what="a reader")
    wait_until(lambda: frozenset({59}) in observed, what="a reader of the last file")
    stop.set()
    for reader in readers:
        reader.join()
    assert members.find_segments(identifiers[:1]) == {59}
    assert len(observed) > 1


def test_hashes_hide_identifiers_and_depend_on_the_key_of_the_shop(settings: Any) -> None:
    before = hash_identifier("user_id:1")
    write_members({7: hash_all("user_id:1")})
    assert b"user_id" not in get_members_path().read_bytes()
    settings.HASH_KEYS = ["another key"]
    assert hash_identifier("user_id:1") != before


def make_rule(**fields: Any) -> Rule:
    return Rule.objects.create(**{"name": "hide tea", "action": "hide", "category": "Tea", **fields})


@pytest.mark.django_db
def test_the_task_writes_the_members_of_segments_used_in_rules() -> None:
    loyal, other = (
        make_segment("loyal", {"all": [{"field": "stage", "op": "in", "value": ["loyal"]}]}),
        make_segment("other"),
    )
    everyone, unused = make_segment("everyone"), make_segment("unused")
    for name, stage in (("ann", "loyal"), ("ben", "new"), ("客户 三", "loyal")):
        customer = make_customer(name)
        make_profile(customer, stage=stage)
        make_identifier(customer, f"browser of {name}", kind=Identifier.Kind.ANONYMOUS_ID)
        make_identifier(customer, name, kind=Identifier.Kind.EMAIL_HASH)
    make_rule(segment=loyal)
    make_rule(segment=loyal)
    make_rule(segment=everyone)
    make_rule(segment=other, enabled=False)
    summary = write_segment_members(as_of=NOON)
    assert (summary.segments, summary.identifiers, summary.has_changed, summary.failed_segments) == (2, 10, True, ())
    assert not write_segment_members(as_of=NOON).has_changed
    members = make_reader()
    assert members.find_segments(["user_id:ann"]) == {loyal.pk, everyone.pk}
    assert members.find_segments(["anonymous_id:browser of 客户 三"]) == {loyal.pk, everyone.pk}
    assert members.find_segments(["user_id:ben", "anonymous_id:browser of ben"]) == {everyone.pk}
    assert members.find_segments(["email_hash:ann", "user_id:nobody"]) == NO_SEGMENTS
    assert unused.pk not in members.find_segments(["user_id:ann"])


@pytest.mark.django_db
def test_a_segment_with_invalid_conditions_is_empty_and_does_not_affect_others(
    caplog: pytest.LogCaptureFixture,
) -> None:
    make_customer("ann")
    everyone, broken = make_segment("everyone"), make_segment("broken", {"field": "no such", "op": "eq"})
    make_rule(segment=everyone)
    make_rule(segment=broken)
    assert write_segment_members(as_of=NOON).failed_segments == ("broken",)
    assert "broken" in caplog.text
    assert make_reader().find_segments(["user_id:ann"]) == {everyone.pk}


@pytest.mark.django_db
def test_erased_customers_are_removed_and_without_segments_the_file_is_empty() -> None:
    make_customer("ann", erased_at=NOON)
    rule = make_rule(segment=make_segment("everyone"))
    write_segment_members(as_of=NOON)
    assert make_reader().find_segments(["user_id:ann"]) == NO_SEGMENTS
    rule.delete()
    assert write_segment_members(as_of=NOON).segments == 0
    assert make_reader().find_segments(["user_id:ann"]) == NO_SEGMENTS


def refresh(seconds: float) -> tuple[bool, int]:
    """Refresh the file in a run that takes some seconds; return whether it ran and how often identifiers were read."""
    times = iter((100.0, 100.0 + seconds))
    with CaptureQueriesContext(
        connection,
    ) as queries:
        summary = refresh_segment_members(as_of=NOON, clock=lambda: next(times))
    return summary is not None, sum("identity_identifier" in query["sql"] for query in queries)


@pytest.mark.django_db
def test_members_are_not_read_again_soon_after_a_slow_run_unless_a_segment_changes(valkey: redis.Redis) -> None:
    make_customer("ann")
    segment = make_segment("everyone")
    make_rule(segment=segment)
    assert refresh(seconds=60) == (True, 1)
    make_customer("ben")
    assert refresh(seconds=60) == (False, 0)
    other = make_segment("other")
    make_rule(segment=other)
    assert refresh(seconds=60) == (True, 2)
    assert make_reader().find_segments(["user_id:ben"]) == {segment.pk, other.pk}
    other.condition = {"all": [{"field": "stage", "op": "in", "value": ["loyal"]}]}
    other.save()
    assert refresh(seconds=60) == (True, 2)
    assert refresh(seconds=60) == (False, 0)
    cache.delete(PAUSE_KEY)  # as at its end
    assert refresh(seconds=1) == (True, 2)


@pytest.mark.django_db
def test_members_are_read_in_every_run_while_the_runs_are_fast(valkey: redis.Redis) -> None:
    make_customer("ann")
    make_rule(segment=make_segment("everyone"))
    assert [refresh(seconds=3), refresh(seconds=3)] == [(True, 1), (True, 1)]


@pytest.mark.django_db
def test_database_and_python_compute_the_same_hashes() -> None:
    for name in ("1", "a b", "客户", "é" * 200, "'; --"):
        make_customer(name)
    make_rule(segment=make_segment("everyone"))
    assert write_segment_members(as_of=NOON).identifiers == 5
    members = make_reader()
    assert all(members.find_segments([f"user_id:{name}"]) for name in ("1", "a b", "客户", "é" * 200, "'; --"))
    assert to_unsigned_hashes([-1, 1]).tolist() == [2**64 - 1, 1]


WRITE_UNTIL = """
import os, sys
from pathlib import Path
from datetime import UTC, datetime
from recommendations.merchandising.segment_members import member_file, member_writer

def stop(*args):
    print("reached", flush=True)
    sys.stdin.read()

function_name = os.environ["STOP_AT"]
owner = {
    "combine_segments": member_file,
    "encode_members": member_writer,
    "fsync": os,
    "replace": os,
    "read_member_hashes": member_writer,
}[function_name]
setattr(owner, function_name, stop)
member_writer.write_segment_members(as_of=datetime(2026, 11, 24, 12, tzinfo=UTC))
"""


@pytest.mark.acceptance
@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "function_name", ["read_member_hashes", "combine_segments", "encode_members", "fsync", "replace"]
)
def test_a_killed_writer_leaves_the_old_file(function_name: str, folder: Path) -> None:
    make_customer("ann")
    segment = make_segment("everyone")
    make_rule(segment=segment)
    write_members({segment.pk: hash_all("user_id:old")})
    before = get_members_path().read_bytes()
    kill_after_output(start_child(WRITE_UNTIL, STOP_AT=function_name, MERCHANDISING_DIR=str(folder)), "reached")
    assert get_members_path().read_bytes() == before
    assert make_reader().find_segments(["user_id:old"]) == {segment.pk}
    assert write_segment_members(as_of=NOON).has_changed
    assert make_reader().find_segments(["user_id:ann"]) == {segment.pk}
    assert [path.name for path in folder.iterdir()] == [get_members_path().name], "no temporary file is left"
