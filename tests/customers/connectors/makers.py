"""Makes connected shops."""

import json

from customers.connectors.models import ShopConnection
from customers.events.models import Source


def make_connection(platform: str, url: str, credentials: dict[str, str]) -> ShopConnection:
    source = Source.objects.create(key=f"{platform}-shop", name="Tea shop", kind=Source.Kind.IMPORT)
    return ShopConnection.objects.create(
        name="Tea shop",
        platform=platform,
        address=url,
        credentials=json.dumps(credentials),
        currency="EUR",
        source=source,
    )
