"""Reads randomized tests for benchmarks.uplift: finds treatment and outcome, encodes the features."""

import re
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from config.foundation.array_types import Flags, Floats

TREATMENTS = (
    "is_treatment", "treatment", "treated", "treatment_flg", "treatment_group", "treatment_flag", "is_treated", "promotion",
    "segment", "group", "w", "t",
)  # fmt: skip
OUTCOMES = (
    "response_att", "outcome", "purchase", "target", "response", "visit", "conversion", "converted", "conversions", "y", "label",
    "is_purchase", "purchased", "buy", "bought", "spend", "revenue",
)  # fmt: skip
AFTER = (
    "exposure",
    "exposed",
    "click",
    "clicked",
    "opened",
    "response_att",
)  # actions that only the treated can take, in addition to outcomes
IDENTIFIER = re.compile(r"^(unnamed: ?\d+|index|id|uid|cardholder|.*_id|.*id_number)$", re.IGNORECASE)
CONTROL = re.compile(r"^(0|0\.0|no|n|false|control|none|no[ _-].*|c|ctrl|holdout)$", re.IGNORECASE)
MAX_CATEGORIES = 30
MIN_GROUP = 100


@dataclass(frozen=True, eq=False)
class TestFile:
    """matrix: (n, k), may have NaN. treated, outcome: (n,)."""

    matrix: Floats
    treated: Flags
    outcome: Floats
    treatment: str
    outcome_name: str
    left_out: list[str]


def read_test_file(path: Path, *, treatment: str | None, outcome: str | None, drop: list[str]) -> TestFile:
    """Read a randomized test. Errors: SystemExit for an unreadable file, unknown columns, or too few customers."""
    frame = read_frame(path)
    unknown = [name for name in (treatment, outcome, *drop) if name and name not in frame]
    if unknown:
        sys.exit(f"{path} has no column {', '.join(unknown)}; it has {list_columns(frame)}")
    treatment = treatment or find_column(path, frame, "treatment", TREATMENTS)
    outcome = outcome or find_column(path, frame, "outcome", OUTCOMES)
    frame = frame.dropna(subset=[treatment, outcome])
    treated = parse_treatment(path, frame[treatment])
    values = parse_outcome(path, frame[outcome])
    if min(treated.sum(), (~treated).sum()) < MIN_GROUP:
        sys.exit(
            f"{path}: {treated.sum()} treated and {(~treated).sum()} control customers; at least {MIN_GROUP} of each are needed"
        )
    others = {name for name in frame if str(name).lower() in (*OUTCOMES, *AFTER) and name != outcome} - {treatment}
    left_out = [*drop, *(n for n in frame if n in others or IDENTIFIER.match(str(n)))]
    features = frame.drop(columns=list({treatment, outcome, *left_out}))
    return TestFile(encode_features(features), treated, values, treatment, outcome, list(map(str, left_out)))


def read_frame(path: Path) -> pd.DataFrame:
    try:
        return pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path, low_memory=False)
    except (OSError, ValueError) as problem:
        sys.exit(f"{path} cannot be read: {problem}")


def find_column(path: Path, frame: pd.DataFrame, kind: str, variants: tuple[str, ...]) -> str:
    names = {str(name).lower(): name for name in frame}
    found = [names[variant] for variant in variants if variant in names]
    if not found:
        sys.exit(
            f"{path} has no column of the {kind} (any of {', '.join(variants)}); it has {list_columns(frame)}. "
            f"Name it with --{kind}."
        )
    return str(found[0])


def list_columns(frame: pd.DataFrame) -> str:
    return ", ".join(map(str, frame.columns))


def parse_treatment(path: Path, column: "pd.Series[object]") -> Flags:
    """Return who is treated. One of the values must name the control group; all others are treatments."""
    values = column.astype(str).str.strip()
    control = [value for value in values.unique() if CONTROL.match(value)]
    if len(control) != 1:
        listed = ", ".join(sorted(values.unique())[:10])
        sys.exit(
            f"{path}: {column.name} must have one value for control (0, no, control, No E-Mail …), it has {listed}"
        )
    treated: Flags = (values != control[0]).to_numpy(np.bool_)
    return treated


def parse_outcome(path: Path, column: "pd.Series[object]") -> Floats:
    text = column.replace({"Yes": 1, "No": 0, "yes": 1, "no": 0, True: 1, False: 0})
    values = pd.to_numeric(text, errors="coerce")
    if values.isna().any() or (values < 0).any():
        sys.exit(f"{path}: {column.name} must be numbers of at least 0, or yes and no")
    return values.to_numpy(np.float64)


def encode_features(features: pd.DataFrame) -> Floats:
    """Return numbers: categories as one column each, or by their frequency if there are many; dates as days."""
    columns: list[Floats] = []
    for name in features:
        column = features[name]
        if pd.api.types.is_numeric_dtype(column):
            columns.append(column.to_numpy(np.float64, na_value=np.nan))
            continue
        text = column.astype("string")
        counts = text.value_counts()
        dates = pd.to_datetime(text.iloc[:1000], errors="coerce", format="ISO8601")
        if dates.notna().mean() > 0.5 and len(counts) > MAX_CATEGORIES:
            days = pd.to_datetime(text, errors="coerce", format="ISO8601", utc=True)
            columns.append(((days - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(days=1)).to_numpy(np.float64))
        elif len(counts) <= MAX_CATEGORIES:
            columns.extend((text == value).fillna(False).to_numpy(np.float64) for value in sorted(counts.index))
        else:
            columns.append(text.map(counts).to_numpy(np.float64, na_value=np.nan))
    if not columns:
        sys.exit("There are no features besides treatment and outcome.")
    matrix = np.column_stack(columns)
    return np.where(np.isfinite(matrix), matrix, np.nan)
