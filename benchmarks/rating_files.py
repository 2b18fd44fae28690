"""Ratings as files: reads MovieLens' shapes, makes some of the same shape up.

    python -m benchmarks.rating_files FILE [--users 943 --items 1682 --ratings 100000 --seed 1]

Read are lines of user, item, rating and time, separated by tabs ("u.data"), "::" ("ratings.dat") or commas ("ratings.csv"). A first
line that names the columns ("userId,movieId,rating,timestamp", "user_id:token<tab>item_id:token<tab>rating:float") says their order;
without a time the lines stand in order.
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

# in small letters, without "_" and without the type that follows a colon
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
        people=arguments.people, items=arguments.items, ratings=arguments.ratings, seed=arguments.seed
    )
    lines = zip(user.tolist(), item.tolist(), rating.tolist(), strict=True)
    text = "".join(
        f"{user + 1}\t{item + 1}\t{rating}\t{place + 880_000_000}\n" for place, (user, item, rating) in enumerate(lines)
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
    *, people: int, items: int, ratings: int, seed: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """(user, item, rating), each pair once, in a random order.

    How much a person rates is log-normal, how often an item is rated Zipf-like, more so for what suits the person. A rating is
    3.6 + b_u + b_i + p·q + noise, rounded to 1…5, with 12 factors of falling size.
    """
    if ratings > people * items // 2:
        raise ValueError(f"{ratings} ratings are more than half of {people} × {items} pairs")
    draws = np.random.default_rng(seed)
    sizes = 0.75 ** np.arange(12)
    person = draws.normal(0, 1, (people, 12)) * sizes
    thing = draws.normal(0, 1, (items, 12))
    taste = person @ thing.T
    taste *= 0.45 / taste.std()
    popularity = 1.0 / (np.arange(items) + 25.0)
    liked = draws.normal(0, 0.45, items) + 0.35 * (np.log(popularity) - np.log(popularity).mean())
    meant = 3.3 + draws.normal(0, 0.42, people)[:, None] + liked + taste
    activity = draws.lognormal(0, 0.9, people)
    chance = np.log(activity)[:, None] + np.log(popularity) + 0.8 * taste
    keys = chance + draws.gumbel(size=chance.shape)
    chosen = draws.permutation(np.argpartition(-keys.ravel(), ratings)[:ratings])
    user, item = np.divmod(chosen, items)
    rating = np.clip(np.rint(meant[user, item] + draws.normal(0, 0.82, ratings)), 1, 5)
    return user, item, rating.astype(np.int64)


def read_ratings(path: Path) -> Interactions:
    """Ratings as weights, time as order. Errors: SystemExit naming the line and what would be right."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as problem:
        sys.exit(f"{path} cannot be read as text in UTF-8: {problem}")
    lines = text.splitlines()
    separator = next((one for one in ("::", "\t", ",") if lines and one in lines[0]), "\t")
    header = columns_of(next(split(lines[:1], separator), (1, []))[1])
    places = header or dict(zip(NAMES, range(4), strict=True))
    users, items, ratings, times = [], [], [], []
    for number, fields in split(lines, separator):
        if not any(fields) or (header and number == 1):
            continue
        try:
            user, item = fields[places["user"]], fields[places["item"]]
            rating = float(fields[places["rating"]])
            timed = places.get("time", len(fields)) < len(fields)
            time = float(fields[places["time"]]) if timed else float(number)
            right = bool(user and item) and 0 <= rating < math.inf and math.isfinite(time)
        except (IndexError, ValueError):
            right = False
        if not right:
            sys.exit(
                f"{path}, line {number}: {lines[number - 1][:80]!r} is not {', '.join(sorted(places, key=lambda name: places[name]))} "
                f"separated by {separator!r}, the rating a number of at least 0 and the time one of seconds"
            )
        users.append(user)
        items.append(item)
        ratings.append(rating)
        times.append(time)
    if not users:
        sys.exit(f"{path} holds no rating")
    return Interactions.from_ids(
        user_ids=users, item_ids=items, weight=ratings, order=times, kind=np.full(len(users), 5, np.int8)
    )


def split(lines: Sequence[str], separator: str) -> Iterator[tuple[int, list[str]]]:
    """The number of each line, and its fields; between commas they may stand in quotes."""
    rows = csv.reader(lines) if separator == "," else (line.split(separator) for line in lines)
    for number, fields in enumerate(rows, 1):
        yield number, [field.strip() for field in fields]


def columns_of(fields: Sequence[str]) -> dict[str, int] | None:
    """The place of each column if the line names them; None for a line of ratings."""
    names = [field.split(":")[0].replace("_", "").lower() for field in fields]
    found = {
        name: next(place for place, field in enumerate(names) if field in spellings)
        for name, spellings in COLUMNS.items()
        if set(names) & set(spellings)
    }
    return found if {"user", "item", "rating"} <= set(found) else None


if __name__ == "__main__":
    main()
