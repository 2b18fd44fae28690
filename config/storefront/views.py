"""Page shells of the demo shop. They make no queries: the browser calls the public API, as in any other shop."""

from typing import Any

from csp.decorators import csp_replace
from django.conf import settings
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.utils.translation import get_language
from django.views.generic import TemplateView

from config.foundation.shop.profile import get_shop
from config.storefront.keys import read_storefront_keys
from config.storefront.texts import INTERESTS, build_texts

PAGES = ("home", "search", "product", "basket", "checkout", "orders", "account")
HOUSEHOLDS = tuple(
    f"household-{number}" for number in (1, 7, 16, 42, 718)
)  # suggestions on the account page; any other id works too
STRICT = {"script-src": ["'self'"], "style-src": ["'self'"], "img-src": ["'self'", "data:", "https:"]}


@method_decorator(csp_replace(STRICT), name="dispatch")
class ShopPage(TemplateView):
    """A page of the demo shop, available in demo mode only; ``page`` names its template and script."""

    page = "home"
    http_method_names = ["get", "head", "options"]

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not settings.DEMO:
            raise Http404("The shop is only available in demo mode (DEMO=true).")
        response = super().dispatch(request, *args, **kwargs)
        response["Cache-Control"] = "private, no-cache"
        return response

    def get_template_names(self) -> list[str]:
        return [f"storefront/{self.page}.html"]

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        keys = read_storefront_keys()
        shop_context = {
            "language": get_language(),
            "currency": get_shop().currency,
            "publishable_key": keys.publishable_key if keys else "",
            "write_key": keys.write_key if keys else "",
            "server": {name: reverse(f"shop:{name}") for name in ("log-in", "place-order")},
            "pages": {name: reverse(f"shop:{name}") for name in PAGES},
            "placeholder_image": reverse("catalog-placeholder-image"),
            "texts": build_texts(),
        }
        return super().get_context_data(
            page=self.page,
            script=f"storefront/pages/{self.page}.js",
            shop=shop_context,
            shop_name=get_shop().name,
            has_keys=keys is not None,
            households=HOUSEHOLDS,
            interests=INTERESTS,
            **kwargs,
        )
