"""All URLs of the project."""

from django.conf import settings
from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path, re_path
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularAPIView

from catalog.placeholder_images.views import show_placeholder_image, show_placeholder_png
from config import health
from config.access.protected_views import ApiDocsView, show_metrics
from config.assistant.mcp.views import serve_mcp
from config.backoffice.javascript_texts import AdminJavaScriptCatalog
from config.backoffice.search_page import show_search_results
from config.backoffice.settings.shop_page import show_logo
from config.digest.views import show_unsubscribe
from config.foundation.rest.problems import respond_api_not_found
from customers.events.rest.urls import collector_urlpatterns
from customers.identity.rest.urls import customer_urlpatterns
from customers.orders.rest.urls import product_urlpatterns
from recommendations.messaging.cards.signed_cards import show_card
from recommendations.sending.tracking.views import show_invalid_link

# Each package lists its URLs in its own rest/urls.py.
api: list[URLPattern | URLResolver] = [
    # Before the catalog's URLs, because product ids may contain slashes.
    path("", include("recommendations.serving.rest.urls")),
    path("", include(product_urlpatterns)),
    path("", include("catalog.rest.urls")),
    path("", include("customers.identity.rest.urls")),
    path("", include("customers.events.rest.urls")),
    path("", include("customers.orders.rest.urls")),
    path("", include("customers.feedback.rest.urls")),
    path("", include("customers.subscriptions.rest.urls")),
    path("", include("customers.lifecycle.rest.urls")),
    path("", include("customers.privacy.rest.urls")),
    path("", include("customers.segments.rest.urls")),
    path("", include("customers.policy.rest.urls")),
    path("", include("customers.demand.rest.urls")),
    path("", include("customers.analytics.rest.urls")),
    path("", include("customers.intent.rest.urls")),
    path("", include("customers.loyalty.rest.urls")),
    path("", include("recommendations.messaging.rest.urls")),
    path("", include("recommendations.offers.rest.urls")),
    path("", include("recommendations.experiments.rest.urls")),
    path("", include("recommendations.campaigns.rest.urls")),
    path("", include("recommendations.sending.rest.urls")),
    path("", include("recommendations.flows.rest.urls")),
    path("", include("recommendations.uplift.rest.urls")),
    path("", include("recommendations.outcomes.rest.urls")),
    path("", include("recommendations.training.rest.urls")),
    path("", include("recommendations.merchandising.rest.urls")),
    path("", include(customer_urlpatterns)),
    path("schema/", SpectacularAPIView.as_view(), name="schema"),
    path("docs/", ApiDocsView.as_view(url_name="schema"), name="docs"),
]

urlpatterns: list[URLPattern | URLResolver] = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/", include("config.access.backoffice.urls")),  # before the admin site, whose log-in page it replaces
    # Before the admin site, whose search by django-unfold does not apply the masking policy.
    path("admin/search/", show_search_results, name="backoffice_search"),
    path("admin/jsi18n/", admin.site.admin_view(AdminJavaScriptCatalog.as_view(), cacheable=True)),
    path("admin/ask/", include("config.assistant.backoffice.urls")),
    path("admin/suggestions/", include("recommendations.suggestions.backoffice.urls")),
    path("admin/settings/jobs/", include("config.jobs.backoffice.urls")),
    path("admin/settings/keys/", include("config.encryption_keys.backoffice.urls")),
    path("admin/settings/retention/", include("config.retention.backoffice.urls")),
    path("admin/settings/monitoring/", include("config.monitoring.backoffice.urls")),
    path("admin/settings/sending/", include("recommendations.sending.backoffice.settings_urls")),
    path("admin/settings/sending/channels/", include("recommendations.sending.backoffice.channel_urls")),
    path("admin/settings/privacy/", include("customers.policy.backoffice.urls")),
    path("admin/settings/privacy/requests/", include("customers.privacy.backoffice.urls")),
    path("admin/settings/", include("config.backoffice.settings.urls")),
    path("shop-logo", show_logo, name="shop_logo"),
    path("admin/imports/", include("customers.imports.backoffice.urls")),
    path("admin/connectors/", include("customers.connectors.backoffice.urls")),
    path("admin/destinations/", include("customers.destinations.backoffice.urls")),
    path("admin/flows/", include("recommendations.flows.backoffice.urls")),
    path("admin/customers/loyalty/", include("customers.loyalty.backoffice.urls")),
    path("admin/customers/", include("customers.segments.backoffice.customer_list.urls")),
    path("admin/analytics/digest/", include("config.digest.backoffice.urls")),
    path("digest/unsubscribe/<str:token>/", show_unsubscribe, name="digest-unsubscribe"),
    path("admin/analytics/anomalies/", include("customers.anomalies.backoffice.urls")),
    path("admin/analytics/outcomes/", include("recommendations.outcomes.backoffice.urls")),
    path("admin/analytics/demand/", include("customers.demand.backoffice.urls")),
    path("admin/analytics/behavior-prediction/", include("customers.intent.backoffice.urls")),
    path("admin/templates/", include("recommendations.messaging.backoffice.urls")),
    path("admin/campaigns/suppressions/", include("recommendations.sending.backoffice.suppression_urls")),
    path("admin/campaigns/marketing-effect/", include("recommendations.sending.backoffice.holdout.urls")),
    path("admin/campaigns/outbox/", include("recommendations.sending.backoffice.outbox_urls")),
    path("admin/campaigns/uplift/", include("recommendations.uplift.backoffice.urls")),
    path("admin/campaigns/past/", include("recommendations.past_campaigns.backoffice.urls")),
    path("admin/campaigns/offers/", include("recommendations.offers.backoffice.urls")),
    path("admin/analytics/", include("customers.analytics.backoffice.urls")),
    path("admin/experiments/", include("recommendations.experiments.backoffice.urls")),
    path("admin/analytics/feedback/", include("customers.feedback.backoffice.urls")),
    path("", include("config.onsite.urls")),
    path("", include("config.shopping_agents.urls")),
    path("admin/settings/webhooks/", include("recommendations.webhooks.backoffice.urls")),
    path("admin/", admin.site.urls),
    path("i18n/", include("django.conf.urls.i18n")),
    path("api/v1/", include(api)),
    *collector_urlpatterns,
    # Without the secret, anyone could report bounces.
    *([path("anymail/", include("anymail.urls"))] if settings.ANYMAIL.get("WEBHOOK_SECRET") else []),
    path("m/", include("recommendations.sending.tracking.urls")),
    path("m/card/<str:token>", show_card, name="message-card"),
    path("", include("customers.subscriptions.urls")),
    path("", include("customers.policy.urls")),
    path("", include("customers.privacy.urls")),
    path("", include("customers.connectors.urls")),
    path("", include("recommendations.sending.sms.urls")),
    path("", include("customers.feedback.survey_links.urls")),
    # Links of messages that were cut off; where links end with a slash, Django first adds one that is lost.
    re_path("^m/", show_invalid_link),
    re_path("^(?:newsletter|survey)/(?:.*/)?$", show_invalid_link),
    path("shop/", include("config.storefront.urls")),
    path("product-image.svg", show_placeholder_image, name="catalog-placeholder-image"),
    path("product-image.png", show_placeholder_png, name="catalog-placeholder-png"),
    path("", include("config.assistant.oauth.urls")),
    path("mcp", serve_mcp, name="mcp"),
    re_path("^api/", respond_api_not_found),
    path("health/live", health.report_liveness),
    path("health/ready", health.report_readiness),
    path("health/detailed", health.report_details),
    path("metrics", show_metrics, name="prometheus-django-metrics"),
]

handler500 = "config.http.server_errors.show_server_error"
