"""Reads texts with a label from a CSV file, to train a start model from and to measure with."""

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from config.foundation.csv_cells import LONG_CELLS
from config.foundation.text_encoding import detect_8bit_encoding, detect_byte_order_mark, detect_utf16

POSITIVE = frozenset({"1", "1.0", "positive", "pos", "true"})
NEGATIVE = frozenset({"0", "0.0", "negative", "neg", "false"})
COLUMNS = ("label", "review")
HEAD_BYTES = 4096


class LabeledFileError(Exception):
    """The file cannot be used; the message says why."""


@dataclass
class LabeledTexts:
    """Texts with whether each is positive. empty: how many rows had no text and were left out."""

    texts: list[str] = field(default_factory=list)
    is_positive: list[bool] = field(default_factory=list)
    empty: int = 0


def read_labeled_texts(path: Path) -> LabeledTexts:
    """Read a CSV file with the columns label (0 or 1) and review.

    Raises:
        LabeledFileError: it cannot be read, has no such columns, an unknown label or no text.
    """
    result = LabeledTexts()
    with open_labeled_file(path) as stream:
        reader = csv.DictReader(stream)
        names = {(name or "").strip().lower(): name for name in reader.fieldnames or []}
        missing = [name for name in COLUMNS if name not in names]
        if missing:
            raise LabeledFileError(
                f"{path} has no column {' and '.join(missing)}; its first line is {', '.join(reader.fieldnames or []) or 'empty'}."
            )
        label_name, text_name = (names[name] for name in COLUMNS)
        for row in reader:
            label, text = (row[label_name] or "").strip().lower(), (row[text_name] or "").strip()
            if label not in POSITIVE | NEGATIVE:
                raise LabeledFileError(
                    f"{path}, line {reader.line_num}: the label must be 0 or 1, got {label[:40] or 'nothing'}."
                )
            if not text:
                result.empty += 1
                continue
            result.texts.append(text)
            result.is_positive.append(label in POSITIVE)
    if not result.texts:
        raise LabeledFileError(f"{path} has no texts.")
    return result


@contextmanager
def open_labeled_file(path: Path) -> Iterator[TextIO]:
    """Open a file in its encoding. Errors in it are raised as LabeledFileError."""
    try:
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
        encoding = (
            detect_byte_order_mark(head) or detect_utf16(head) or detect_8bit_encoding(lambda: path.open("rb"))[0]
        )
        if encoding is None:
            raise LabeledFileError(f"{path} is not text in UTF-8, UTF-16, GB18030 or Windows-1252.")
        with LONG_CELLS, path.open(encoding=encoding, newline="") as stream:
            yield stream
    except OSError as error:
        raise LabeledFileError(f"{path} cannot be read: {error.strerror or error}.") from error
    except (csv.Error, UnicodeError) as error:
        raise LabeledFileError(f"{path} is not a CSV file: {error}.") from error
