"""The tables of customer lifecycle."""

from customers.lifecycle.models.profiles import (
    VALUE_COLUMNS,
    CountedSession,
    CustomerProfile,
    NextOrderReason,
    PendingRecount,
    RfmGroup,
)
from customers.lifecycle.models.runs import LifecycleRun, ScoreModel
from customers.lifecycle.models.stages import Stage, StageRules, StageTransition

__all__ = [
    "VALUE_COLUMNS",
    "CountedSession",
    "CustomerProfile",
    "LifecycleRun",
    "NextOrderReason",
    "PendingRecount",
    "RfmGroup",
    "ScoreModel",
    "Stage",
    "StageRules",
    "StageTransition",
]
