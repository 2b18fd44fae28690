"""Data › Sources › Install on your site: the snippet for the shop's pages, and what it needs."""

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import escape
from django.utils.translation import gettext as _

from config.access.models import ApiKey
from config.foundation.backoffice.pages import render_page
from config.foundation.backoffice.permissions import check_permissions
from config.onsite.bundle import ScriptFile, get_bundle
from customers.events.models import Source

VIEW = "events.view_source"
CONSENT_CHOICES = ("required", "implied")


def show_install(request: HttpRequest) -> HttpResponse:
    """Show the snippet in three forms, the content security policy that it needs, and the keys that exist."""
    check_permissions(request, VIEW)
    consent = request.GET.get("consent")
    consent = consent if consent in CONSENT_CHOICES else CONSENT_CHOICES[0]
    host = request.build_absolute_uri("/").rstrip("/")
    bundle = get_bundle()
    may_see_keys = request.user.has_perm("access.view_apikey")
    return render_page(
        request,
        "admin/onsite/install.html",
        title=_("Install on your site"),
        consent=consent,
        snippets=build_snippets(host=host, core=bundle.core, module=bundle.module, consent=consent),
        policy=build_policy(host),
        row=ROW,
        integrity=bundle.core.integrity,
        sources=list(Source.objects.filter(kind=Source.Kind.BROWSER, enabled=True)[:20]),
        keys=list(ApiKey.objects.filter(kind=ApiKey.Kind.PUBLISHABLE, enabled=True)[:20]) if may_see_keys else [],
        may_see_keys=may_see_keys,
    )


ROW = """<section data-perennial-placement="for-you" data-n="8" data-fallback-title="Popular now">
  <h2>Recommended for you</h2>
</section>
"""


def build_snippets(*, host: str, core: ScriptFile, module: ScriptFile, consent: str) -> list[dict[str, str]]:
    """Return the snippets with their keys still to be filled in."""
    script = f"{host}{reverse('onsite:script', args=['perennial.js'])}"
    pinned = f"{host}{reverse('onsite:script', args=[core.name])}"
    main = f"{host}{reverse('onsite:script', args=['perennial.mjs'])}"
    data = f'data-write-key="YOUR_WRITE_KEY"\n  data-publishable-key="YOUR_API_KEY"\n  data-consent="{escape(consent)}"'
    return [
        {
            "id": "always-current",
            "title": _("Always the current version"),
            "note": _("Recommended. Pages load updates of Perennial within five minutes."),
            "code": f'<script async crossorigin="anonymous"\n  src="{script}"\n  {data}></script>',
        },
        {
            "id": "pinned",
            "title": _("This version only, with an integrity hash"),
            "note": _(
                "The browser refuses any other content. This version stays available after updates of Perennial."
            ),
            "code": f'<script async crossorigin="anonymous"\n  src="{pinned}"\n  integrity="{core.integrity}"\n  {data}></script>',
        },
        {
            "id": "module",
            "title": _("As a JavaScript module"),
            "note": _("For pages that call it from their own scripts."),
            "code": f'import perennial from "{main}"\n\nperennial.init({{\n  writeKey: "YOUR_WRITE_KEY",\n'
            f'  publishableKey: "YOUR_API_KEY",\n  consent: "{escape(consent)}",\n}})',
        },
    ]


def build_policy(host: str) -> str:
    """Return what a page with a content security policy has to allow."""
    return f"script-src {host}; connect-src {host}; require-trusted-types-for 'script'; trusted-types perennial"
