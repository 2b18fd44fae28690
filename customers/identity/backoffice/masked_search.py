"""Searches inside texts that the pages mask."""

from typing import Any, ClassVar

from django.db.models import Q, QuerySet
from django.http import HttpRequest

from customers.identity.personal_data.masking import may_see_personal

# Everything that `mask_text` recognizes has an @, also encoded in a URL, or at least six digits.
MAY_BE_MASKED = r"[@＠]|%(25)*40|([[:digit:]][^[:digit:]]*){6}"


class MaskedSearch:
    """Mixin of ModelAdmin: users who may not see personal data do not search texts that contain an address or a number.

    Otherwise they could find out what is masked, some characters at a time, by what the search finds.

    Attributes:
        masked_search_fields: the searched texts that the list masks.
        key_search_fields: IDs that are found nevertheless if they are entered in full.
    """

    masked_search_fields: ClassVar[tuple[str, ...]] = ()
    key_search_fields: ClassVar[tuple[str, ...]] = ()

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        if not search_term or may_see_personal(request):
            return super().get_search_results(request, queryset, search_term)  # type: ignore[misc]
        masked, keys = Q(), Q(pk__in=[])
        for name in self.masked_search_fields:
            masked |= Q(**{f"{name}__regex": MAY_BE_MASKED})
        for name in self.key_search_fields:
            keys |= Q(**{name: search_term})
        found, may_have_duplicates = super().get_search_results(request, queryset.exclude(masked), search_term)  # type: ignore[misc]
        return found | queryset.filter(keys), may_have_duplicates
