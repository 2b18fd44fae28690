"""What search takes from the model: how much whoever asks wants a product, and how much everybody does."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from django.conf import settings

from config.foundation.array_types import Rows
from customers.events.recent.interactions import Recently
from recommendations.engine.online.ensemble_scorer import OutOfTimeError
from recommendations.engine.placements import FOR_YOU, POPULAR
from recommendations.serving.pipeline.candidates import Asked, Workspaces, score_person
from recommendations.serving.pipeline.visitor import person_of, read_recently
from recommendations.serving.recommend import RESERVED_SECONDS
from recommendations.serving.request import Request
from recommendations.serving.rest.search.request import SearchRequest
from recommendations.serving.state.loader import Loaded
from recommendations.serving.state.product_index import Filters

type Values = npt.NDArray[np.float32]
type Scores = Callable[[Rows], Values]  # rows of the catalogue → 0…1, 0: nothing known


@contextmanager
def person_scores(
    *, request: SearchRequest, loaded: Loaded, now: datetime, recently: Recently | None = None
) -> Iterator[Scores | None]:
    """How much the person would choose each of some products, beside that which they would choose first of these.

    None for somebody without a history, who refuses personalisation, or of whom nothing could be said in time. Holds while the block
    runs. recently: what Valkey knows of the person, where the caller has asked already.
    """
    asking = Request(FOR_YOU, user_id=request.user_id, anonymous_id=request.anonymous_id)
    if not request.personalised or not asking.identifiers or loaded.model is None:
        yield None
        return
    told = read_recently(asking) if recently is None else recently
    with Workspaces(loaded) as works:
        asked = Asked(
            request=asking,
            loaded=loaded,
            person=person_of(loaded=loaded, request=asking, recently=told, now=now.timestamp()),
            works=works,
            now=now,
            depth=1,
            allowed=loaded.catalogue.mask(Filters()),
            due=time.perf_counter() + settings.RECOMMEND_DEADLINE_MS / 1000 - RESERVED_SECONDS,
        )
        try:
            scored = score_person(asked)
        except OutOfTimeError:
            scored = None
        yield None if scored is None else lambda rows: shares(scored.of(rows))


def popularity(loaded: Loaded) -> Scores | None:
    """How much everybody takes each of some products, as a share of what is taken most; None without a model."""
    values = popular_values(loaded)
    return None if values is None else lambda rows: values[rows]


@lru_cache(maxsize=1)
def popular_values(loaded: Loaded) -> Values | None:
    """Of all rows; square roots, as otherwise nothing but a handful of products would differ from the rest."""
    blend = loaded.prepared.blends.get(POPULAR) if loaded.prepared is not None else None
    return None if blend is None else np.sqrt(shares(blend.static))


def shares(values: Values) -> Values:
    """Of the largest; 0 for what is below 0."""
    most = float(values.max(initial=0.0))
    return (np.maximum(values, 0) / (most or 1.0)).astype(np.float32)
