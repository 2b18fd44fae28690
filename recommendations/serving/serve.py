"""From a request to the bytes of its answer: what the REST views and the short way in front of Django both call."""

from datetime import datetime

from prometheus_client import Counter, Histogram

from customers.events.recent import Recently
from recommendations.serving.answers import encode
from recommendations.serving.loading import Loader, loader
from recommendations.serving.rank import RankRequest, rank
from recommendations.serving.recommend import Answer, recommend
from recommendations.serving.request import Request

SECONDS = Histogram(
    "perennial_recommendation_seconds",
    "Time from a request to its answer, without HTTP.",
    ["scenario"],
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5),
)
FALLBACKS = Counter("perennial_recommendation_fallbacks", "Answers that a fallback gave.", ["scenario", "reason"])


def recommended(*, request: Request, now: datetime, recently: Recently | None = None, source: Loader = loader) -> bytes:
    """Errors: as `recommend`."""
    answer = recommend(request=request, now=now, recently=recently, source=source)
    note(answer)
    return encode(answer)


def ranked(*, request: RankRequest, now: datetime, recently: Recently | None = None, source: Loader = loader) -> bytes:
    """Errors: as `rank`."""
    answer = rank(request=request, now=now, recently=recently, source=source)
    note(answer)
    return encode(answer)


def note(answer: Answer) -> None:
    SECONDS.labels(answer.scenario).observe(answer.took_ms / 1000)
    if answer.fallback is not None:
        FALLBACKS.labels(answer.scenario, answer.fallback_reason or "").inc()
