"""The links of the self-service pages to the preference center and the privacy policy."""

from django.conf import settings
from django.urls import reverse
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from customers.identity.models import Customer
from customers.policy.document.versions import get_version_number
from customers.policy.preferences.links import make_preferences_link
from customers.privacy.self_service.page_links import PageLink, register_page_link


def find_preferences_url(customer: Customer | None) -> str:
    if customer is None:
        return ""
    return make_preferences_link(customer.pk, language=get_language() or "", origin="self-service")


def find_policy_url(customer: Customer | None) -> str:
    return f"{settings.PUBLIC_URL}{reverse('policy:show')}?lang={get_language()}" if get_version_number() else ""


register_page_link(PageLink("preferences", _("Your privacy choices"), find_preferences_url))
register_page_link(PageLink("policy", _("Privacy policy"), find_policy_url))
