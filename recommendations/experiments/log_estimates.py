"""What a variant would earn, estimated from the log before it serves anyone."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from config.foundation.statistics import ConfidenceInterval

LOOKBACK = timedelta(days=28)
MIN_DECISIONS = 200
MIN_EFFECTIVE = 100.0
MIN_CLICKS = 20
MIN_REPRODUCED = 0.8
MIN_SUPPORTED = 0.9


class EstimateProblem(StrEnum):
    """Why nothing can be estimated."""

    UNKNOWN_REQUEST = "unknown_request"
    FEW_DECISIONS = "few_decisions"
    CHANGED = "changed"
    FEW_CLICKS = "few_clicks"
    DIFFERENT = "different"
    UNSEEN = "unseen"


@dataclass(frozen=True)
class LogEstimate:
    """The click rate of the first product of a placement with other settings.

    Attributes:
        decisions: lists of the last 28 days whose first product was chosen at random.
        reproduced: the number of these lists whose logged probability the present settings reproduce; the estimates use only them.
        clicks: on the first product of these lists.
        effective: how many decisions of the variant these lists are worth, (Σw)² / Σw².
        supported: the share of the variant's first products that the log can be expected to show.
        measured: the click rate of these lists as they were served.
        ips, snips, dr: the click rate of the variant by three estimators. difference: dr minus measured.
        problem: why the estimates are missing.
    """

    decisions: int
    reproduced: int = 0
    clicks: int = 0
    effective: float = 0.0
    supported: float = 1.0
    measured: ConfidenceInterval | None = None
    ips: ConfidenceInterval | None = None
    snips: ConfidenceInterval | None = None
    dr: ConfidenceInterval | None = None
    difference: ConfidenceInterval | None = None
    problem: EstimateProblem | None = None
