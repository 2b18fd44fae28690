"""The platforms by key."""

from customers.connectors.platforms.base import Connector, PlatformError, ShopAccess
from customers.connectors.platforms.magento import MagentoConnector
from customers.connectors.platforms.shopify import ShopifyConnector
from customers.connectors.platforms.woocommerce import WooCommerceConnector

CONNECTORS: dict[str, type[Connector]] = {
    connector.key: connector for connector in (ShopifyConnector, WooCommerceConnector, MagentoConnector)
}


def make_connector(platform: str, access: ShopAccess) -> Connector:
    """Return the connector of a shop. Raises PlatformError for an unknown platform."""
    if platform not in CONNECTORS:
        raise PlatformError(f"Unknown platform {platform!r}; valid: {', '.join(CONNECTORS)}.")
    return CONNECTORS[platform](access)
