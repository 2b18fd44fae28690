"""Perennial's own column names: each column is named after its field."""

from django.utils.translation import gettext_lazy as _

from customers.orders.imports.order_fields import FIELDS
from customers.orders.imports.presets.base import ColumnPreset

NATIVE = ColumnPreset(key="native", label=_("Perennial"), columns={name: (name,) for name in FIELDS})
