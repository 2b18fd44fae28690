"""The base of all admin classes: lists can be filtered only as their page offers it."""

from typing import Any, ClassVar

from django.contrib.admin import SimpleListFilter
from django.contrib.admin.widgets import url_params_from_lookup_dict
from django.core.exceptions import FieldDoesNotExist
from django.db.models import Model
from django.db.models.constants import LOOKUP_SEP
from django.forms import ModelForm
from django.http import HttpRequest
from unfold.admin import ModelAdmin as UnfoldModelAdmin

KEY_LOOKUPS = ("", "exact", "in")


class ModelAdmin(UnfoldModelAdmin):
    """Refuses URL parameters that filter by other fields than those of the filters.

    Django accepts every lookup on the fields of the model, such as ``value__startswith``. Readers could find out a value that the list
    masks, character by character, and regular expressions would run in the database.

    Attributes:
        linked_filters: fields by which links from other pages filter, in addition to ``list_filter`` and ``date_hierarchy``.
    """

    linked_filters: ClassVar[tuple[str, ...]] = ()

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest | None = None) -> bool:
        return super().lookup_allowed(lookup, value, request) and self.is_offered(lookup, value, request)

    def is_offered(self, lookup: str, value: Any, request: HttpRequest | None) -> bool:
        """Return whether the page offers a filter; an unknown name is left to Django, which ignores or refuses it."""
        name, _separator, rest = lookup.partition(LOOKUP_SEP)
        key = self.opts.pk
        if name in ("pk", key.name if key is not None else ""):
            return rest in KEY_LOOKUPS
        paths, parameters = self.list_filter_names(request)
        if lookup in parameters or any(lookup == path or lookup.startswith(path + LOOKUP_SEP) for path in paths):
            return True
        if is_selectable(self.opts.related_fkey_lookups, lookup, value):
            return True
        try:
            self.opts.get_field(name)
        except FieldDoesNotExist:
            return request is None or name not in self.get_queryset(request).query.annotations
        return False

    def list_filter_names(self, request: HttpRequest | None) -> tuple[set[str], set[str]]:
        """Return the paths of the fields that have a filter, and the parameters of the filters that have no field."""
        paths, parameters = {*self.linked_filters}, set()
        if self.date_hierarchy:
            paths.add(self.date_hierarchy)
        for item in self.list_filter if request is None else self.get_list_filter(request):
            if isinstance(item, type) and issubclass(item, SimpleListFilter):
                parameters.add(str(item.parameter_name))
            else:
                paths.add(str(item[0] if isinstance(item, list | tuple) else item))
        return paths, parameters


def list_changed_fields(obj: Model, form: ModelForm) -> list[str]:
    """Return the fields that a form has changed, to save no others: the rest of the object may be older than its row."""
    return [field.name for field in obj._meta.concrete_fields if field.name in form.changed_data]


def is_selectable(related: Any, lookup: str, value: Any) -> bool:
    """Return whether a lookup is the restriction of a foreign key to this model, by which the window to select an object filters."""
    choices = (choice() if callable(choice) else choice for choice in related)
    return any((lookup, value) in url_params_from_lookup_dict(choice).items() for choice in choices)
