"""URLs of Ask in the back office, below `admin/ask/`."""

from django.contrib import admin
from django.urls import path

from config.assistant.backoffice import model_page, page

wrap = admin.site.admin_view

app_name = "assistant"
urlpatterns = [
    path("", wrap(page.show_ask), name="ask"),
    path("model/", wrap(model_page.show_model_answer), name="model"),
    path("answer.csv", wrap(page.download_answer), name="csv"),
]
