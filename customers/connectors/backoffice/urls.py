from django.urls import path

from customers.connectors.backoffice import list_page, set_up_pages, shop_page

app_name = "connectors"
urlpatterns = [
    path("", list_page.show_connectors, name="list"),
    path("new/<slug:platform>/", set_up_pages.connect_shop, name="new"),
    path("<int:shop_id>/", shop_page.show_shop, name="shop"),
    path("<int:shop_id>/keys/", set_up_pages.change_keys, name="keys"),
    path("<int:shop_id>/preview/", set_up_pages.show_preview, name="preview"),
    path("<int:shop_id>/disconnect/", set_up_pages.disconnect_shop, name="disconnect"),
    path("<int:shop_id>/<slug:action>/", shop_page.change_shop, name="change"),
]
