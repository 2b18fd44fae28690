"""Where data is stored: columns of tables, kinds of files, patterns of Valkey keys."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase


class LocationKind(StrEnum):
    """What a location is."""

    TABLE = "table"
    FILE = "file"
    KEY = "key"


@dataclass(frozen=True, slots=True)
class StoredLocation:
    """A place where data is stored.

    Attributes:
        name: "app.model" in lowercase; the pattern of a file below a folder of `list_file_roots`, such as "exports/imports/*"; or the
            pattern of a Valkey key, such as "recent:*".
        columns: of a table; ("*",) stands for all of them.
    """

    kind: LocationKind
    name: str
    columns: tuple[str, ...] = ()

    def covers_column(self, model: str, column: str) -> bool:
        """Return whether this location is a table that includes the column."""
        is_table = self.kind is LocationKind.TABLE and self.name == model
        return is_table and (self.columns == ("*",) or column in self.columns)

    def covers_name(self, kind: LocationKind, name: str) -> bool:
        """Return whether a file or key matches the pattern."""
        return self.kind is kind and fnmatchcase(name, self.name)

    def __str__(self) -> str:
        return f"{self.kind} {self.name}" + (f" ({', '.join(self.columns)})" if self.columns else "")


def table(model: str, *columns: str) -> StoredLocation:
    """Return a table with these columns, by default with all. model: "app.Model"."""
    return StoredLocation(LocationKind.TABLE, model.lower(), columns or ("*",))


def files(*patterns: str) -> Iterator[StoredLocation]:
    """Yield kinds of files by patterns such as "exports/imports/*", where * also matches slashes."""
    return (StoredLocation(LocationKind.FILE, pattern) for pattern in patterns)


def keys(*patterns: str) -> Iterator[StoredLocation]:
    """Yield Valkey keys by patterns such as "recent:*"."""
    return (StoredLocation(LocationKind.KEY, pattern) for pattern in patterns)
