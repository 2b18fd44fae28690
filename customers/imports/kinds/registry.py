"""The kinds of import that the wizard offers. A new kind needs its own module and one line here."""

from collections.abc import Mapping

from customers.imports.kinds.base import ImportKind
from customers.imports.kinds.orders import ORDERS

KINDS: Mapping[str, ImportKind] = {kind.key: kind for kind in (ORDERS,)}
