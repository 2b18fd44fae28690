"""The texts of the ready-made templates in English and Chinese."""

from recommendations.messaging.starters.starter import Starter
from recommendations.messaging.starters.texts.catalog_changes import CATALOG_STARTERS
from recommendations.messaging.starters.texts.lifecycle import LIFECYCLE_STARTERS
from recommendations.messaging.starters.texts.orders import ORDER_STARTERS
from recommendations.messaging.starters.texts.visits import VISIT_STARTERS

STARTERS: tuple[Starter, ...] = (*VISIT_STARTERS, *ORDER_STARTERS, *CATALOG_STARTERS, *LIFECYCLE_STARTERS)
