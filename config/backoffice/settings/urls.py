from django.contrib import admin
from django.urls import path

from config.backoffice.settings import privacy_page, shop_page

app_name = "settings"

own = admin.site.admin_view
urlpatterns = [
    path("privacy/", own(privacy_page.show_privacy), name="privacy"),
    path("shop/", own(shop_page.show_shop_settings), name="shop"),
]
