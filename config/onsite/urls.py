from django.contrib import admin
from django.urls import path

from config.onsite.backoffice.install_page import show_install
from config.onsite.views import show_script

app_name = "onsite"
urlpatterns = [
    path("admin/data/install/", admin.site.admin_view(show_install), name="install"),
    path("perennial/v1/<str:name>", show_script, name="script"),
]
