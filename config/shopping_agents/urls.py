"""Public addresses for shopping agents, and the pages of the back office."""

from django.contrib import admin
from django.urls import path, re_path

from config.shopping_agents.backoffice.feed_page import show_agents
from config.shopping_agents.backoffice.traffic_page import show_traffic
from config.shopping_agents.feed.views import show_feed_file
from config.shopping_agents.ucp import views

wrap = admin.site.admin_view

app_name = "shopping_agents"
urlpatterns = [
    path(".well-known/ucp", views.show_profile, name="profile"),
    re_path(r"^ucp/catalog/search/?$", views.search, name="search"),
    re_path(r"^ucp/catalog/lookup/?$", views.look_up, name="lookup"),
    re_path(r"^ucp/catalog/product/?$", views.get_product, name="product"),
    path("agent-feed/<str:name>", show_feed_file, name="feed"),
    path("admin/catalog/shopping-agents/", wrap(show_agents), name="overview"),
    path("admin/catalog/shopping-agents/traffic/", wrap(show_traffic), name="traffic"),
]
