"""Opens a connected shop: its keys, and the connector of its platform."""

import json

from customers.connectors.models import ShopConnection
from customers.connectors.platforms.base import Connector, ShopAccess
from customers.connectors.platforms.registry import make_connector


def open_connector(connection: ShopConnection) -> Connector:
    """Return the connector of a shop with its stored keys."""

    def save(credentials: dict[str, object]) -> None:
        connection.credentials = json.dumps(credentials)
        ShopConnection.objects.filter(pk=connection.pk).update(credentials=connection.credentials)

    credentials = json.loads(connection.credentials or "{}")
    access = ShopAccess(connection.address, credentials, save=save, scratch_name=str(connection.pk or "new"))
    return make_connector(connection.platform, access)
