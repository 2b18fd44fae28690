"""Maps the words of a question to a named metric, days, grouping and filter, without any model.

The longest known phrase wins at each place of the text. Words that are neither part of a phrase nor filler words are shown
as not understood. A question has one metric, and one of each kind of the other parts; words that name more are listed.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from functools import cache
from typing import Any

from config.assistant.ask.periods import CUSTOM, DEFAULT, PRESETS, YEAR_PRESETS, Days, find_all_days, find_preset_days
from config.assistant.ask.vocabulary import FILLERS, GROUPINGS, INTERVALS, STAGES
from config.assistant.metrics.metric import MetricQuery, NamedMetric
from config.assistant.metrics.registry import METRICS
from customers.analytics.expressions.periods import PeriodUnit, get_period_start, number_period

MAX_CHARACTERS = 300
WORD = re.compile(r"[a-z0-9\u3400-\u9fff][a-z0-9'’\-\u3400-\u9fff]*")
HAN = re.compile(r"[\u3400-\u9fff]")
MAX_SUGGESTIONS = 4
# longer ranges are shown by week or month, if a question names no interval
MAX_DAYS_BY_DAY = 31
# what a phrase stands for
METRIC, PRESET, INTERVAL, GROUPING, STAGE, SEGMENT, FILLER = (
    *("metric", "preset", "interval", "grouping", "stage", "segment", "filler"),
)
# metrics that a segment of the same name replaces
SHOP_DEFINED = ((METRIC, "vip_customers"),)
# Metrics that count a group of customers. Beside another metric, such a name says whose figure is wanted; so do, even more, the names of
# groups that exist now beside those of a period.
CUSTOMER_GROUPS = {
    **dict.fromkeys(
        ("new_customers", "churned_customers", "became_at_risk", "won_back_customers", "active_customers"), 1
    ),
    **dict.fromkeys(("vip_customers", "customers_at_risk", "high_churn_risk"), 2),
    "customers": 3,
}
# words that say nothing more beside the metric: the metric measures just them
IMPLIED = {
    "best_sellers": ("revenue",),
    "open_rate": ("messages_sent",),
    "click_rate": ("messages_sent",),
    "conversion_rate": ("visits",),
}
# words for what is counted, which are no second metric or grouping
COUNTED = ((METRIC, "customers"), (GROUPING, "product"))
# where two readings are of the same length, the first of these wins
ORDER = (SEGMENT, PRESET, INTERVAL, GROUPING, METRIC, STAGE, FILLER)


@dataclass(frozen=True)
class Phrase:
    """A known phrase in a question: what kind of thing it names, and which."""

    kind: str
    value: str
    start: int
    end: int


@dataclass(frozen=True)
class Understanding:
    """How a question was understood.

    Attributes:
        metric: None if no word names one. unknown: words that match nothing known. suggestions: the nearest metrics.
        ignored: what was understood but does not apply to the metric, such as a grouping that it does not have.
        period: the words that name the days. left_out: what names a second metric, period, grouping and so on: its key, and the words.
    """

    metric: NamedMetric | None = None
    days: Days | None = None
    interval: str = ""
    group_by: str = ""
    segment: str = ""
    stage: str = ""
    period: str = ""
    left_out: tuple[tuple[str, str], ...] = ()
    unknown: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    suggestions: tuple[NamedMetric, ...] = field(default_factory=tuple)

    def to_query(self, today: date) -> MetricQuery:
        """Return the query; the days are those of the question, or the default ones."""
        assert self.metric is not None
        days = self.days or find_preset_days(DEFAULT, today)
        return MetricQuery(
            metric=self.metric.key,
            since=days.since,
            until=days.until,
            interval=self.interval,
            group_by=self.group_by,
            segment=self.segment,
            stage=self.stage,
        )

    def list_left_out(self) -> list[str]:
        """Return the words that name a second metric, period or the like, unless the reader has chosen it since."""
        used = [self.metric.key if self.metric else "", name_days(self.days) if self.days else ""]
        used += [self.interval, self.group_by, self.segment, self.stage]
        return list(dict.fromkeys(words for key, words in self.left_out if key not in used))


def normalize(text: str) -> str:
    """Return a text in lower case with plain forms of all characters and single spaces."""
    return " ".join(clean(text).casefold().split())


def clean(text: str) -> str:
    """Return a text with plain forms of all characters and single spaces, in the letters that the reader wrote."""
    return " ".join(unicodedata.normalize("NFKC", text.replace("\0", " ")[:MAX_CHARACTERS]).split())


def understand(text: str, *, today: date, segments: Mapping[str, str], metrics: Iterable[NamedMetric]) -> Understanding:
    """Return how a question is understood.

    Args:
        segments: names by key. metrics: those that the reader may see.
    """
    plain, written = normalize(text), clean(text)
    if len(written) != len(plain):  # lower case can be longer, such as that of ß
        written = plain
    rest, named = find_all_days(plain, today)
    phrases = find_phrases(rest, list_phrases(segments))
    allowed = {metric.key: metric for metric in metrics}
    values = {kind: [phrase.value for phrase in phrases if phrase.kind == kind] for kind in ORDER}
    metric, stages = choose_metric(values, allowed)
    unknown = find_unknown_words(rest, phrases)
    if metric is None:
        return Understanding(unknown=unknown, suggestions=suggest_metrics(plain, allowed.values()))
    periods = list_periods(named, phrases, today)
    further = [phrase for phrase in phrases if is_further(phrase, metric, values)]
    segment = values[SEGMENT][0] if values[SEGMENT] else ""
    if not segment and "segment" in metric.filters:
        segment = next((key for phrase in further if (key := find_segment_of(phrase, segments))), "")
        further = [phrase for phrase in further if find_segment_of(phrase, segments) != segment or not segment]
    found = Understanding(
        metric=metric,
        days=periods[0][0] if periods else None,
        interval=values[INTERVAL][0] if values[INTERVAL] else "",
        group_by=values[GROUPING][0] if values[GROUPING] else "",
        segment=segment,
        stage=stages[0] if stages else "",
        period=cut(written, *periods[0][1]) if periods else "",
        left_out=(
            *((phrase.value, cut(written, phrase.start, phrase.end)) for phrase in further),
            *((name_days(days), cut(written, *span)) for days, span in periods[1:] if days != periods[0][0]),
        ),
        unknown=unknown,
    )
    return complete(fit(found), today)


def name_days(days: Days) -> str:
    return f"{days.since} {days.until}" if days.preset == CUSTOM else days.preset


def cut(text: str, start: int, end: int) -> str:
    return text[start:end].strip()


def list_periods(
    named: list[tuple[Days, tuple[int, int]]], phrases: Iterable[Phrase], today: date
) -> list[tuple[Days, tuple[int, int]]]:
    """Return the days of a question with their places, the days that it is about first.

    Days in numbers or months come first. Beside them, “last year” only says in which year they are.
    """
    presets = [
        (find_preset_days(phrase.value, today), (phrase.start, phrase.end))
        for phrase in phrases
        if phrase.kind == PRESET
    ]
    years = {days.since.year for days, _span in named}
    return named + [
        (days, span) for days, span in presets if days.preset not in YEAR_PRESETS or days.since.year not in years
    ]


def is_further(phrase: Phrase, metric: NamedMetric, values: Mapping[str, list[str]]) -> bool:
    """Return whether a phrase names another metric, interval, grouping, segment or stage than the one that is used."""
    if (phrase.kind, phrase.value) in COUNTED:
        return False
    if phrase.kind == METRIC:
        return phrase.value not in (metric.key, *IMPLIED.get(metric.key, ()))
    return phrase.kind in (INTERVAL, GROUPING, SEGMENT, STAGE) and phrase.value != values[phrase.kind][0]


def find_segment_of(phrase: Phrase, segments: Mapping[str, str]) -> str:
    """Return the segment that is named like a metric that counts a group of customers; empty if there is none."""
    if phrase.kind != METRIC or phrase.value not in CUSTOMER_GROUPS:
        return ""
    fixed = list_fixed_phrases()
    return next((key for key, name in segments.items() if fixed.get(normalize(name)) == (METRIC, phrase.value)), "")


def list_phrases(segments: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Return all known phrases with what they stand for.

    A segment does not replace a metric of the same name, such as “New customers”; but for
    terms that each shop defines itself, such as VIP, the segment wins.
    """
    fixed = list_fixed_phrases()
    named = {normalize(name): (SEGMENT, key) for key, name in segments.items() if len(normalize(name)) > 2}
    own = {name: meaning for name, meaning in named.items() if fixed.get(name) in SHOP_DEFINED}
    own |= {f"{name}{noun}": meaning for name, meaning in own.items() for noun in (" customers", "客户")}
    return {**named, **fixed, **own}


@cache
def list_fixed_phrases() -> dict[str, tuple[str, str]]:
    """Return the phrases that are the same in every shop."""
    phrases: dict[str, tuple[str, str]] = {}
    tables: dict[str, Mapping[str, Iterable[str]]] = {
        METRIC: {key: [*metric.synonyms["en"], *metric.synonyms["zh-hans"]] for key, metric in METRICS.items()},
        PRESET: {key: preset.words for key, preset in PRESETS.items()},
        INTERVAL: INTERVALS,
        GROUPING: GROUPINGS,
        STAGE: STAGES,
        FILLER: {"": FILLERS},
    }
    for kind in reversed(ORDER):
        for value, words in tables.get(kind, {}).items():
            phrases |= {normalize(word): (kind, value) for word in words}
    return phrases


def find_phrases(text: str, known: Mapping[str, tuple[str, str]]) -> list[Phrase]:
    """Return the known phrases of a text from left to right, the longest at each place."""
    longest = max(map(len, known))
    phrases, position = [], 0
    while position < len(text):
        for end in range(min(len(text), position + longest), position, -1):
            meaning = known.get(text[position:end])
            if meaning and is_whole(text, position, end):
                phrases.append(Phrase(*meaning, position, end))
                position = end
                break
        else:
            position += 1
    return phrases


def is_whole(text: str, start: int, end: int) -> bool:
    """Return whether a part of a text is not part of a longer word; Chinese words have no spaces between them."""
    return not (is_joined(text, start) or is_joined(text, end))


def is_joined(text: str, position: int) -> bool:
    if position in (0, len(text)):
        return False
    before, after = text[position - 1], text[position]
    return before.isalnum() and after.isalnum() and not (HAN.match(before) or HAN.match(after))


def choose_metric(
    values: Mapping[str, list[str]], allowed: Mapping[str, NamedMetric]
) -> tuple[NamedMetric | None, list[str]]:
    """Return the metric of a question, and the stages that filter it.

    “Customers” and names of groups, such as “VIP customers”, name whom a question is about as well as what is counted, so other metrics
    win. Without a metric, a stage or a segment counts its customers.
    """
    keys = sorted((key for key in values[METRIC] if key in allowed), key=lambda key: CUSTOMER_GROUPS.get(key, 0))
    stages = list(values[STAGE])
    if keys and keys[0] != "customers":
        return allowed[keys[0]], stages
    if (keys or stages or values[SEGMENT]) and "customers" in allowed:
        return allowed["customers"], stages
    return None, stages


def fit(found: Understanding) -> Understanding:
    """Drop what the metric does not support, and list it in ``ignored``."""
    assert found.metric is not None
    metric, ignored = found.metric, []
    changes: dict[str, Any] = {}
    for name, valid in (("interval", metric.intervals), ("group_by", metric.groupings)):
        value = getattr(found, name)
        if value and value not in valid:
            changes[name] = ""
            ignored.append(value)
    for name in ("segment", "stage"):
        if getattr(found, name) and name not in metric.filters:
            changes[name] = ""
            ignored.append(getattr(found, name))
    if metric.is_current_state and found.period and not is_today(found):
        ignored.append(found.period)
    if (changes.get("group_by", found.group_by)) == "segment" and not changes.get("segment", found.segment):
        changes["group_by"] = ""
        ignored.append("segment")
    return replace(found, **changes, ignored=tuple(ignored))


def is_today(found: Understanding) -> bool:
    """Return whether the days are just today, on which figures of the present are known."""
    return found.days is not None and found.days.preset == "today"


def complete(found: Understanding, today: date) -> Understanding:
    """Fill in what a question left open: the defaults of the metric, and the longest interval that gives several values."""
    assert found.metric is not None
    defaults = found.metric.defaults
    group_by = found.group_by or str(defaults.get("group_by", ""))
    interval = found.interval
    if not interval and not found.group_by and "interval" in defaults:
        days = found.days or find_preset_days(DEFAULT, today)
        # whoever names the days wants one number; that of days whose values do not add up is not a sum of smaller periods
        is_one_period = found.days is not None and "day" in found.metric.intervals and not found.metric.is_additive
        interval = "" if is_one_period else choose_interval(days, found.metric)
    return replace(found, group_by=group_by, interval=interval)


def choose_interval(days: Days, metric: NamedMetric) -> str:
    """Return months for a long range, days or weeks for a shorter one; empty for a single day, week, month or quarter."""
    if days.since == days.until or is_month(days):
        return ""
    for unit in (PeriodUnit.WEEK, PeriodUnit.MONTH, PeriodUnit.QUARTER):
        if number_period(days.since, unit) == number_period(days.until, unit) and days.preset != CUSTOM:
            return ""
    if "day" in metric.intervals and (days.until - days.since).days <= MAX_DAYS_BY_DAY:
        return PeriodUnit.DAY.value
    return PeriodUnit.MONTH.value if (days.until - days.since).days >= 62 else PeriodUnit.WEEK.value


def is_month(days: Days) -> bool:
    """Return whether the days are all days of a month."""
    number = number_period(days.since, PeriodUnit.MONTH)
    start, end = (get_period_start(each, PeriodUnit.MONTH) for each in (number, number + 1))
    return (days.since, days.until) == (start, end - timedelta(days=1))


def find_unknown_words(text: str, phrases: Iterable[Phrase]) -> tuple[str, ...]:
    """Return the words that are in no phrase."""
    letters = list(text)
    for phrase in phrases:
        letters[phrase.start : phrase.end] = " " * (phrase.end - phrase.start)
    return tuple(dict.fromkeys(WORD.findall("".join(letters))))


def suggest_metrics(text: str, metrics: Iterable[NamedMetric]) -> tuple[NamedMetric, ...]:
    """Return the metrics whose names share most pairs of letters with a text, or the first ones."""
    wanted = list_pairs(text)
    scored = [
        (
            max(measure_likeness(wanted, list_pairs(word)) for words in metric.synonyms.values() for word in words),
            metric,
        )
        for metric in metrics
    ]
    return tuple(metric for _score, metric in sorted(scored, key=lambda pair: -pair[0])[:MAX_SUGGESTIONS])


def list_pairs(text: str) -> set[str]:
    return {text[place : place + 2] for place in range(len(text) - 1)}


def measure_likeness(left: set[str], right: set[str]) -> float:
    """Return the share of the smaller set's pairs that are also in the other, or 0 (the overlap coefficient)."""
    return len(left & right) / max(min(len(left), len(right)), 1)
