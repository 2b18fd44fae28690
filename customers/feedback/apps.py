from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class FeedbackConfig(AppConfig):
    name = "customers.feedback"
    label = "feedback"
    verbose_name = _("Feedback")

    def ready(self) -> None:
        from customers.feedback.merge_receivers import follow_merge, follow_revert
        from customers.identity.signals import customers_merged, merge_reverted

        customers_merged.connect(follow_merge, dispatch_uid="feedback.merge")
        merge_reverted.connect(follow_revert, dispatch_uid="feedback.revert")
