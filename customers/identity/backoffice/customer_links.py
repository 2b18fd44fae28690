"""Links to the customers list."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse


def make_customers_url(condition: Mapping[str, Any]) -> str:
    """Return the URL of the customers list with a condition; a single stage is one of its quick filters."""
    match condition:
        case {"all": [{"field": "stage", "op": "in", "value": [stage]}]}:
            parameters = {"stage": stage}
        case _:
            parameters = {"condition": json.dumps(condition, separators=(",", ":"))}
    return f"{reverse('customer_list:list')}?{urlencode(parameters)}"
