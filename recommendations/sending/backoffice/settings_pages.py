"""The settings of sending in the back office: caps, quiet hours, warm-up, domains, global holdout."""

from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from config.foundation.backoffice.pages import render_page
from recommendations.sending.channels.registry import CHANNELS
from recommendations.sending.email_format import ADDRESS
from recommendations.sending.models import SendingSettings
from recommendations.sending.restores.hold import NotHeldError, find_hold, list_waiting_messages, resume_sending
from recommendations.sending.settings_model import load_sending_settings

PERMISSION = "sending.change_sendingsettings"
SECTIONS = (
    ("caps", gettext_lazy("Frequency caps"), ("cap_lines",)),
    ("quiet", gettext_lazy("Quiet hours"), ("quiet_from", "quiet_until")),
    ("holdout", gettext_lazy("Global holdout group"), ("global_holdout_share",)),
    ("speed", gettext_lazy("Email sending rate"), ("domain_lines",)),
    (
        "warm_up",
        gettext_lazy("Warm-up of a new sender"),
        ("warm_up_from", "warm_up_first_day", "warm_up_growth", "warm_up_days"),
    ),
    ("bounces", gettext_lazy("Bounces"), ("soft_bounce_limit",)),
)


class SendingSettingsForm(forms.ModelForm):
    """Caps and domains are texts, one per line."""

    cap_lines = forms.CharField(
        label=gettext_lazy("Caps"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 4}),
        help_text=gettext_lazy(
            "One per line: channel, messages, days. “email 3 7” allows three emails within any 7 days; “all 5 7” counts every "
            "channel. Transactional messages are not counted."
        ),
    )
    domain_lines = forms.CharField(
        label=gettext_lazy("Emails per minute by domain"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 4}),
        help_text=gettext_lazy("One per line: domain, emails per minute. “* 600” is the limit for every other domain."),
    )

    class Meta:
        model = SendingSettings
        fields = (
            "quiet_from",
            "quiet_until",
            "global_holdout_share",
            "warm_up_from",
            "warm_up_first_day",
            "warm_up_growth",
            "warm_up_days",
            "soft_bounce_limit",
        )
        widgets = {
            "quiet_from": forms.TimeInput(attrs={"type": "time"}, format="%H:%M"),
            "quiet_until": forms.TimeInput(attrs={"type": "time"}, format="%H:%M"),
            "warm_up_from": forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        }
        help_texts = {
            "quiet_until": gettext_lazy(
                "In each customer's time zone: the trait time_zone if set, otherwise the time zone of the country, otherwise "
                "the shop's. Messages wait until the quiet hours end. Leave both empty for no quiet hours."
            ),
            "global_holdout_share": gettext_lazy(
                "0.05 keeps one customer in twenty out of all marketing, to measure its overall effect. At most 0.5. The first "
                "month measured is the next full month; see Campaigns › Results › Incremental lift of marketing."
            ),
            "warm_up_from": gettext_lazy(
                "Leave empty for no warm-up. Emails beyond a day's limit wait for the next day."
            ),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["cap_lines"] = "\n".join(
            f"{cap['channel'] or 'all'} {cap['messages']} {cap['days']}" for cap in self.instance.caps
        )
        self.initial["domain_lines"] = "\n".join(
            f"{domain} {rate}" for domain, rate in self.instance.domain_rates.items()
        )

    def clean_cap_lines(self) -> list[dict[str, Any]]:
        caps, problems = [], []
        for number, line in enumerate(self.cleaned_data["cap_lines"].splitlines(), start=1):
            if not line.strip():
                continue
            match line.replace(",", " ").split():
                case [channel, count, days] if channel in ("all", *CHANNELS) and is_number(count) and is_number(days):
                    caps.append(
                        {"channel": "" if channel == "all" else channel, "messages": int(count), "days": int(days)}
                    )
                case _parts:
                    problems.append(
                        _(
                            "Line %(number)d: “%(line)s” is not a cap. Write it like “email 3 7”; channels: all, %(channels)s."
                        )
                        % {"number": number, "line": line, "channels": ", ".join(CHANNELS)}
                    )
        if problems:
            raise forms.ValidationError(problems)
        return caps

    def clean_domain_lines(self) -> dict[str, int]:
        rates, problems = {}, []
        for number, line in enumerate(self.cleaned_data["domain_lines"].splitlines(), start=1):
            if not line.strip():
                continue
            match line.replace(",", " ").lower().split():
                case [domain, rate] if (domain == "*" or ADDRESS.fullmatch(f"a@{domain}")) and is_number(rate):
                    rates[domain] = int(rate)
                case _parts:
                    problems.append(
                        _("Line %(number)d: “%(line)s” is not a limit. Write it like “gmail.com 600”.")
                        % {"number": number, "line": line}
                    )
        if problems:
            raise forms.ValidationError(problems)
        return rates

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        start, end = values.get("quiet_from"), values.get("quiet_until")
        if (start is None) != (end is None):
            self.add_error("quiet_until", _("Enter both the beginning and the end of the quiet hours, or neither."))
        elif start is not None and start == end:
            text = _("The end must differ from the beginning. Leave both empty for no quiet hours.")
            self.add_error("quiet_until", text)
        return values

    def save(self, commit: bool = True) -> SendingSettings:
        self.instance.caps = self.cleaned_data["cap_lines"]
        self.instance.domain_rates = self.cleaned_data["domain_lines"]
        saved: SendingSettings = super().save(commit)
        return saved


def is_number(text: str) -> bool:
    return text.isdecimal() and len(text) < 10 and 1 <= int(text) <= 100_000


@permission_required(PERMISSION, raise_exception=True)
def show_sending_settings(request: HttpRequest) -> HttpResponse:
    """Show the settings; a POST saves them."""
    form = SendingSettingsForm(request.POST or None, instance=load_sending_settings())
    if request.method == "POST" and form.is_valid():
        form.save()
        messages.success(request, _("The settings were saved. They apply to every message that is sent from now on."))
        return HttpResponseRedirect(reverse("sending_settings:show"))
    hold = find_hold()
    return render_page(
        request,
        "admin/sending/settings.html",
        title=_("Sending"),
        form=form,
        sections=[(label, [form[name] for name in names]) for _key, label, names in SECTIONS],
        hold=hold,
        waiting=list_waiting_messages(until=hold.restored_at) if hold is not None else [],
        status=422 if form.errors else None,
    )


class ResumeForm(forms.Form):
    """How sending goes on after a restore."""

    cancel_due = forms.BooleanField(required=False)
    codes_per_pool = forms.IntegerField(min_value=0, max_value=1_000_000, required=False)


@require_POST
@permission_required(PERMISSION, raise_exception=True)
def resume_after_restore(request: HttpRequest) -> HttpResponse:
    """Resume sending, with or without the messages that were due before the restore."""
    form = ResumeForm(request.POST)
    if not form.is_valid():
        messages.error(request, _("Enter how many coupon codes to set aside, as a whole number."))
        return HttpResponseRedirect(reverse("sending_settings:show"))
    values = form.cleaned_data
    try:
        resume_sending(cancel_due=values["cancel_due"], codes_per_pool=values["codes_per_pool"] or 0)
    except NotHeldError:
        messages.warning(request, _("Sending has been resumed already."))
    else:
        messages.success(request, _("Sending is resumed."))
    return HttpResponseRedirect(reverse("sending_settings:show"))
