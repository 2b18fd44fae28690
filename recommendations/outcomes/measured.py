"""The four measures with their state, each computed in the background if it is not current."""

from datetime import datetime

from customers.analytics.outcomes.parameters import OutcomeParameters
from customers.analytics.outcomes.registry import MEASURES
from customers.analytics.results import ResultState, get_result


def load_measures(parameters: OutcomeParameters, *, now: datetime) -> dict[str, ResultState]:
    """Return the newest result of each measure by key."""
    return {
        key: get_result(question=measure.question, parameters=parameters, now=now) for key, measure in MEASURES.items()
    }
