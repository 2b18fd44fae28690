"""The kinds of destinations, by key."""

from customers.destinations.kinds.base import DestinationKind
from customers.destinations.kinds.google import GoogleAds
from customers.destinations.kinds.meta import MetaConversions
from customers.destinations.kinds.mysql import MySqlTables
from customers.destinations.kinds.postgres import PostgresTables
from customers.destinations.kinds.webhook import SignedWebhook

DESTINATION_KINDS: dict[str, type[DestinationKind]] = {
    kind.key: kind for kind in (SignedWebhook, MetaConversions, GoogleAds, PostgresTables, MySqlTables)
}
