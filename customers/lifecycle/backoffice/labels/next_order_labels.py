"""Labels of the predicted next order."""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _

from config.foundation.number_formats import format_full_day


def describe_date_interval(next_order: Mapping[str, Any]) -> str:
    """Return the 50 % interval of the date; "" without a prediction."""
    if next_order["likeliest"] is None:
        return ""
    if next_order["earliest"] == next_order["latest"]:
        return (
            _("if the customer orders again; 50%% interval: this day only")
            if next_order["conditional"]
            else _("50%% interval: this day only")
        ) % {}
    text = (
        _("if the customer orders again; 50%% interval: %(earliest)s to %(latest)s")
        if next_order["conditional"]
        else _("50%% interval: %(earliest)s to %(latest)s")
    )
    return text % {
        "earliest": format_full_day(next_order["earliest"]),
        "latest": format_full_day(next_order["latest"]),
    }
