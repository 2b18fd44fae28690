"""Ratings as files: reads MovieLens' shapes, makes some of the same shape up.

    python -m benchmarks.rating_files FILE [--people 943 --items 1682 --ratings 100000 --seed 1]

Read are lines of user, item, rating and time, separated by tabs ("u.data") or "::" ("ratings.dat"), or by commas under a header
with userId, movieId, rating and timestamp ("ratings.csv").
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt

from recommendations.engine import Interactions

HEADER = ("userid", "movieid", "rating", "timestamp")


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
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    first = lines[0].strip("\ufeff ") if lines else ""
    names = [name.strip().strip('"').lower() for name in first.split(",")]
    has_header = set(HEADER[:3]) <= set(names)
    separator = "," if has_header else "::" if "::" in first else "\t"
    places = [names.index(name) for name in HEADER if name in names] if has_header else [0, 1, 2, 3]
    users, items, rating, times = [], [], [], []
    for number, line in enumerate(lines[has_header:], 1 + has_header):
        if not line.strip():
            continue
        fields = line.split(separator)
        try:
            users.append(fields[places[0]])
            items.append(fields[places[1]])
            rating.append(float(fields[places[2]]))
            times.append(float(fields[places[3]]) if len(places) > 3 and len(fields) > places[3] else float(number))
        except (IndexError, ValueError):
            sys.exit(
                f"{path}, line {number}: {line[:80]!r} is not user, item, rating, time by tabs, '::' or under a csv header"
            )
    if not users:
        sys.exit(f"{path} holds no rating")
    return Interactions.from_ids(
        user_ids=users, item_ids=items, weight=rating, order=times, kind=np.full(len(users), 5, np.int8)
    )


if __name__ == "__main__":
    main()
