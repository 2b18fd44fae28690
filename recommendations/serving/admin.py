from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from unfold.admin import ModelAdmin

from recommendations.serving import admin_views
from recommendations.serving.models import Preview


@admin.register(Preview)
class PreviewAdmin(ModelAdmin):
    """No list: one page that shows recommendations as anybody would get them, and two that other rooms link to."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("similar/<path:product_id>/", wrap(self.similar), name="serving_similar"),
            path("customer/<int:customer_id>/", wrap(self.for_customer), name="serving_for_customer"),
            *super().get_urls(),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        return admin_views.preview_page(request, model_admin=self)

    def similar(self, request: HttpRequest, product_id: str) -> HttpResponse:
        return admin_views.similar_page(request, model_admin=self, product_id=product_id)

    def for_customer(self, request: HttpRequest, customer_id: int) -> HttpResponse:
        return admin_views.customer_page(request, model_admin=self, customer_id=customer_id)
