"""A list that the shop already has, in the order of whoever is looking."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt
from django.conf import settings
from django.utils.translation import gettext as _

from customers.events.recent.interactions import Recently
from recommendations.engine.online.ensemble_scorer import OutOfTimeError, Scored
from recommendations.engine.placements import FOR_YOU
from recommendations.serving.pipeline.candidates import Asked, Found, Workspaces, score_person
from recommendations.serving.pipeline.visitor import person_of, read_recently
from recommendations.serving.recommend import LATE, NO_MODEL, NOTHING_KNOWN, RESERVED_SECONDS, Answer, Item, reasons_of
from recommendations.serving.request import Request, WrongRequestError, make_recommendation_id
from recommendations.serving.state.loader import Loader, loader
from recommendations.serving.state.product_index import Filters

RANK = "rank"
MOST_RANKED = 1000
AS_GIVEN = "as-given"
DISMISSED, NOT_SHOWN, OUT_OF_STOCK = "dismissed", "not_shown", "out_of_stock"


@dataclass(frozen=True)
class RankRequest:
    """product_ids: at most MOST_RANKED, in the shop's own order, which stays where nothing is known of a product or of the person."""

    product_ids: Sequence[str]
    user_id: str = ""
    anonymous_id: str = ""
    in_stock: bool = True
    explain: bool = True

    def as_request(self) -> Request:
        return Request(FOR_YOU, user_id=self.user_id, anonymous_id=self.anonymous_id)


def rank(*, request: RankRequest, now: datetime, source: Loader = loader, recently: Recently | None = None) -> Answer:
    """The products in the order in which the person would choose them; ties and what nothing speaks for in the order given.

    What may not be shown, is sold out or was dismissed is left out, and named with the reason. A product that the catalogue does not
    know stays, last. Nobody's products are given back in another order than they came when nothing is known of the person.

    Errors: WrongRequestError.
    """
    started = time.perf_counter()
    if not 1 <= len(request.product_ids) <= MOST_RANKED:
        raise WrongRequestError(
            "product_ids",
            _("product_ids holds %(count)d products; give 1 to %(most)d.")
            % {"count": len(request.product_ids), "most": MOST_RANKED},
        )
    asking = request.as_request()
    loaded = source.current(now=now)
    due = time.perf_counter() + settings.RECOMMEND_DEADLINE_MS / 1000 - RESERVED_SECONDS
    told = read_recently(asking) if recently is None else recently
    catalogue = loaded.catalogue
    given = list(dict.fromkeys(request.product_ids))
    with Workspaces(loaded) as works:
        person = person_of(loaded=loaded, request=asking, recently=told, now=now.timestamp())
        rows = catalogue.rows_of(given)
        asked = Asked(
            request=asking, loaded=loaded, person=person, works=works, now=now, depth=len(given),
            allowed=catalogue.mask(Filters(request.in_stock)),
            due=due,
        )  # fmt: skip
        left_out = problems_of(asked, rows)
        kept = np.delete(np.arange(len(given)), list(left_out))
        scored, why = scores_of(asked)
        values = np.zeros(len(kept), np.float32)
        known = rows[kept] >= 0
        if scored is not None and len(kept):
            values[known] = scored.of(rows[kept][known])
        order = np.lexsort((~known & (scored is not None), -values))
        found = Found(RANK, rows[kept][order], values[order], scored, scenario=FOR_YOU)
        speaking = [row for row, value in zip(found.rows.tolist(), found.values.tolist(), strict=True) if value > 0]
        reasons = reasons_of(asked, found, speaking) if request.explain and scored is not None else {}
        items = [
            Item(given[place], number, float(value), catalogue.cards[row] if row >= 0 else None, reasons.get(row), row)
            for number, (place, row, value) in enumerate(
                zip(kept[order].tolist(), found.rows.tolist(), found.values.tolist(), strict=True), start=1
            )
        ]
    return Answer(
        recommendation_id=make_recommendation_id(now),
        scenario=RANK,
        strategy=RANK if scored is not None else AS_GIVEN,
        fallback=AS_GIVEN if scored is None else None,
        fallback_reason=why if scored is None else None,
        model_version=loaded.version,
        took_ms=round((time.perf_counter() - started) * 1000, 2),
        items=items,
        stale=source.stale_since is not None,
        left_out=[(given[place], left_out[place]) for place in sorted(left_out)],
        loaded=loaded,
        personal=not person.refused,
    )


def scores_of(asked: Asked) -> tuple[Scored | None, str]:
    if asked.loaded.model is None:
        return None, NO_MODEL
    try:
        return score_person(asked), NOTHING_KNOWN
    except OutOfTimeError:
        return None, LATE


def problems_of(asked: Asked, rows: npt.NDArray[np.int32]) -> dict[int, str]:
    """Places of products that may not be shown, and why; what is not known at all may stay."""
    catalogue = asked.loaded.catalogue
    known = rows >= 0
    dismissed = known & np.isin(rows, asked.person.dismissed)
    away = known & ~asked.allowed[rows] & ~dismissed
    found = dict.fromkeys(np.flatnonzero(dismissed).tolist(), DISMISSED)
    return found | {
        place: OUT_OF_STOCK if catalogue.shown[rows[place]] else NOT_SHOWN for place in np.flatnonzero(away).tolist()
    }


__all__ = ["MOST_RANKED", "RankRequest", "rank"]
