"""Settings › Sending › Channels: the accounts at providers, their state, and test messages."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from config.foundation.audit_log import record_action
from config.foundation.backoffice.pages import render_page
from customers.identity.personal_data.masking import mask_text, may_see_personal
from recommendations.sending.backoffice.channel_forms import AccountForm, TestMessageForm
from recommendations.sending.channels.account_fields import ACCOUNT_FIELDS, PROVIDER_LABELS
from recommendations.sending.channels.accounts import Account, find_account, remove_account
from recommendations.sending.channels.channel_tests import send_channel_test
from recommendations.sending.channels.email import LOCAL_BACKENDS, SMTP_BACKEND
from recommendations.sending.channels.error_fixes import find_fix
from recommendations.sending.channels.providers import ProviderChannel
from recommendations.sending.channels.registry import PROVIDER_CHANNELS, get_channel_label
from recommendations.sending.models import ChannelAccount, Delivery
from recommendations.sending.sms.pushes import READERS
from recommendations.sending.sms.views import build_push_url

PERMISSION = "sending.change_channelaccount"
LATEST = 1000  # number of problems searched for the latest one of each channel


@dataclass(frozen=True)
class ChannelState:
    """A channel as the page shows it. facts: label and value of what may be shown of the account."""

    key: str
    label: str
    kind: str
    state: str
    providers: Sequence[tuple[str, str | Promise]]
    account: Account | None
    facts: Sequence[tuple[str | Promise, str]]
    problem: str
    fix: str
    push_url: str = ""


@require_safe
@permission_required(PERMISSION, raise_exception=True)
def show_channels(request: HttpRequest) -> HttpResponse:
    """List the channels with their accounts and the latest error of each."""
    problems = find_latest_problems()
    with_personal = may_see_personal(request)
    return render_page(
        request,
        "admin/sending/channels.html",
        title=_("Channels"),
        email=describe_email(),
        is_demo=settings.DEMO,
        channels=[describe_channel(channel, problems, with_personal=with_personal) for channel in PROVIDER_CHANNELS],
    )


def describe_channel(channel: ProviderChannel, problems: dict[str, str], *, with_personal: bool) -> ChannelState:
    account, provider = find_account(channel.key), channel.find_provider()
    error = problems.get(channel.key, "")
    if settings.DEMO:
        kind, state = "neutral", _("Demo: messages go to the outbox")
    elif provider is None:
        kind, state = "neutral", _("Not set up: messages go to the outbox")
    else:
        kind, state = ("warns", _("Errors")) if error else ("good", _("Ready"))
    names = provider.options if provider is not None else ()
    options = account.options if account is not None else {}
    return ChannelState(
        key=channel.key,
        label=get_channel_label(channel.key),
        kind=kind,
        state=state,
        providers=[(key, PROVIDER_LABELS[key]) for key in channel.providers],
        account=account if provider is not None else None,
        facts=[
            (ACCOUNT_FIELDS[name].label, str(dict(ACCOUNT_FIELDS[name].choices).get(options[name], options[name])))
            for name in names
            if options.get(name)
        ],
        problem=mask_text(error, with_personal=with_personal),
        fix=find_fix(error),
        push_url=find_push_url(channel.key),
    )


def find_push_url(channel_key: str) -> str:
    """Return the address to which the provider of a channel pushes reports and replies; "" for other providers."""
    account = ChannelAccount.objects.filter(channel=channel_key, provider__in=READERS).first()
    return build_push_url(account) if account is not None else ""


def find_latest_problems() -> dict[str, str]:
    """Return for each channel the error of its latest message that failed or is waiting, ignoring those before the account's last change."""
    changed_at = dict(ChannelAccount.objects.values_list("channel", "updated_at"))
    failed = Delivery.objects.filter(status__in=(Delivery.Status.FAILED, Delivery.Status.UNCERTAIN))
    problems: dict[str, str] = {}
    for channel, error, at in failed.order_by("-pk").values_list("channel", "error", "due_at")[:LATEST]:
        if channel in changed_at and at >= changed_at[channel]:
            problems.setdefault(channel, error)
    waiting = Delivery.objects.filter(status=Delivery.Status.PENDING).exclude(error="")
    latest = waiting.order_by("channel", "-pk").distinct("channel").values_list("channel", "error", "due_at")
    problems |= {channel: error for channel, error, at in latest if channel in changed_at and at >= changed_at[channel]}
    return problems


def describe_email() -> dict[str, str]:
    """Return how emails are sent, as set by environment variables."""
    kind, state, provider = "neutral", _("Not set up: messages go to the outbox"), ""
    if settings.DEMO:
        state = _("Demo: messages go to the outbox")
    elif settings.EMAIL_BACKEND not in LOCAL_BACKENDS:
        kind, state = "good", _("Ready")
        provider = settings.EMAIL_BACKEND.split(".")[-2].replace("_", " ").capitalize()
        if settings.EMAIL_BACKEND == SMTP_BACKEND:
            provider = f"SMTP, {settings.EMAIL_HOST}:{settings.EMAIL_PORT}"
    return {"label": get_channel_label("email"), "kind": kind, "state": state, "provider": provider}


def find_channel(key: str) -> ProviderChannel:
    """Return a channel with accounts. Raises Http404."""
    channel = next((channel for channel in PROVIDER_CHANNELS if channel.key == key), None)
    if channel is None:
        raise Http404
    return channel


@permission_required(PERMISSION, raise_exception=True)
def edit_account(request: HttpRequest, channel_key: str, provider_key: str) -> HttpResponse:
    """Show the form of an account; a POST saves it. Choosing a different provider replaces the account."""
    channel = find_channel(channel_key)
    provider = channel.providers.get(provider_key)
    if provider is None:
        raise Http404
    account = find_account(channel_key)
    form = AccountForm(request.POST or None, channel=channel_key, provider=provider, account=account)
    if request.method == "POST" and form.is_valid():
        made = form.save()
        record_action("channel.changed", model=ChannelAccount, label=channel_key, details={"provider": provider_key})
        messages.success(request, _("The account was saved. Send a test message to see whether it works."))
        if secret := made.get("secret"):
            text = _("The signing secret, shown once: %(secret)s") % {"secret": secret}
            messages.info(request, text)
        return HttpResponseRedirect(reverse("channels:list"))
    channel_label, provider_label = str(get_channel_label(channel_key)), str(PROVIDER_LABELS[provider_key])
    names = {"channel": channel_label, "provider": provider_label}
    return render_page(
        request,
        "admin/sending/channel.html",
        # a channel with a single provider, such as WeCom, is named after it
        title=channel_label if provider_label == channel_label else _("%(channel)s: %(provider)s") % names,
        form=form,
        replaced=PROVIDER_LABELS.get(account.provider) if account and account.provider != provider_key else None,
        status=422 if form.errors else None,
    )


@permission_required(PERMISSION, raise_exception=True)
def send_test(request: HttpRequest, channel_key: str) -> HttpResponse:
    """Ask for a recipient, and send a test message on POST."""
    channel = find_channel(channel_key)
    if channel.find_provider() is None:
        raise Http404
    form = TestMessageForm(request.POST if request.method == "POST" else None, address=channel.address)
    if request.method == "POST" and form.is_valid():
        problem = send_channel_test(channel_key, recipient=form.cleaned_data.get("recipient", ""))
        record_action("channel.tested", model=ChannelAccount, label=channel_key, details={"problem": bool(problem)})
        if not problem:
            messages.success(request, _("The provider accepted the test message."))
            return HttpResponseRedirect(reverse("channels:list"))
        form.add_error(None, problem)
    return render_page(
        request,
        "admin/sending/channel_test.html",
        title=_("Test message: %(channel)s") % {"channel": get_channel_label(channel_key)},
        form=form,
        status=422 if form.errors else None,
    )


@require_POST
@permission_required(PERMISSION, raise_exception=True)
def delete_account(request: HttpRequest, channel_key: str) -> HttpResponse:
    """Forget an account with its secrets; messages of the channel go to the outbox."""
    channel = find_channel(channel_key)
    remove_account(channel.key)
    record_action("channel.removed", model=ChannelAccount, label=channel_key)
    messages.success(request, _("The account was removed. Messages of this channel go to the outbox."))
    return HttpResponseRedirect(reverse("channels:list"))
