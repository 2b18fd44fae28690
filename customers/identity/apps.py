from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class IdentityConfig(AppConfig):
    name = "customers.identity"
    label = "identity"
    verbose_name = _("Customers")

    def ready(self) -> None:
        from auditlog.registry import auditlog

        from customers.identity.models import (
            Consent,
            Customer,
            IdentifierTransfer,
            IdentityConflict,
            IdentityMerge,
            ProcessingRestriction,
        )

        auditlog.register(
            Customer,
            exclude_fields=["first_seen_at", "last_seen_at"],
            mask_fields=["name", "email", "phone", "birthday", "traits"],
            mask_callable="customers.identity.personal_data.audit_masking.mask_value",
        )
        auditlog.register(Consent)
        auditlog.register(ProcessingRestriction)
        auditlog.register(IdentityMerge, exclude_fields=["moved"])
        auditlog.register(IdentifierTransfer, exclude_fields=["cleared"])
        auditlog.register(
            IdentityConflict,
            mask_fields=["identifiers"],
            mask_callable="customers.identity.personal_data.audit_masking.mask_json_value",
        )
