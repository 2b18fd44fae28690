"""The URLs of links in messages."""

from django.urls import path, re_path

from recommendations.sending.tracking import views

app_name = "sending"
# Links that people open also work with a slash at the end, which some programs add. A redirect would lose a one-click unsubscription.
urlpatterns = [
    re_path("^c/(?P<token>[^/]+)/?$", views.open_link, name="click"),
    path("o/<str:token>.gif", views.show_open_pixel, name="open"),
    re_path("^u/(?P<token>[^/]+)/?$", views.show_unsubscribe_page, name="unsubscribe"),
    re_path("^p/(?P<token>[^/]+)/?$", views.show_preferences_page, name="preferences"),
    re_path("^v/(?P<token>[^/]+)/?$", views.show_message, name="view"),
    path("i/<str:token>", views.show_product_image, name="image"),
    re_path("^r/(?P<token>[^/]+)/?$", views.open_product, name="product"),
]
