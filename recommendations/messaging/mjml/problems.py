"""Problems of a source, with the line and the way to fix them."""

from dataclasses import dataclass

ERROR = "error"
WARNING = "warning"


@dataclass(frozen=True, order=True)
class SourceProblem:
    """A problem at a line and column, both from 1. An error prevents publishing; a warning does not."""

    line: int
    column: int
    message: str
    level: str = ERROR

    @property
    def is_error(self) -> bool:
        return self.level == ERROR


class SourceError(Exception):
    """A source that cannot be compiled, with all of its problems."""

    def __init__(self, problems: list[SourceProblem]) -> None:
        super().__init__("; ".join(f"{problem.line}:{problem.column} {problem.message}" for problem in problems))
        self.problems = problems


def find_position(source: str, offset: int) -> tuple[int, int]:
    """Return the line and column of an offset, both from 1."""
    before = source[:offset]
    return before.count("\n") + 1, offset - (before.rfind("\n") + 1) + 1


def make_problem(source: str, offset: int, message: str, level: str = ERROR) -> SourceProblem:
    line, column = find_position(source, offset)
    return SourceProblem(line, column, message, level)
