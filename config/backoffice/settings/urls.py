from django.contrib import admin
from django.urls import path

from config.backoffice.settings import shop_page

app_name = "settings"

own = admin.site.admin_view
urlpatterns = [
    path("shop/", own(shop_page.show_shop_settings), name="shop"),
]
