from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class FeedbackConfig(AppConfig):
    name = "customers.feedback"
    label = "feedback"
    verbose_name = _("Feedback")

    def ready(self) -> None:
        from customers.feedback.merge_receivers import move_feedback, restore_feedback
        from customers.identity.signals import customers_merged, merge_reverted

        customers_merged.connect(move_feedback, dispatch_uid="feedback.merge")
        merge_reverted.connect(restore_feedback, dispatch_uid="feedback.revert")
