from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ExperimentsConfig(AppConfig):
    name = "recommendations.experiments"
    label = "experiments"
    verbose_name = _("Experiments")

    def ready(self) -> None:
        from auditlog.registry import auditlog

        from customers.identity.signals import customer_erased, customers_deleted, customers_merged, merge_reverted
        from recommendations.experiments import merge_receivers
        from recommendations.experiments.backoffice.automated_decisions import register_experiment_decisions
        from recommendations.experiments.models import Experiment, Variant

        auditlog.register(Experiment, exclude_fields=["updated_at"])
        auditlog.register(Variant)
        register_experiment_decisions()
        customers_merged.connect(merge_receivers.move_exposures, dispatch_uid="experiments.merge")
        merge_reverted.connect(merge_receivers.restore_exposures, dispatch_uid="experiments.revert")
        customer_erased.connect(merge_receivers.anonymize_exposures, dispatch_uid="experiments.erase")
        customers_deleted.connect(merge_receivers.forget_deleted_customers, dispatch_uid="experiments.delete")
