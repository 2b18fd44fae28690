"""An on-site offer of the demo shop, so that its pages and Campaigns › On-site offers show one."""

from datetime import datetime

from django.utils.translation import gettext, override

from recommendations.offers.models import Offer, OfferContent

KEY = "demo-welcome"


def ensure_demo_offer(*, now: datetime) -> bool:
    """Create the offer if it does not exist; return whether it is new."""
    offer, is_new = Offer.objects.get_or_create(
        key=KEY,
        defaults={
            "name": gettext("Free delivery this week"),
            "placement": "top",
            "status": Offer.Status.RUNNING,
            "started_at": now,
            "max_shows_per_day": 0,
        },
    )
    if is_new:
        for language in ("en", "zh-hans"):
            with override(language):
                OfferContent.objects.create(
                    offer=offer,
                    language=language,
                    title=gettext("Free delivery this week"),
                    text=gettext("For every order above 25, until Sunday."),
                    button=gettext("See new products"),
                    url="/shop/search/?sort=newest",
                )
    return is_new
