"""Net promoter score and customer satisfaction of a period, with their intervals."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist

from django.db.models import Count

from config.foundation.backoffice.date_range import DayRange
from config.foundation.statistics import compute_wilson_interval
from customers.feedback.models import SurveyAnswer

PROMOTER, DETRACTOR, SATISFIED = 9, 6, 4


@dataclass(frozen=True)
class SatisfactionEstimate:
    """A figure with its 95 % interval, and the number of answers; None without answers. NPS in points, CSAT as a share."""

    answers: int
    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Satisfaction:
    """NPS and CSAT of a period, with the numbers of answers of 9–10, 7–8 and 0–6, and of 4–5 and 1–3."""

    nps: SatisfactionEstimate
    csat: SatisfactionEstimate
    promoters: int
    passives: int
    detractors: int
    satisfied: int
    dissatisfied: int


def measure_satisfaction(period: DayRange) -> Satisfaction:
    """Return NPS and CSAT of the answers of a period."""
    answers = SurveyAnswer.objects.filter(answered_at__gte=period.start, answered_at__lt=period.end).order_by()
    counts: dict[str, dict[int, int]] = {kind: {} for kind in SurveyAnswer.Kind.values}
    for kind, score, count in answers.values_list("kind", "score").annotate(count=Count("*")):
        counts[kind][score] = count
    return summarize_answers(counts[SurveyAnswer.Kind.NPS], counts[SurveyAnswer.Kind.CSAT])


def summarize_answers(nps: Mapping[int, int], csat: Mapping[int, int]) -> Satisfaction:
    """Return the figures of answers per score."""
    promoters = sum(count for score, count in nps.items() if score >= PROMOTER)
    detractors = sum(count for score, count in nps.items() if score <= DETRACTOR)
    total, rated = sum(nps.values()), sum(csat.values())
    satisfied = sum(count for score, count in csat.items() if score >= SATISFIED)
    return Satisfaction(
        nps=compute_nps(promoters, detractors, total),
        csat=compute_csat(satisfied, rated),
        promoters=promoters,
        passives=total - promoters - detractors,
        detractors=detractors,
        satisfied=satisfied,
        dissatisfied=rated - satisfied,
    )


def compute_nps(promoters: int, detractors: int, answers: int, *, level: float = 0.95) -> SatisfactionEstimate:
    """Return 100·(p₊ − p₋) with a normal interval whose shares are adjusted by Agresti and Min.

    σ² = (p₊ + p₋ − (p₊ − p₋)²) / n of a trinomial, with 3/4 answer added to each of promoters and detractors and 3/2 to the rest, which
    keeps the interval honest for few answers and one-sided ones. It is widened to contain the value and cut at ±100. Source: Rocks,
    Interval estimation for the net promoter score, The American Statistician 2016, after Agresti & Min 2005.
    """
    if not answers:
        return SatisfactionEstimate(0, None, None, None)
    n = answers + 3
    plus, minus = (promoters + 0.75) / n, (detractors + 0.75) / n
    center = plus - minus
    margin = NormalDist().inv_cdf((1 + level) / 2) * math.sqrt((plus + minus - center**2) / n)
    value = 100 * (promoters - detractors) / answers
    low, high = max(100 * (center - margin), -100.0), min(100 * (center + margin), 100.0)
    return SatisfactionEstimate(answers, value, min(low, value), max(high, value))


def compute_csat(satisfied: int, answers: int) -> SatisfactionEstimate:
    """Return the share of answers of 4–5 with Wilson's interval."""
    if not answers:
        return SatisfactionEstimate(0, None, None, None)
    share = compute_wilson_interval(satisfied, answers)
    return SatisfactionEstimate(answers, share.value, share.low, share.high)
