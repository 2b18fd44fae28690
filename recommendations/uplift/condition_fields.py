"""The fields of segment conditions, which the branches of flows can use as well."""

from django.utils.translation import gettext_lazy as _

from customers.segments.conditions.fields import ConditionField, FieldType, register_field
from recommendations.uplift.kinds.registry import KINDS
from recommendations.uplift.models import NO_ACTION_KIND, MessageEffect

GROUP = _("Next best action")
NO_ACTION = _("do nothing")


def register_fields() -> None:
    register_field(
        ConditionField(
            "next_action",
            _("next best action"),
            GROUP,
            FieldType.CHOICE,
            lookup="next_action__kind",
            choices=(*((kind.key, kind.label) for kind in KINDS.values()), (NO_ACTION_KIND, NO_ACTION)),
            has_unknown=True,
            help=_("As of last night. Unknown while there is too little data to learn from."),
        )
    )
    for kind in KINDS.values():
        register_field(
            ConditionField(
                f"next_{kind.key}",
                kind.field_label,
                GROUP,
                FieldType.TEXT,
                lookup="next_action__key",
                restriction=("next_action__kind", kind.key),
                help=kind.field_help,
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
