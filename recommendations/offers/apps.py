from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class OffersConfig(AppConfig):
    name = "recommendations.offers"
    label = "offers"
    verbose_name = _("On-site offers")

    def ready(self) -> None:
        from auditlog.registry import auditlog

        from customers.identity.signals import customer_erased, customers_deleted, customers_merged, merge_reverted
        from recommendations.offers import merge_receivers
        from recommendations.offers.backoffice.automated_decisions import register_offer_decisions
        from recommendations.offers.experiments import register_offer_experiments
        from recommendations.offers.models import Offer, OfferContent

        auditlog.register(Offer)
        auditlog.register(OfferContent)
        register_offer_experiments()
        register_offer_decisions()
        customers_merged.connect(merge_receivers.move_offer_rows, dispatch_uid="offers.merge")
        merge_reverted.connect(merge_receivers.restore_offer_rows, dispatch_uid="offers.revert")
        customer_erased.connect(merge_receivers.anonymize_exposures, dispatch_uid="offers.erase")
        customers_deleted.connect(merge_receivers.forget_deleted_customers, dispatch_uid="offers.delete")
