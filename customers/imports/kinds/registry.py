"""The kinds of import that the wizard offers. A new kind needs its own module and one line here."""

from collections.abc import Mapping

from customers.imports.kinds.base import ImportKind
from customers.imports.kinds.customers import CUSTOMERS
from customers.imports.kinds.events import EVENTS
from customers.imports.kinds.orders import ORDERS
from customers.imports.kinds.products import PRODUCTS
from customers.imports.kinds.reviews import REVIEWS

KINDS: Mapping[str, ImportKind] = {kind.key: kind for kind in (PRODUCTS, CUSTOMERS, ORDERS, REVIEWS, EVENTS)}
