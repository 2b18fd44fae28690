"""The URLs of links in messages."""

from django.urls import path

from recommendations.sending.tracking import views

app_name = "sending"
urlpatterns = [
    path("c/<str:token>", views.open_link, name="click"),
    path("o/<str:token>.gif", views.show_open_pixel, name="open"),
    path("u/<str:token>", views.show_unsubscribe_page, name="unsubscribe"),
    path("p/<str:token>", views.show_preferences_page, name="preferences"),
    path("v/<str:token>", views.show_message, name="view"),
    path("i/<str:token>", views.show_product_image, name="image"),
    path("r/<str:token>", views.open_product, name="product"),
]
