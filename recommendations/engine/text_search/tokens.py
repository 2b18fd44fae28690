"""Tokenization: normalized words of spaced text, and pieces of one and two characters of unspaced text."""

import re
import unicodedata
from collections.abc import Iterator
from typing import NamedTuple

# iteration marks, kana, Chinese characters: written without spaces
UNSPACED = "\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f"
BREAK = "\x00"  # separates texts that are tokenized together
_UNSPACED_LETTER = re.compile(f"[{UNSPACED}]")
_LETTERS = rf"[^\W\d_{UNSPACED}][^\W_{UNSPACED}]*(?:['’][^\W\d_{UNSPACED}]+)*"
_FRACTION = r"(?<![\d./])[1-7]/[2-8](?![\d./])"  # one word; otherwise 1/2 gallon would match 1 gallon
RUN = re.compile(rf"{BREAK}|[{UNSPACED}]+|{_LETTERS}(?:[-‐‑]{_LETTERS})*|{_FRACTION}|\d+(?:\.\d+)*|[^\W_{UNSPACED}]+")
_HYPHEN = re.compile("[-‐‑]")
_APOSTROPHE = re.compile("['’]")
_ACCENTS = re.compile("[\u0300-\u036f]")
# 1,5 is 1.5 in most of Europe; three digits after the comma are thousands, and more commas a list
_DECIMAL_COMMA = re.compile(r"(?<![0-9][.,])(?<![0-9])([0-9]+),(?=[0-9]{1,2}(?![0-9]|[.,][0-9]))")
_DECIMAL = re.compile(r"\d+\.\d+")
MAX_TERM_LENGTH = 40  # characters; longer runs are not words
_SIBILANTS = ("sses", "xes", "ches", "shes", "zzes")
# The plurals of these words lose only the s; all other plurals in -ies end in -y in the singular.
_IE_WORDS = frozenset(
    "beanie birdie bookie bootie brownie budgie calorie collie cookie cutie doggie dixie foodie freebie goalie hippie hoodie kiddie movie "  # noqa: SIM905
    "onesie pixie quickie rookie selfie smartie smoothie sweetie talkie techie veggie walkie weenie zombie barbie pie tie necktie magpie".split()
)
_IRREGULAR_PLURALS = {
    "knives": "knife", "loaves": "loaf", "leaves": "leaf", "halves": "half", "shelves": "shelf", "scarves": "scarf", "calves": "calf",
    "children": "child", "men": "man", "women": "woman", "teeth": "tooth", "feet": "foot", "mice": "mouse",
}  # fmt: skip
TERMS_VERSION = 5  # of the rules that turn texts into terms; an index saved with another version is rebuilt


class TextRun(NamedTuple):
    """A piece of normalized text that is a word, a number or a run of unspaced characters, with its position."""

    text: str
    start: int
    end: int

    @property
    def is_unspaced(self) -> bool:
        return is_unspaced(self.text)


def normalize(text: str) -> str:
    """Return lower case without accents, full-width forms as ordinary ones; equal for texts a reader considers equal."""
    if "," in text:
        text = _DECIMAL_COMMA.sub(r"\1.", text)
    if text.isascii():
        return text.lower()
    # NFD separates accents from their letters, so that they can be removed; NFC joins the rest, such as Korean syllables, again.
    folded = unicodedata.normalize("NFD", unicodedata.normalize("NFKC", text).casefold())
    return unicodedata.normalize("NFC", _ACCENTS.sub("", folded)).replace("\u2044", "/")  # ½ is 1⁄2


def is_unspaced(run: str) -> bool:
    return _UNSPACED_LETTER.match(run) is not None


def compact_key(key: str) -> str:
    """Return a normalized product ID or SKU without its punctuation, such as ab123x for ab-123-x; an empty text unless it has letters and digits.

    Numbers keep their punctuation: 1.7 is not 17.
    """
    compact = "".join(filter(str.isalnum, key))
    return "" if compact.isalpha() or compact.isdecimal() else compact


def iterate_runs(normal_text: str) -> Iterator[TextRun]:
    for match in RUN.finditer(normal_text):
        if match[0] != BREAK:
            yield TextRun(match[0], match.start(), match.end())


def singularize(word: str) -> str:
    """Return the singular of an English plural by its ending (S-stemmer of Harman 1991, "How effective is suffixing?").

    Two rules are added (boxes, glasses, dishes; tomatoes), and lists (cookies; knives). The result need not be a real word: it is enough
    that singular and plural give the same.
    """
    if irregular := _IRREGULAR_PLURALS.get(word):
        return irregular
    if len(word) < 4 or not word.endswith("s") or not word.isascii():
        return word
    if word.endswith("ies"):
        return word[:-1] if word[:-1] in _IE_WORDS else word if word.endswith(("eies", "aies")) else f"{word[:-3]}y"
    if word.endswith((*_SIBILANTS, "atoes", "adoes", "ngoes")):
        return word[:-2]
    return word if word.endswith(("us", "ss")) else word[:-1]


def split_into_words(run: str) -> list[str]:
    """Return the normalized words of a run; t-shirt gives t and shirt, 1.50 gives 1.5."""
    if _DECIMAL.fullmatch(run) and len(run) <= MAX_TERM_LENGTH:
        return [run.rstrip("0").rstrip(".")]
    return [
        singularize(part) for part in _HYPHEN.split(_APOSTROPHE.sub("", run)) if part and len(part) <= MAX_TERM_LENGTH
    ]


def join_hyphenated(run: str) -> str | None:
    """Return a hyphenated run as one word (tshirt); None without hyphens."""
    joined = _HYPHEN.sub("", _APOSTROPHE.sub("", run))
    return singularize(joined) if len(joined) <= MAX_TERM_LENGTH and _HYPHEN.search(run) else None


def list_document_terms(run: str) -> tuple[str, ...]:
    """Return the terms under which a document with this run is found."""
    if not is_unspaced(run):
        joined = join_hyphenated(run)
        return (*split_into_words(run), joined) if joined else tuple(split_into_words(run))
    return (*run, *(run[start : start + 2] for start in range(len(run) - 1)))


def measure_length(run: str) -> float:
    """Return the length of a run in words; an unspaced word has two characters on average."""
    return max(1.0, len(run) / 2) if is_unspaced(run) else float(1 + len(_HYPHEN.findall(run)))
