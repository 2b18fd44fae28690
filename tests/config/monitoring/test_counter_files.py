"""A full disk does not end processes that count: without reserved space, a write to the mapped file would be a SIGBUS."""

import errno
import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from prometheus_client import values
from prometheus_client.mmap_dict import MmapedDict

from config.monitoring.metrics.counter_files import INITIAL_BYTES, ReservedCounters
from config.settings import make_counter_folder

MANY = 2000

pytestmark = pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="needs Linux")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "counter_1.db"


@pytest.fixture
def counters(path: Path) -> Iterator[ReservedCounters]:
    with closing(ReservedCounters(str(path))) as opened:
        yield opened


def fill_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(descriptor: int, offset: int, length: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", fail)


def count(counters: MmapedDict, numbers: range) -> None:
    for number in numbers:
        counters.write_value(f"requests of the route {number}", float(number), 0.0)


def read_file(path: Path) -> dict[str, float]:
    return {key: value for key, value, _time, _position in MmapedDict.read_all_values_from_file(str(path))}


def test_the_space_of_a_file_is_reserved_also_when_it_grows(path: Path, counters: ReservedCounters) -> None:
    assert path.stat().st_size == INITIAL_BYTES
    for stop in (1, MANY):
        count(counters, range(stop))
        details = path.stat()
        assert details.st_blocks * 512 >= details.st_size
    assert path.stat().st_size > INITIAL_BYTES
    assert read_file(path) == {f"requests of the route {number}": number for number in range(MANY)}
    with closing(ReservedCounters(str(path))) as again:
        assert again.read_value("requests of the route 7")[0] == 7


def test_without_space_a_new_process_counts_in_memory_and_leaves_no_empty_file(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill_disk(monkeypatch)
    with closing(ReservedCounters(str(path))) as counters:
        count(counters, range(MANY))
        assert counters.read_value("requests of the route 7")[0] == 7
    assert not path.exists(), "a scrape cannot read an empty file"


def test_a_file_that_cannot_grow_continues_in_memory(
    path: Path, counters: ReservedCounters, monkeypatch: pytest.MonkeyPatch
) -> None:
    count(counters, range(10))
    fill_disk(monkeypatch)
    count(counters, range(10, MANY))
    assert [counters.read_value(f"requests of the route {number}")[0] for number in range(MANY)] == list(range(MANY))
    stored = read_file(path)
    assert stored["requests of the route 9"] == 9
    assert path.stat().st_size == INITIAL_BYTES


def test_other_errors_are_raised(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        ReservedCounters(str(tmp_path / "missing" / "counter_1.db"))


def test_programs_with_a_folder_for_counters_reserve_their_space(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(values, "MmapedDict", MmapedDict)
    monkeypatch.setenv("COUNTERS", str(tmp_path / "metrics"))
    make_counter_folder("COUNTERS")
    assert values.MmapedDict is ReservedCounters
