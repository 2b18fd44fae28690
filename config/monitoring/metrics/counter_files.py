"""Reserves the space of the files in which processes count, so that a full disk does not end processes.

prometheus_client maps sparse files into memory. A process that writes to a page of such a file, for which the disk has no space left, is
ended by SIGBUS: on a full disk, this would end every web process, worker and scheduler, again after each restart.
"""

import mmap
import os
from contextlib import suppress

from prometheus_client import values
from prometheus_client.mmap_dict import MmapedDict

from config.foundation.files.write_errors import WRITE_ERRORS

INITIAL_BYTES = 1 << 16  # as in prometheus_client
ENTRY_BYTES = 32  # of a value, its time, the length of its name and the padding, at most


class ReservedCounters(MmapedDict):
    """Counters in a file whose space is reserved; those for which there is no space are in memory, where scrapes do not see them."""

    def __init__(self, filename: str, read_mode: bool = False) -> None:
        if read_mode or reserve_file(filename):
            super().__init__(filename, read_mode)
            return
        descriptor = os.memfd_create("counters")
        try:
            super().__init__(f"/proc/self/fd/{descriptor}")
        finally:
            os.close(descriptor)

    def _init_value(self, key: str) -> None:
        if self._used + len(key.encode()) + ENTRY_BYTES > self._capacity:
            self._reserve_growth()
        super()._init_value(key)

    def _reserve_growth(self) -> None:
        """Reserve the space that the file takes next; without it, continue with a copy in memory."""
        try:
            os.posix_fallocate(self._f.fileno(), 0, 2 * self._capacity)
        except OSError as error:
            if error.errno not in WRITE_ERRORS:
                raise
            memory = os.fdopen(os.memfd_create("counters"), "r+b", buffering=0)
            memory.write(self._m[:])
            self._m.close()
            self._f.close()
            self._f = memory
            self._m = mmap.mmap(memory.fileno(), self._capacity)


def reserve_file(filename: str) -> bool:
    """Create a file if it does not exist, and reserve its space; return False if the disk has none, or cannot be written."""
    try:
        descriptor = os.open(filename, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        if error.errno not in WRITE_ERRORS:
            raise
        return False
    try:
        os.posix_fallocate(descriptor, 0, max(os.fstat(descriptor).st_size, INITIAL_BYTES))
    except OSError as error:
        if error.errno not in WRITE_ERRORS:
            raise
        if not os.fstat(descriptor).st_size:
            with suppress(FileNotFoundError):
                os.unlink(filename)  # an empty file would make every scrape fail
        return False
    finally:
        os.close(descriptor)
    return True


def reserve_counter_files() -> None:
    """Let prometheus_client reserve the space of its files; call this before the first counter is made."""
    if hasattr(os, "posix_fallocate") and hasattr(os, "memfd_create"):  # on Linux
        values.MmapedDict = ReservedCounters  # type: ignore[misc]
