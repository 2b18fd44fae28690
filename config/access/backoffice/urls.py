"""URLs of the log-in pages and of the user's own account. They come before those of the admin site, which share the same path prefix."""

from django.contrib import admin
from django.urls import path

from config.access.backoffice import (
    invitation_pages,
    log_in_pages,
    password_reset_pages,
    session_pages,
    two_factor_pages,
)

app_name = "account"

own = admin.site.admin_view
urlpatterns = [
    path("login/", log_in_pages.log_in, name="log_in"),
    path("login/code/", log_in_pages.CodeView.as_view(), name="log_in_code"),
    path("password-reset/", password_reset_pages.RequestView.as_view(), name="password_reset"),
    path("password-reset/sent/", password_reset_pages.SentView.as_view(), name="password_reset_sent"),
    path("password-reset/done/", password_reset_pages.DoneView.as_view(), name="password_reset_done"),
    path("password-reset/<uidb64>/<token>/", password_reset_pages.ConfirmView.as_view(), name="password_reset_confirm"),
    path("invitation/<uidb64>/<token>/", invitation_pages.InvitationView.as_view(), name="accept_invitation"),
    path("two-factor/", own(two_factor_pages.show_two_factor), name="two_factor"),
    path("two-factor/set-up/", own(two_factor_pages.show_set_up), name="two_factor_set_up"),
    path("sessions/", own(session_pages.show_sessions), name="sessions"),
]
