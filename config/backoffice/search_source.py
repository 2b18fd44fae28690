"""The pages of the menu in the search of the back office."""

from django.utils.translation import pgettext_lazy

from config.foundation.backoffice.search import SearchSource, find_pages, register_search_source

register_search_source(
    SearchSource(key="pages", label=pgettext_lazy("back office", "Pages"), permission=None, order=50, find=find_pages)
)
