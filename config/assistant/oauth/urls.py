"""URLs of OAuth: where clients discover the endpoints, register, ask for consent and get tokens. Metadata is at the root of the server."""

from django.urls import path
from oauth2_provider import views

from config.assistant.oauth.registration import ProgramManagementView, ProgramRegistrationView
from config.assistant.oauth.views import ConsentView, require_team

app_name = "oauth2_provider"  # by which the package finds its own URLs
urlpatterns = [
    path(
        ".well-known/oauth-authorization-server", views.OAuthServerMetadataView.as_view(), name="oauth-server-metadata"
    ),
    path(
        ".well-known/oauth-protected-resource",
        views.OAuthProtectedResourceMetadataView.as_view(),
        name="oauth-resource-metadata",
    ),
    path(
        ".well-known/oauth-protected-resource/<path:resource_path>",
        views.OAuthProtectedResourceMetadataView.as_view(),
        name="oauth-resource-metadata-path",
    ),
    path("oauth/authorize/", require_team(ConsentView.as_view()), name="authorize"),
    path("oauth/token/", views.TokenView.as_view(), name="token"),
    path("oauth/revoke/", views.RevokeTokenView.as_view(), name="revoke-token"),
    path("oauth/register/", ProgramRegistrationView.as_view(), name="dcr-register"),
    path(
        "oauth/register/<str:client_id>/",
        ProgramManagementView.as_view(),
        name="dcr-register-management",
    ),
]
