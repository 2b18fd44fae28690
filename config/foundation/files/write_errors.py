"""Names the file in the errors of a full disk: Python leaves it out of an error that happens while a file is written."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# errors of writing only, so that the same block can read another file
WRITE_ERRORS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS})


@contextmanager
def name_written_file(path: Path) -> Iterator[None]:
    """Add the file to a write error of the block that has no file name."""
    try:
        yield
    except OSError as error:
        if error.filename is None and error.errno in WRITE_ERRORS:
            error.filename = str(path)
        raise
