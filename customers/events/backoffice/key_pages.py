"""Back-office pages for objects with a key: the key is shown once, and can be rotated with an overlap."""

from datetime import UTC, datetime, timedelta
from typing import Any

from django import forms
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.cache import add_never_cache_headers
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action
from unfold.widgets import UnfoldAdminIntegerFieldWidget

MAX_OVERLAP_HOURS = 24 * 90


class RotateForm(forms.Form):
    hours = forms.IntegerField(
        label=_("Hours until the old key expires"),
        min_value=0,
        max_value=MAX_OVERLAP_HOURS,
        initial=24,
        help_text=_("With 0, the old key expires within five seconds."),
        widget=UnfoldAdminIntegerFieldWidget,
    )


class KeyPages:
    """ModelAdmin mixin; subclasses define ``generate_key`` for a new object and ``rotate_key`` for a stored one."""

    actions_detail = ["rotate"]

    def generate_key(self, obj: Any, *, now: datetime) -> str:
        """Set the hash of a new key on an object that is about to be saved, and return the key."""
        raise NotImplementedError

    def rotate_key(self, obj: Any, *, now: datetime, overlap: timedelta) -> str:
        """Give a stored object a new key and return it."""
        raise NotImplementedError

    def get_actions_detail(self, request: HttpRequest, object_id: int | str) -> list[Any]:
        """Return the buttons of an object, all of which change its keys; none for users who may not change this object."""
        obj = self.get_object(request, object_id)  # type: ignore[attr-defined]
        if obj is None or not self.has_change_permission(request, obj):  # type: ignore[attr-defined]
            return []
        actions: list[Any] = super().get_actions_detail(request, object_id)  # type: ignore[misc]
        return actions

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if not change:
            request.plain_key = self.generate_key(obj, now=datetime.now(UTC))  # type: ignore[attr-defined]
        super().save_model(request, obj, form, change)  # type: ignore[misc]

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: str | None = None) -> HttpResponse:
        return self.show_key(request, obj, request.plain_key)  # type: ignore[attr-defined]

    @action(description=_("New key"), icon="key", url_path="rotate-key")
    def rotate(self, request: HttpRequest, object_id: str) -> HttpResponse:
        obj = self.get_object(request, object_id)  # type: ignore[attr-defined]
        if obj is None:
            raise Http404
        if not self.has_change_permission(request, obj):  # type: ignore[attr-defined]
            raise PermissionDenied
        form = RotateForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            overlap = timedelta(hours=form.cleaned_data["hours"])
            plain = self.rotate_key(obj, now=datetime.now(UTC), overlap=overlap)
            self.log_change(request, obj, str(_("Key changed.")))  # type: ignore[attr-defined]
            return self.show_key(request, obj, plain)
        return TemplateResponse(
            request,
            "admin/events/rotate_key.html",
            self.build_page_context(request, obj, title=_("New key"), form=form),
        )

    def show_key(self, request: HttpRequest, obj: Any, plain: str) -> HttpResponse:
        response = TemplateResponse(
            request,
            "admin/events/key_shown.html",
            self.build_page_context(request, obj, title=_("The new key"), plain_key=plain),
        )
        add_never_cache_headers(response)
        return response

    def build_page_context(self, request: HttpRequest, obj: Any, **context: Any) -> dict[str, Any]:
        meta = obj._meta
        url = reverse(f"admin:{meta.app_label}_{meta.model_name}_change", args=[obj.pk])
        return {
            **self.admin_site.each_context(request),  # type: ignore[attr-defined]
            "opts": meta,
            "object": obj,
            "object_url": url,
            **context,
        }
