"""Extracts the phrases of a text: 1–5 words of English, 2–6 characters of Chinese, within a clause."""

import re
from collections import Counter
from collections.abc import Sequence

from customers.feedback.sentiment.features import normalize_text
from customers.feedback.sentiment.languages import Language

CLAUSES = re.compile(r"[^\w'\s]+|\n")
WORDS = re.compile(r"[a-z0-9]+(?:'[a-z]+)*")
HAN_RUNS = re.compile("[\u3400-\u9fff]+")
MAX_COMPLETED = 12
SAME_NEIGHBOR = 0.7
ENGLISH_SIZES, CHINESE_SIZES = (1, 2, 3, 4, 5), (2, 3, 4, 5, 6)

# No phrase begins or ends with these words, and none consists of them.
ENGLISH_STOPWORDS = frozenset(
    WORDS.findall(
        "a about after again all also am an and any are as at be because been before being but by can could did do does each even "
        "for from get got had has have he her here his how i i'd i'll i'm i've if in into is it it's its just like me more most much my "
        "of off on once one only or other our out over own really she so some such than that that's the their them then there these "
        "they this those to too under until up us very was we were what when where which while who why will with would you your"
    )
)
# These begin a phrase, but do not end it.
ENGLISH_NEGATIONS = frozenset(
    WORDS.findall("no not never nothing don't didn't doesn't isn't wasn't won't can't couldn't")
)
# These join clauses; only short phrases contain them, such as "fish and chips".
ENGLISH_CONJUNCTIONS = frozenset(
    ["and", "because", "but", "or", "so", "than", "that", "then", "when", "which", "while"]
)
MAX_JOINED = 3
CHINESE_EDGES = frozenset("的了是我你他她它也就都在和与又还把被给对着过吗呢吧啊呀哦这那个们有很")


def extract_phrases(text: str, language: Language) -> set[str]:
    """Return the distinct phrases of a text."""
    normalized = normalize_text(text)
    if language == Language.CHINESE:
        return {
            run[start : start + size]
            for run in HAN_RUNS.findall(normalized)
            for size in CHINESE_SIZES
            for start in range(len(run) - size + 1)
            if run[start] not in CHINESE_EDGES and run[start + size - 1] not in CHINESE_EDGES
        }
    phrases: set[str] = set()
    for clause in CLAUSES.split(normalized):
        words = WORDS.findall(clause)
        for size in ENGLISH_SIZES:
            for start in range(len(words) - size + 1):
                first, last = words[start], words[start + size - 1]
                if first in ENGLISH_STOPWORDS or last in ENGLISH_STOPWORDS | ENGLISH_NEGATIONS or len(last) < 2:
                    continue
                if size > MAX_JOINED and not ENGLISH_CONJUNCTIONS.isdisjoint(words[start : start + size]):
                    continue
                phrases.add(" ".join(words[start : start + size]))
    return phrases


def is_part(phrase: str, other: str) -> bool:
    """Return whether a phrase is a part of a longer one; parts of English phrases are whole words."""
    if len(phrase) >= len(other):
        return False
    return f" {phrase} " in f" {other} " if phrase.isascii() else phrase in other


def complete_phrase(phrase: str, texts: Sequence[str]) -> str:
    """Return a Chinese phrase with the characters before and after it that most of its texts have: 漏得到 becomes 袋子里漏得到处都是."""
    runs = [run for text in texts for run in HAN_RUNS.findall(normalize_text(text)) if phrase in run]
    for is_before in (True, False):
        while len(phrase) < MAX_COMPLETED:
            found = Counter(find_neighbor(phrase, run, is_before=is_before) for run in runs)
            neighbor, count = found.most_common(1)[0] if found else ("", 0)
            if not neighbor or count < SAME_NEIGHBOR * len(runs):
                break
            phrase = neighbor + phrase if is_before else phrase + neighbor
            runs = [run for run in runs if phrase in run]
    return phrase


def find_neighbor(phrase: str, run: str, *, is_before: bool) -> str:
    """Return the character before or after a phrase, or ""."""
    before, _phrase, after = run.partition(phrase)
    return before[-1:] if is_before else after[:1]
