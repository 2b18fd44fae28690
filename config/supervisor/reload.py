"""The reload of running programs: what replaces what, and until when."""

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

READY_VARIABLE = "PERENNIAL_READY_FD"
START_SECONDS = 300.0  # for the new processes of a program to be ready
RETIRE_SECONDS = 120.0  # for the old ones to end; a training ends early
MAX_READY_BYTES = 64


class EnvironmentFileError(Exception):
    """A file of environment variables cannot be read."""


def read_environment_file(path: Path) -> dict[str, str]:
    """Return the variables of lines NAME=VALUE, as systemd and compose read them; # begins a comment line.

    Raises:
        EnvironmentFileError
    """
    try:
        lines = path.read_text().splitlines()
    except OSError as error:
        raise EnvironmentFileError(f"{path} cannot be read: {error.strerror}.") from error
    variables = {}
    for number, line in enumerate(lines, start=1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        name, sign, value = text.partition("=")
        if not sign or not name.strip().isidentifier():
            raise EnvironmentFileError(f"{path}, line {number}: {text[:50]!r} is not NAME=VALUE.")
        value = value.strip()
        quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "'\""
        variables[name.strip()] = value[1:-1] if quoted else value
    return variables


@dataclass
class ReadinessPipe:
    """A pipe to which each process of a program writes one byte when it is ready."""

    reader: int = -1
    writer: int = -1
    count: int = field(default=0)

    def __post_init__(self) -> None:
        self.reader, self.writer = os.pipe()
        os.set_blocking(self.reader, False)

    @property
    def variables(self) -> Mapping[str, str]:
        return {READY_VARIABLE: str(self.writer)}

    def count_ready(self) -> int:
        """Return how many processes are ready."""
        with suppress(BlockingIOError):
            self.count += len(os.read(self.reader, MAX_READY_BYTES))
        return self.count

    def close(self) -> None:
        for descriptor in (self.reader, self.writer):
            if descriptor >= 0:
                os.close(descriptor)
        self.reader = self.writer = -1
