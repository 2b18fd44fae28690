"""Selects the customers behind the numbers of the Lifecycle page by parameters of a URL."""

from collections.abc import Callable, Mapping

from django.utils.translation import gettext as _

from customers.lifecycle.backoffice.drilldowns.drilldown import Drilldown, DrilldownError, make_drilldown_url
from customers.lifecycle.backoffice.drilldowns.rfm import (
    ANY_GROUP,
    NO_GROUP,
    MonthEnd,
    get_basis_label,
    get_group_label,
    list_known_months,
    parse_rfm_cell,
    parse_rfm_flow,
    parse_rfm_group,
)
from customers.lifecycle.backoffice.drilldowns.scores import parse_cluster, parse_probability_range, parse_value_range
from customers.lifecycle.backoffice.drilldowns.stages import (
    ANY_STAGE,
    OTHER_STAGE,
    UNKNOWN_STAGE,
    get_stage_label,
    parse_stage,
    parse_stage_flow,
)

__all__ = [
    "ANY_GROUP",
    "ANY_STAGE",
    "DRILLDOWN_PARSERS",
    "NO_GROUP",
    "OTHER_STAGE",
    "UNKNOWN_STAGE",
    "Drilldown",
    "DrilldownError",
    "MonthEnd",
    "get_basis_label",
    "get_group_label",
    "get_stage_label",
    "list_known_months",
    "make_drilldown_url",
    "parse_cluster",
    "parse_drilldown",
    "parse_probability_range",
    "parse_rfm_cell",
    "parse_rfm_flow",
    "parse_rfm_group",
    "parse_stage",
    "parse_stage_flow",
    "parse_value_range",
]

# apps above this one add their own figures
DRILLDOWN_PARSERS: dict[str, Callable[[Mapping[str, str]], Drilldown]] = {
    "stage-flow": parse_stage_flow,
    "stage": parse_stage,
    "rfm-cell": parse_rfm_cell,
    "rfm-group": parse_rfm_group,
    "rfm-flow": parse_rfm_flow,
    "value": parse_value_range,
    "probability": parse_probability_range,
    "cluster": parse_cluster,
}


def parse_drilldown(parameters: Mapping[str, str]) -> Drilldown:
    """Return the customers that the URL selects. Errors: DrilldownError."""
    parser = DRILLDOWN_PARSERS.get(parameters.get("figure", ""))
    if parser is None:
        raise DrilldownError([_("The link is incomplete. Choose a number on the Lifecycle page.")])
    return parser(parameters)
