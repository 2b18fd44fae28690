from django.urls import path

from config.storefront.shop_server import LogInView, OrderView
from config.storefront.views import ShopPage

app_name = "shop"
urlpatterns = [
    path("", ShopPage.as_view(page="home"), name="home"),
    path("search/", ShopPage.as_view(page="search"), name="search"),
    path("product/", ShopPage.as_view(page="product"), name="product"),
    path("basket/", ShopPage.as_view(page="basket"), name="basket"),
    path("checkout/", ShopPage.as_view(page="checkout"), name="checkout"),
    path("orders/", ShopPage.as_view(page="orders"), name="orders"),
    path("log-in/", LogInView.as_view(), name="log-in"),
    path("place-order/", OrderView.as_view(), name="place-order"),
    path("account/", ShopPage.as_view(page="account"), name="account"),
]
