from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class SendingConfig(AppConfig):
    name = "recommendations.sending"
    label = "sending"
    verbose_name = _("Sending")

    def ready(self) -> None:
        from anymail.signals import tracking
        from auditlog.registry import auditlog

        from config.foundation.privacy_facts.registry import register_recipients
        from customers.anomalies.facts.base import register_facts
        from customers.anomalies.metrics import register_metrics
        from customers.identity.signals import customer_erased, customers_deleted, customers_merged, merge_reverted
        from customers.lifecycle.signals import channel_responses_requested
        from customers.segments.event_counts.counting import register_fact_query
        from customers.subscriptions.refusals import register_address_check
        from recommendations.messaging.template_tests import register_template_test_sender
        from recommendations.sending import merge_receivers
        from recommendations.sending.bounces.provider_webhooks import receive_tracking_event
        from recommendations.sending.channels.message_recipients import list_message_recipients
        from recommendations.sending.daily_facts import EMAIL_METRICS, EMAILS
        from recommendations.sending.models import ChannelAccount, SendingSettings
        from recommendations.sending.suppressions.suppression_list import is_email_suppressed
        from recommendations.sending.template_tests import send_template_test
        from recommendations.sending.tracking.reactions import READ_FACTS, count_customer_responses

        auditlog.register(SendingSettings)
        auditlog.register(ChannelAccount, exclude_fields=["secrets"])
        tracking.connect(receive_tracking_event, dispatch_uid="sending.tracking")
        customers_merged.connect(merge_receivers.move_deliveries, dispatch_uid="sending.merge")
        merge_reverted.connect(merge_receivers.restore_deliveries, dispatch_uid="sending.revert")
        customer_erased.connect(merge_receivers.forget_erased_customer, dispatch_uid="sending.erase")
        customers_deleted.connect(merge_receivers.forget_deleted_customers, dispatch_uid="sending.delete")
        register_fact_query(READ_FACTS)
        channel_responses_requested.connect(count_customer_responses, dispatch_uid="sending.responses")
        register_facts(EMAILS)
        register_metrics(EMAIL_METRICS)
        register_address_check(is_email_suppressed)
        register_template_test_sender(send_template_test)
        register_recipients("sending", list_message_recipients)
