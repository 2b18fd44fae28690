"""No regular expression of the project takes long on hostile text: its time grows in proportion to the length."""

import ast
import gc
import importlib
import math
import re
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import config

PROJECT = Path(config.__file__).parents[1]
PACKAGES = ("config", "catalog", "customers", "recommendations")
LENGTH = 100_000
SHORT_LENGTHS = (500, 5_000, 20_000)  # a pattern that needs minutes for the full length already fails with these
MAX_SECONDS = 0.05  # of processor time, so that a busy machine changes nothing
MAX_GROWTH = 3  # where twice the text takes longer than allowed: 2 is linear, 4 is a square
CLEAR_GROWTH = 2.4  # of two rounds: three more would not make it a square
FORMS = ("{}", "1{}!", "{}\0x")
PIECES = (
    *"a1 @.-+,;:/\\\"'(%{[<>=&?_|0\n\t中é",
    *("a@", "@a", "a.", "a@a.", "1 ", "1,", "1.", "-1", "a-", "a1", " a", "\\x", '\\"', "''", '""', "a b", ">a", "&a="),
    *("silk", "android", "bot", "mobi", "Aa", "aA", "AA", "1,111", "-111.", "{a", "${a", "a'", "%(a", "::", "//"),
)


METHODS = ("match", "fullmatch", "search", "sub", "findall", "finditer", "split")
METHOD_USE = re.compile(rf"\b(\w+)\.({'|'.join(METHODS)})\b")


class PatternUse(NamedTuple):
    """A pattern and how the code uses it."""

    name: str
    pattern: re.Pattern[Any]
    methods: frozenset[str]


def list_literals(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Yield method and pattern of calls such as re.sub("…", …)."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in METHODS:
            owner, first = node.func.value, node.args[0] if node.args else None
            if isinstance(owner, ast.Name) and owner.id == "re" and isinstance(first, ast.Constant):
                yield node.func.attr, first.value if isinstance(first.value, str) else first.value.decode()


@cache
def list_patterns() -> list[PatternUse]:
    """Return all patterns that are module constants or literals of calls, with the methods called on them."""
    paths = [path for package in PACKAGES for path in sorted((PROJECT / package).rglob("*.py"))]
    texts = {path: path.read_text() for path in paths if "migrations" not in path.parts}
    methods_by_constant: defaultdict[str, set[str]] = defaultdict(set)
    for constant, method in METHOD_USE.findall("\n".join(texts.values())):
        methods_by_constant[constant].add(method)
    uses = []
    for path, text in texts.items():
        if not re.search(r"^import re$", text, re.MULTILINE):
            continue
        name = ".".join(path.relative_to(PROJECT).with_suffix("").parts)
        for method, literal in list_literals(ast.parse(text)):
            uses.append(PatternUse(f"{name}: {literal}", re.compile(literal), frozenset([method])))
        for constant, value in vars(importlib.import_module(name)).items():
            if isinstance(value, re.Pattern) and f"\n{constant} = re.compile(" in text:
                # a pattern that is used under another name, such as an item of a list, is searched for
                methods = frozenset(methods_by_constant.get(constant, ["search"]))
                uses.append(PatternUse(f"{name}.{constant}", value, methods))
    return uses


def use_pattern(use: PatternUse, method: str, text: str) -> None:
    subject = text.encode() if isinstance(use.pattern.pattern, bytes) else text
    call = getattr(use.pattern, method)
    result = call(subject[:0], subject) if method == "sub" else call(subject)
    if method == "finditer":
        for _match in result:
            pass


@pytest.fixture(autouse=True)
def no_garbage_collection() -> Iterator[None]:
    """Collect no garbage in a measured use: after many tests, it takes longer than what is measured."""
    gc.disable()
    yield
    gc.enable()


def measure_seconds(use: PatternUse, method: str, text: str) -> float:
    """Return the processor time of one use; the shortest of five if it is too long, since other processes share the caches."""
    seconds = math.inf
    for _attempt in range(5):
        began = time.thread_time()
        use_pattern(use, method, text)
        seconds = min(seconds, time.thread_time() - began)
        if seconds <= MAX_SECONDS:
            break
    return seconds


def remeasure_long_use(use: PatternUse, method: str, form: Callable[[str], str], piece: str) -> float:
    """Return the shortest time of five uses at full length; 0 on a slow processor, where it is too long but in proportion.

    Full and half length alternate, so that a processor that is slow for a moment delays both.
    """
    seconds = half_seconds = math.inf
    for n_round in range(1, 6):
        seconds = min(seconds, measure_seconds(use, method, form(piece * (LENGTH // len(piece)))))
        half_seconds = min(half_seconds, measure_seconds(use, method, form(piece * (LENGTH // 2 // len(piece)))))
        if seconds <= MAX_SECONDS or (n_round > 1 and seconds < CLEAR_GROWTH * half_seconds):
            break
    return 0.0 if seconds < MAX_GROWTH * half_seconds else seconds


def measure_slowest(use: PatternUse) -> tuple[float, str]:
    """Return the longest processor time of a use on any hostile text, and what the text repeats."""
    slowest = (0.0, "")
    for piece, form, method in product(PIECES, FORMS, sorted(use.methods)):
        for length in (*SHORT_LENGTHS, LENGTH):
            seconds = measure_seconds(use, method, form.format(piece * (length // len(piece))))
            if seconds > MAX_SECONDS and length == LENGTH:
                seconds = remeasure_long_use(use, method, form.format, piece)
                if seconds <= MAX_SECONDS:
                    continue
            slowest = max(slowest, (seconds, piece))
            if seconds > MAX_SECONDS:
                return slowest
            if length > SHORT_LENGTHS[0] and seconds < MAX_SECONDS * (length / LENGTH) ** 2:
                break  # even if the time grows with the square, the full length takes less than the limit
    return slowest


def test_patterns_are_found() -> None:
    assert len(list_patterns()) > 30


@pytest.mark.parametrize("use", list_patterns(), ids=lambda use: use.name)
def test_hostile_text_is_matched_in_linear_time(use: PatternUse) -> None:
    seconds, piece = measure_slowest(use)
    assert seconds <= MAX_SECONDS, f"{seconds:.2f} s for {piece!r} repeated to at most {LENGTH} characters"
