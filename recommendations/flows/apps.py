from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class FlowsConfig(AppConfig):
    name = "recommendations.flows"
    label = "flows"
    verbose_name = _("Flows")

    def ready(self) -> None:
        from auditlog.registry import auditlog

        from customers.identity.signals import customer_erased, customers_deleted, customers_merged, merge_reverted
        from customers.lifecycle.backoffice.panels.registry import CustomerPanel, register_panel
        from customers.processing.signals import events_processed
        from customers.segments.usage import register_segment_users
        from recommendations.flows import merge_receivers
        from recommendations.flows.backoffice.customer_panel import list_customer_flows
        from recommendations.flows.capture.events import capture_events
        from recommendations.flows.capture.reactions import capture_reactions
        from recommendations.flows.definition_checks import list_flow_uses, list_flows_of_segment
        from recommendations.flows.execution.stepping import run_due_steps
        from recommendations.flows.models import Flow, FlowVersion
        from recommendations.flows.origin_keys import find_flow_keys, find_flow_numbers
        from recommendations.messaging.template_uses import register_use_finder
        from recommendations.sending.checks.holdout_groups import register_scope_finder
        from recommendations.sending.restores.hold import register_message_queuer
        from recommendations.sending.tracking.origin_keys import register_key_finder
        from recommendations.sending.tracking.signals import reactions_stored

        register_key_finder("flow", find_flow_keys)
        register_scope_finder("flow", find_flow_numbers)
        register_use_finder("flow", list_flow_uses)
        register_segment_users(list_flows_of_segment)
        register_message_queuer(lambda at: run_due_steps(now=at))
        auditlog.register(Flow, exclude_fields=["matched_at"])
        auditlog.register(FlowVersion)
        events_processed.connect(capture_events, dispatch_uid="flows.events")
        reactions_stored.connect(capture_reactions, dispatch_uid="flows.reactions")
        customers_merged.connect(merge_receivers.move_stays, dispatch_uid="flows.merge")
        merge_reverted.connect(merge_receivers.restore_stays, dispatch_uid="flows.revert")
        customer_erased.connect(merge_receivers.end_erased_stays, dispatch_uid="flows.erase")
        customers_deleted.connect(merge_receivers.end_deleted_stays, dispatch_uid="flows.delete")
        register_panel(
            CustomerPanel(
                "flows",
                30,
                _("Flows"),
                "admin/flows/of_customer.html",
                "flows.view_flow",
                list_customer_flows,
                tab="messages",
            )
        )
