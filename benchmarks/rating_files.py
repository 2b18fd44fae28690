"""Reads rating files in the formats of MovieLens, and simulates such files.

    python -m benchmarks.rating_files FILE [--users 943 --items 1682 --ratings 100000 --seed 1]

Lines have user, item, rating and time, separated by tabs ("u.data"), "::" ("ratings.dat") or commas ("ratings.csv"). A first line with
the names of the columns ("userId,movieId,rating,timestamp", "user_id:token<tab>item_id:token<tab>rating:float") sets their order; without
a time column the order of the lines counts.
"""

import argparse
import csv
import math
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from recommendations.engine import Interactions

# in lower case, without "_" and without the type after a colon
COLUMNS = {
    "user": ("userid", "user", "uid", "reviewerid", "customerid"),
    "item": ("itemid", "movieid", "item", "iid", "productid", "asin"),
    "rating": ("rating", "stars", "score", "overall"),
    "time": ("timestamp", "time", "unixreviewtime"),
}
NAMES = tuple(COLUMNS)


def main() -> None:
    arguments = parse()
    user, item, rating = make_ratings(
        users=arguments.people, items=arguments.items, ratings=arguments.ratings, seed=arguments.seed
    )
    lines = zip(user.tolist(), item.tolist(), rating.tolist(), strict=True)
    text = "".join(
        f"{user + 1}\t{item + 1}\t{rating}\t{position + 880_000_000}\n"
        for position, (user, item, rating) in enumerate(lines)
    )
    arguments.file.write_text(text, encoding="utf-8")
    print(
        f"{arguments.file}: {len(rating):,} ratings, mean {rating.mean():.3f}, sd {rating.std():.3f}", file=sys.stderr
    )


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--people", type=int, default=943)
    parser.add_argument("--items", type=int, default=1_682)
    parser.add_argument("--ratings", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


def make_ratings(
    *, users: int, items: int, ratings: int, seed: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return (user, item, rating) with different pairs in a random order.

    Users' activity is log-normal, items' popularity Zipf-like, and users rate items that match their taste more often. A rating is
    3.6 + b_u + b_i + p·q + noise, rounded to 1…5, with 12 factors of falling size.
    """
    if ratings > users * items // 2:
        raise ValueError(f"{ratings} ratings are more than half of {users} × {items} pairs")
    draws = np.random.default_rng(seed)
    sizes = 0.75 ** np.arange(12)
    user_factors = draws.normal(0, 1, (users, 12)) * sizes
    item_factors = draws.normal(0, 1, (items, 12))
    taste = user_factors @ item_factors.T
    taste *= 0.45 / taste.std()
    popularity = 1.0 / (np.arange(items) + 25.0)
    liked = draws.normal(0, 0.45, items) + 0.35 * (np.log(popularity) - np.log(popularity).mean())
    expected = 3.3 + draws.normal(0, 0.42, users)[:, None] + liked + taste
    activity = draws.lognormal(0, 0.9, users)
    chance = np.log(activity)[:, None] + np.log(popularity) + 0.8 * taste
    keys = chance + draws.gumbel(size=chance.shape)
    selected = draws.permutation(np.argpartition(-keys.ravel(), ratings)[:ratings])
    user, item = np.divmod(selected, items)
    rating = np.clip(np.rint(expected[user, item] + draws.normal(0, 0.82, ratings)), 1, 5)
    return user, item, rating.astype(np.int64)


def read_ratings(path: Path) -> Interactions:
    """Read ratings as weights and times as order. Errors: SystemExit with the line and the expected format."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as problem:
        sys.exit(f"{path} cannot be read as text in UTF-8: {problem}")
    lines = text.splitlines()
    separator = next((candidate for candidate in ("::", "\t", ",") if lines and candidate in lines[0]), "\t")
    header = find_columns(next(split(lines[:1], separator), (1, []))[1])
    columns = header or dict(zip(NAMES, range(4), strict=True))
    users, items, ratings, timestamps = [], [], [], []
    for number, fields in split(lines, separator):
        if not any(fields) or (header and number == 1):
            continue
        try:
            user, item = fields[columns["user"]], fields[columns["item"]]
            rating = float(fields[columns["rating"]])
            has_time = columns.get("time", len(fields)) < len(fields)
            time = float(fields[columns["time"]]) if has_time else float(number)
            is_valid = bool(user and item) and 0 <= rating < math.inf and math.isfinite(time)
        except (IndexError, ValueError):
            is_valid = False
        if not is_valid:
            sys.exit(
                f"{path}, line {number}: {lines[number - 1][:80]!r} is not {', '.join(sorted(columns, key=lambda name: columns[name]))} "
                f"separated by {separator!r}, the rating a number of at least 0 and the time one of seconds"
            )
        users.append(user)
        items.append(item)
        ratings.append(rating)
        timestamps.append(time)
    if not users:
        sys.exit(f"{path} has no rating")
    return Interactions.from_ids(
        user_ids=users, item_ids=items, weight=ratings, order=timestamps, kind=np.full(len(users), 5, np.int8)
    )


def split(lines: Sequence[str], separator: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the number of each line and its fields, which may be quoted if they are separated by commas."""
    rows = csv.reader(lines) if separator == "," else (line.split(separator) for line in lines)
    for number, fields in enumerate(rows, 1):
        yield number, [field.strip() for field in fields]


def find_columns(fields: Sequence[str]) -> dict[str, int] | None:
    """Return the position of each column if the line has their names; None for a line of ratings."""
    names = [field.split(":")[0].replace("_", "").lower() for field in fields]
    columns = {
        name: next(position for position, field in enumerate(names) if field in spellings)
        for name, spellings in COLUMNS.items()
        if set(names) & set(spellings)
    }
    return columns if {"user", "item", "rating"} <= set(columns) else None


if __name__ == "__main__":
    main()
