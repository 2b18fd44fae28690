"""Connecting a shop: address and keys, which are checked immediately, the preview, and disconnecting."""

import json
from dataclasses import replace
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

from django import forms
from django.contrib import messages
from django.contrib.admin.views.decorators import staff_member_required
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.text import slugify
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import UnfoldAdminPasswordWidget, UnfoldAdminTextInputWidget

from config.foundation.audit_log import record_action
from config.foundation.backoffice.pages import render_page
from customers.connectors.backoffice.access import find_shop, require_change
from customers.connectors.backoffice.detail_texts import translate_detail
from customers.connectors.backoffice.steps import build_steps
from customers.connectors.models import ShopConnection
from customers.connectors.platforms.base import Connector, PlatformError, ShopAccess, ShopFacts
from customers.connectors.platforms.registry import CONNECTORS
from customers.connectors.sync.access import open_connector
from customers.connectors.sync.preview import preview_shop
from customers.events.models import Source

UNCHANGED = "••••••••"


class KeysForm(forms.Form):
    """The address and the keys of a shop; a secret that is not changed keeps its value."""

    address = forms.CharField(max_length=300, widget=UnfoldAdminTextInputWidget)

    def __init__(
        self, *args: Any, platform: type[Connector], shop: ShopConnection | None = None, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.platform, self.shop = platform, shop
        self.stored: dict[str, Any] = json.loads(shop.credentials or "{}") if shop else {}
        self.facts: ShopFacts | None = None
        self.fields["address"].label = str(platform.address_label)
        self.fields["address"].help_text = str(platform.address_help)
        self.fields["address"].initial = shop.address if shop else ""
        self.fields["address"].disabled = shop is not None
        for field in platform.fields:
            has_value = bool(self.stored.get(field.name))
            widget = (UnfoldAdminPasswordWidget if field.is_secret else UnfoldAdminTextInputWidget)(
                attrs={"autocomplete": "off"}
            )
            self.fields[field.name] = forms.CharField(
                label=str(field.label) if field.is_required else _("%(field)s (optional)") % {"field": field.label},
                help_text=_("Leave empty to keep the current one.")
                if has_value and field.is_secret
                else str(field.help_text),
                required=field.is_required and not has_value,
                max_length=500,
                widget=widget,
                initial="" if field.is_secret else self.stored.get(field.name, ""),
            )

    def clean_address(self) -> str:
        try:
            address = self.platform.clean_address(str(self.cleaned_data["address"]))
        except PlatformError as error:
            raise forms.ValidationError(str(error)) from error
        others = ShopConnection.objects.filter(platform=self.platform.key, address=address)
        if (others.exclude(pk=self.shop.pk) if self.shop else others).exists():
            raise forms.ValidationError(_("This shop is connected already."))
        if self.shop is None and (other := find_colliding_shop(self.platform)):
            text = _(
                "%(shop)s is already connected. Products and customers of the two shops can have the same IDs and would be "
                "mixed up. Connect this shop to a separate installation, or disconnect %(shop)s first."
            )
            raise forms.ValidationError(text % {"shop": other.name})
        return address

    def clean(self) -> dict[str, Any]:
        """Check with the platform immediately whether the keys are right."""
        values: dict[str, Any] = super().clean() or {}
        if self.errors:
            return values
        entered = {field.name: values[field.name].strip() for field in self.platform.fields if values.get(field.name)}
        self.stored = {
            **{k: v for k, v in self.stored.items() if k not in ("access_token", "expires_at") or k in entered},
            **entered,
        }
        if self.platform.key == "magento" and "access_token" not in self.stored and self.shop:
            self.stored["access_token"] = json.loads(self.shop.credentials)["access_token"]
        try:
            with self.platform(ShopAccess(values["address"], self.stored)) as connector:
                self.facts = connector.authorise()
        except PlatformError as error:
            raise forms.ValidationError(str(error)) from error
        return values


def find_colliding_shop(platform: type[Connector]) -> ShopConnection | None:
    """Return a connected shop whose IDs may collide with those of another shop of the platform, because both count from 1."""
    if platform.has_global_ids:
        return None
    local = [key for key, connector in CONNECTORS.items() if not connector.has_global_ids]
    return ShopConnection.objects.filter(platform__in=local).first()


@staff_member_required
def connect_shop(request: HttpRequest, platform: str) -> HttpResponse:
    """Show the steps and the form of a platform; on POST, check the keys and store the shop."""
    require_change(request)
    if platform not in CONNECTORS:
        raise Http404(f"Unknown platform {platform!r}.")
    form = KeysForm(request.POST or None, platform=CONNECTORS[platform])
    if request.method == "POST" and form.is_valid() and form.facts is not None:
        shop = create_shop(form, form.facts)
        record_action("connector.added", instance=shop, label=shop.name)
        for note in form.facts.notes:
            messages.warning(request, str(note))
        return HttpResponseRedirect(reverse("connectors:preview", args=[shop.pk]))
    return render_page(
        request,
        "admin/connectors/keys.html",
        title=_("Connect %(platform)s") % {"platform": CONNECTORS[platform].label},
        form=form,
        platform=CONNECTORS[platform],
        steps=build_steps("keys", with_webhooks=CONNECTORS[platform].has_webhooks),
    )


def create_shop(form: KeysForm, facts: ShopFacts) -> ShopConnection:
    """Store a shop with a source of its own; a shop that was connected before gets its source back, so that orders are not doubled."""
    address = str(form.cleaned_data["address"])
    name = facts.name or address.partition("://")[2]
    source = find_former_source(form.platform, address)
    if source is None:
        base = key = build_source_key(form.platform, address)
        number = 2
        while Source.objects.filter(key=key).exists():
            key, number = f"{base}-{number}", number + 1
        source = Source.objects.create(key=key, name=name[:200], kind=Source.Kind.IMPORT)
    return ShopConnection.objects.create(
        name=name[:200],
        platform=form.platform.key,
        address=address,
        credentials=json.dumps(form.stored),
        currency=facts.currency,
        source=source,
        checked_at=timezone.now(),
    )


def find_former_source(platform: type[Connector], address: str) -> Source | None:
    """Return the source that a shop had when it was connected before; None if it is new."""
    free = Source.objects.filter(kind=Source.Kind.IMPORT, connection=None)
    source = free.filter(key=build_source_key(platform, address)).first()
    former = find_short_key(platform, address)
    return source or (free.filter(key=former).first() if former else None)


def build_source_key(platform: type[Connector], address: str) -> str:
    """Return a key that names the shop, and differs for every address of a platform."""
    place = address.partition("://")[2]
    base = slugify(f"{platform.key}-{place.partition('.')[0]}")[:80]
    return f"{base}-{sha256(place.encode()).hexdigest()[:12]}"


def find_short_key(platform: type[Connector], address: str) -> str:
    """Return the key without the hash, as sources had it before; empty if another shop may have had the same one.

    Only the first label of a Shopify address belongs to a single shop. If that label ends with a number, the key may be that of the second
    source of another shop.
    """
    label, _dot, domain = (urlsplit(address).hostname or "").partition(".")
    key = f"{platform.key}-{label}"
    stem, _dash, number = key.rpartition("-")
    is_second = number.isdecimal() and Source.objects.filter(key=stem).exists()
    return key if domain == "myshopify.com" and platform.key == "shopify" and not is_second else ""


@staff_member_required
def change_keys(request: HttpRequest, shop_id: int) -> HttpResponse:
    """Replace the keys of a shop; the new ones are checked immediately."""
    require_change(request)
    shop = find_shop(shop_id)
    platform = CONNECTORS[shop.platform]
    form = KeysForm(request.POST or None, platform=platform, shop=shop)
    if request.method == "POST" and form.is_valid():
        shop.credentials, shop.checked_at, shop.problem, shop.is_enabled = (
            json.dumps(form.stored),
            timezone.now(),
            "",
            True,
        )
        shop.save(update_fields=["credentials", "checked_at", "problem", "is_enabled"])
        record_action("connector.keys_changed", instance=shop, label=shop.name)
        messages.success(request, _("The keys are valid."))
        return HttpResponseRedirect(reverse("connectors:shop", args=[shop.pk]))
    return render_page(
        request, "admin/connectors/keys.html", title=shop.name, form=form, platform=platform, shop=shop, steps=[]
    )


@staff_member_required
def show_preview(request: HttpRequest, shop_id: int) -> HttpResponse:
    """Show what an import would write, without writing anything."""
    require_change(request)
    shop = find_shop(shop_id)
    previews, problem = [], ""
    try:
        with open_connector(shop) as connector:
            previews = [
                replace(preview, reasons=tuple(map(translate_detail, preview.reasons)))
                for preview in preview_shop(shop, connector, at=timezone.now())
            ]
    except PlatformError as error:
        problem = str(error)
    return render_page(
        request,
        "admin/connectors/preview.html",
        title=shop.name,
        shop=shop,
        previews=previews,
        problem=problem,
        steps=build_steps("preview", with_webhooks=CONNECTORS[shop.platform].has_webhooks),
    )


@staff_member_required
def disconnect_shop(request: HttpRequest, shop_id: int) -> HttpResponse:
    """Ask before a shop is disconnected; on POST, remove its webhooks and keys."""
    if not request.user.has_perm("connectors.delete_shopconnection"):
        require_change(request)
    shop = find_shop(shop_id)
    if request.method == "POST":
        try:
            with open_connector(shop) as connector:
                connector.unsubscribe(shop.webhooks)
        except PlatformError as error:
            text = _("The webhooks could not be removed from the shop: %(reason)s Remove them in the shop's admin.")
            messages.warning(request, text % {"reason": error})
        record_action("connector.disconnected", model=ShopConnection, label=shop.name)
        shop.delete()
        messages.success(
            request, _("%(shop)s was disconnected. Its products, customers and orders were kept.") % {"shop": shop.name}
        )
        return HttpResponseRedirect(reverse("connectors:list"))
    return render_page(
        request, "admin/connectors/disconnect.html", title=gettext_lazy("Disconnect this shop?"), shop=shop
    )
