"""Reads the label tables: each line has a label of the package and its text, under headings for departments, categories and types."""

from collections.abc import Mapping
from enum import StrEnum
from functools import cache
from importlib.resources import files


class LabelLevel(StrEnum):
    """The three levels of the package's labels; the same label can have a different meaning on another level."""

    DEPARTMENT = "Departments"
    CATEGORY = "Categories"
    TYPE = "Types"


@cache
def read_labels(name: str) -> Mapping[LabelLevel, Mapping[str, str]]:
    """Return level → label of the package → text. A line that begins with # starts a level with its first word."""
    labels: dict[LabelLevel, dict[str, str]] = {level: {} for level in LabelLevel}
    level = LabelLevel.DEPARTMENT
    for line in files("config.demo").joinpath(name).read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            level = LabelLevel(line.removeprefix("#").split()[0].rstrip(":"))
        elif line:
            label, text = line.split("\t")
            labels[level][label] = text
    return labels
