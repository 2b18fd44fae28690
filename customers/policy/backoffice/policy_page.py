"""The page of the privacy policy: what the shop states about itself, the current text, what has changed, and publishing."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import (
    UnfoldAdminEmailInputWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanWidget,
)

from config.foundation.backoffice.pages import render_page
from config.foundation.backoffice.permissions import check_permissions
from config.foundation.processes.background_tasks import start_task
from config.foundation.shop.profile import get_shop
from customers.policy.document.sections import load_policy_settings
from customers.policy.document.versions import build_texts, compare_texts, get_latest_version, publish_policy
from customers.policy.models import PolicySettings, PolicyVersion
from customers.policy.tasks import apply_consent_settings

VIEW, CHANGE, PUBLISH = "policy.view_policyversion", "policy.change_policysettings", "policy.add_policyversion"
MAX_VERSIONS = 20


class PolicyForm(forms.ModelForm):
    """What the privacy policy says about the shop itself."""

    class Meta:
        model = PolicySettings
        fields = ["controller", "address", "contact", "officer", "representative", "authority", "hosting_country"]
        widgets = {
            "controller": UnfoldAdminTextInputWidget,
            "address": UnfoldAdminTextareaWidget(attrs={"rows": 3}),
            "contact": UnfoldAdminEmailInputWidget,
            "officer": UnfoldAdminTextInputWidget,
            "representative": UnfoldAdminTextInputWidget,
            "authority": UnfoldAdminTextInputWidget,
            "hosting_country": UnfoldAdminTextInputWidget,
        }
        help_texts = {
            "controller": gettext_lazy("The full name of the company. Leave empty for the name of the shop."),
            "address": gettext_lazy("Leave empty for the postal address of Settings › Brand and email."),
            "contact": gettext_lazy("Leave empty for the reply-to address."),
            "officer": gettext_lazy("Name or role, if you have to have one."),
            "authority": gettext_lazy(
                "Where customers can complain, such as the data protection authority of your state."
            ),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        shop = get_shop()
        for name, value in (("controller", shop.name), ("address", shop.postal_address), ("contact", shop.reply_to)):
            self.fields[name].widget.attrs["placeholder"] = value
        for code, label in settings.LANGUAGES:
            self.fields[f"extra_{code}"] = forms.CharField(
                label=_("text of your own, %(language)s") % {"language": label},
                required=False,
                max_length=20_000,
                widget=UnfoldAdminTextareaWidget(attrs={"rows": 4}),
            )
            self.initial[f"extra_{code}"] = self.instance.extra.get(code, "")

    def save(self, commit: bool = True) -> PolicySettings:
        self.instance.extra = {code: self.cleaned_data[f"extra_{code}"] for code, _label in settings.LANGUAGES}
        stored: PolicySettings = super().save(commit)
        return stored


class PublishForm(forms.Form):
    """How a new version is published."""

    note = forms.CharField(
        label=gettext_lazy("what has changed"),
        required=False,
        max_length=500,
        widget=UnfoldAdminTextInputWidget,
        help_text=gettext_lazy("Shown above the text."),
    )
    is_material = forms.BooleanField(label=gettext_lazy("material change"), required=False, widget=UnfoldBooleanWidget)
    asks_again = forms.BooleanField(
        label=gettext_lazy("ask for consent again"),
        required=False,
        widget=UnfoldBooleanWidget,
        help_text=gettext_lazy(
            "Earlier consents no longer count: where consent is required, customers get no messages or personal recommendations "
            "until they agree again."
        ),
    )


def show_policy_page(request: HttpRequest) -> HttpResponse:
    """Show the page; a POST saves the settings or publishes the text."""
    check_permissions(request, VIEW)
    action = request.POST.get("action", "")
    form = PolicyForm(request.POST if action == "save" else None, instance=load_policy_settings())
    publish_form = PublishForm(request.POST if action == "publish" else None)
    if action == "save" and save_settings(request, form):
        return HttpResponseRedirect(reverse("privacy_settings:policy"))
    if action == "publish" and publish(request, publish_form):
        return HttpResponseRedirect(reverse("privacy_settings:policy"))
    latest, texts = get_latest_version(), build_texts()
    language = translation.get_language() or settings.LANGUAGE_CODE
    before = latest.texts.get(language, []) if latest else []
    changes = compare_texts(before, texts.get(language, [])) if latest else []
    if latest and not publish_form.is_bound:
        publish_form.initial = {"is_material": any(change.is_material for change in changes)}
    return render_page(
        request,
        "admin/policy/policy.html",
        title=_("Privacy policy"),
        verdict=describe_state(latest, changes=len(changes)),
        form=form,
        publish_form=publish_form,
        sections=texts.get(language, []),
        latest=latest,
        changes=changes,
        versions=PolicyVersion.objects.defer("texts")[:MAX_VERSIONS],
        can_change=request.user.has_perm(CHANGE),
        can_publish=request.user.has_perm(PUBLISH),
        public_url=f"{settings.PUBLIC_URL}{reverse('policy:show')}",
        status=422 if form.errors or publish_form.errors else None,
    )


def describe_state(latest: PolicyVersion | None, *, changes: int) -> str:
    if latest is None:
        return _("Nothing is published yet. Read the text below, fill in who is responsible, then publish it.")
    if changes:
        return _(
            "The settings have changed since version %(number)s: read the changes, then publish a new version."
        ) % {"number": latest.number}
    return _("Version %(number)s is in force and matches the current settings.") % {"number": latest.number}


def save_settings(request: HttpRequest, form: PolicyForm) -> bool:
    check_permissions(request, CHANGE)
    if not form.is_valid():
        return False
    form.save()
    messages.success(request, _("The settings were saved. They appear in the policy when you publish it."))
    return True


def publish(request: HttpRequest, form: PublishForm) -> bool:
    check_permissions(request, PUBLISH)
    if not form.is_valid():
        return False
    version = publish_policy(by=request.user.get_username(), at=timezone.now(), **form.cleaned_data)
    if version.asks_again and not start_task(apply_consent_settings):
        messages.warning(
            request,
            _("The job queue did not respond, so customers will be asked for consent again starting tonight."),
        )
    messages.success(request, _("Version %(number)s is published.") % {"number": version.number})
    return True
