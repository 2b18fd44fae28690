"""The file of what an import refused: where, which field, which value, why."""

import csv
import re
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO

from catalog.bulk_results import Problem


class ErrorFile:
    """A CSV that comes into being with its first line, with a mark by which spreadsheets know it is UTF-8."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.stream: TextIO | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.stream is not None:
            self.stream.close()

    @property
    def exists(self) -> bool:
        return self.stream is not None

    def write(self, line: int, problems: Iterable[Problem]) -> None:
        if self.stream is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.stream = self.path.open("w", encoding="utf-8-sig", newline="")
            csv.writer(self.stream).writerow(["line", "field", "value", "problem", "reason"])
        csv.writer(self.stream).writerows(
            [line, defuse(one.field), defuse(one.value), one.code, defuse(one.message)] for one in problems
        )


def defuse(text: str) -> str:
    """A spreadsheet must not take a refused value for a formula."""
    if text.startswith(("=", "+", "-", "@", "\t", "\r")) and not re.fullmatch(r"[+-]?[\d.,]+", text):
        return f"'{text}"
    return text
