from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class PrivacyConfig(AppConfig):
    name = "customers.privacy"
    label = "privacy"
    verbose_name = _("Privacy requests")

    def ready(self) -> None:
        from auditlog.registry import auditlog

        from customers.erasure.signals import people_erased
        from customers.identity.signals import customers_merged, merge_reverted
        from customers.lifecycle.backoffice.panels.registry import CustomerPanel, register_panel
        from customers.privacy import merge_receivers
        from customers.privacy.backoffice.customer_panel import build_privacy_panel
        from customers.privacy.backoffice.permissions import VIEW
        from customers.privacy.models import PrivacyRequest, PrivacySettings
        from customers.privacy.requests.erasing import close_erased_requests
        from customers.privacy.self_service import policy_links  # noqa: F401

        auditlog.register(
            PrivacyRequest,
            exclude_fields=["result"],
            mask_fields=["email", "note", "proposal"],
            mask_callable="customers.identity.personal_data.audit_masking.mask_value",
        )
        auditlog.register(PrivacySettings)
        people_erased.connect(close_erased_requests, dispatch_uid="privacy.erased")
        customers_merged.connect(merge_receivers.move_requests, dispatch_uid="privacy.merge")
        merge_reverted.connect(merge_receivers.restore_requests, dispatch_uid="privacy.revert")
        register_panel(
            CustomerPanel(
                "privacy-requests",
                10,
                _("Requests and restrictions"),
                "admin/privacy/of_customer.html",
                VIEW,
                build_privacy_panel,
                tab="privacy",
            )
        )
