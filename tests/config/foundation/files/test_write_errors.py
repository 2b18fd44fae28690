"""A full disk is reported with the file that was written."""

from pathlib import Path

import pytest

from catalog.bulk_results import FieldProblem
from catalog.feeds.error_file import ErrorFile
from config.foundation.files.write_errors import name_written_file

FULL = Path("/dev/full")


def test_a_write_error_names_the_file_and_other_errors_stay() -> None:
    with pytest.raises(OSError, match="/dev/full"), name_written_file(FULL), FULL.open("w") as file:
        file.write("x")
    with pytest.raises(OSError, match="unreadable") as raised, name_written_file(FULL):
        raise OSError("unreadable")
    assert raised.value.filename is None


def test_the_error_file_of_an_import_names_itself(tmp_path: Path) -> None:
    path = tmp_path / "rejected.csv"
    path.symlink_to(FULL)
    with pytest.raises(OSError) as raised, ErrorFile(path) as errors:
        errors.write(2, [FieldProblem("price", "invalid", "not a number", "x")])
    assert raised.value.filename == str(path)
