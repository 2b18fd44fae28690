"""Perennial's own column names; other columns become traits."""

from django.utils.translation import gettext_lazy as _

from customers.identity.imports.customer_fields import FIELDS
from customers.identity.imports.presets.base import CustomerPreset

NATIVE = CustomerPreset(
    key="native", label=_("Perennial"), columns={name: (name,) for name in FIELDS}, keeps_other_columns=True
)
