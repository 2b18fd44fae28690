from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class MeasurementConfig(AppConfig):
    name = "recommendations.measurement"
    label = "measurement"
    verbose_name = _("Measurement")

    def ready(self) -> None:
        from customers.identity.signals import customer_erased, customers_deleted, customers_merged, merge_reverted
        from recommendations.measurement import merge_receivers

        customers_merged.connect(merge_receivers.move_assignments, dispatch_uid="measurement.merge")
        merge_reverted.connect(merge_receivers.restore_assignments, dispatch_uid="measurement.revert")
        customer_erased.connect(merge_receivers.forget_erased_customer, dispatch_uid="measurement.erase")
        customers_deleted.connect(merge_receivers.forget_deleted_customers, dispatch_uid="measurement.delete")
