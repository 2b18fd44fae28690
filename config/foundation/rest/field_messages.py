"""The error messages of REST framework's fields that name types of Python or jargon, in the words of this API."""

from django.utils.translation import gettext_lazy as _
from rest_framework import relations, serializers

NOT_AN_OBJECT = _("Must be a JSON object.")
NOT_A_LIST = _("Must be a JSON array.")
LIST_MESSAGES = {
    "not_a_list": NOT_A_LIST,
    "min_length": _("Too few items; the minimum is {min_length}."),
    "max_length": _("Too many items; the maximum is {max_length}."),
}


def replace_field_messages() -> None:
    """Replace messages for all serializers: REST framework has no setting for them, and many fields are made from models."""
    serializers.Serializer.default_error_messages["invalid"] = NOT_AN_OBJECT
    serializers.DictField.default_error_messages["not_a_dict"] = NOT_AN_OBJECT
    serializers.ListField.default_error_messages.update(LIST_MESSAGES)
    serializers.ListSerializer.default_error_messages.update(LIST_MESSAGES)
    relations.ManyRelatedField.default_error_messages["not_a_list"] = NOT_A_LIST
    serializers.SlugField.default_error_messages["invalid"] = _("Use only letters, digits, hyphens and underscores.")
    serializers.SlugRelatedField.default_error_messages["does_not_exist"] = _(
        "No object has the {slug_name} “{value}”."
    )
