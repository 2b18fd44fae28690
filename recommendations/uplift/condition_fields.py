"""The fields of segment conditions, which the branches of flows can use as well."""

from django.utils.translation import gettext_lazy as _

from customers.segments.conditions.fields import ConditionField, FieldType, register_field
from recommendations.uplift.models import ActionKind, MessageEffect

GROUP = _("Next best action")


def register_fields() -> None:
    register_field(
        ConditionField(
            "next_action",
            _("next best action"),
            GROUP,
            FieldType.CHOICE,
            lookup="next_action__kind",
            choices=tuple(ActionKind.choices),
            has_unknown=True,
            help=_("As of the last night. Unknown while there is too little to learn from."),
        )
    )
    register_field(
        ConditionField(
            "next_campaign",
            _("campaign of the next best action"),
            GROUP,
            FieldType.TEXT,
            lookup="next_action__key",
            help=_("Keys of campaigns."),
        )
    )
    register_field(
        ConditionField(
            "message_effect",
            _("effect of messages"),
            GROUP,
            FieldType.CHOICE,
            lookup="next_action__message_effect",
            choices=tuple(MessageEffect.choices),
            has_unknown=True,
            help=_("Measured in past campaigns on customers with a similar prediction."),
        )
    )
