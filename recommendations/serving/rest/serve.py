"""From a request to the bytes of its answer: what the REST views and the short way in front of Django both call."""

from datetime import datetime

from prometheus_client import Counter, Histogram

from customers.events.recent.interactions import Recently
from recommendations.serving.impressions.served_entry import Shown
from recommendations.serving.impressions.writer import note_shown
from recommendations.serving.rank import RankRequest, rank
from recommendations.serving.recommend import Answer, recommend
from recommendations.serving.request import Request
from recommendations.serving.rest.response import encode
from recommendations.serving.state.loader import Loader, loader

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
    note(answer, user_id=request.user_id, anonymous_id=request.anonymous_id, now=now)
    return encode(answer)


def ranked(*, request: RankRequest, now: datetime, recently: Recently | None = None, source: Loader = loader) -> bytes:
    """Errors: as `rank`."""
    answer = rank(request=request, now=now, recently=recently, source=source)
    note(answer, user_id=request.user_id, anonymous_id=request.anonymous_id, now=now)
    return encode(answer)


def note(answer: Answer, *, user_id: str, anonymous_id: str, now: datetime) -> None:
    """Counts the answer, and notes as an impression what it shows; of whoever refuses to be recognised without saying to whom."""
    SECONDS.labels(answer.scenario).observe(answer.took_ms / 1000)
    if answer.fallback is not None:
        FALLBACKS.labels(answer.scenario, answer.fallback_reason or "").inc()
    if answer.items:
        note_shown(
            Shown(
                recommendation_id=answer.recommendation_id,
                scenario=answer.scenario,
                user_id=user_id if answer.personal else "",
                anonymous_id=anonymous_id if answer.personal else "",
                model_version=answer.model_version,
                strategy=answer.strategy,
                arm=None,
                fallback=answer.fallback,
                served_at=now,
                first_rank=answer.items[0].rank,
                product_ids=[item.product_id for item in answer.items],
            )
        )
