"""The cards of products in previews and test messages: there is no delivery that names the product, so the signed address does."""

from decimal import Decimal

from django.core import signing
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_safe

from config.foundation.http.client_address import get_client_address
from config.foundation.rate_limiter import count_locally
from recommendations.messaging.cards.drawing import MAX_TITLE
from recommendations.messaging.cards.pictures import draw_product
from recommendations.serving.state.product_index import ProductCard

SALT = "messaging.card"
CARDS_PER_MINUTE = 240  # of one IP address; three previews have up to 36 products
KEPT = "private, max-age=3600"


def build_card_path(card: ProductCard, *, language: str) -> str:
    """Return the path of the image that a message shows for a product that is chosen when it is opened."""
    price = None if card.price is None else str(card.price)
    content = [card.product_id, card.title[:MAX_TITLE], price, card.currency, card.image_url, card.category, language]
    return reverse("message-card", args=[signing.dumps(content, salt=SALT, compress=True)])


@require_safe
def show_card(request: HttpRequest, token: str) -> HttpResponse:
    """Draw the card of a signed address; whoever has the address sees what a recipient of the message would see."""
    try:
        product_id, title, price, currency, image_url, category, language = signing.loads(token, salt=SALT)
    except signing.BadSignature as error:
        raise Http404("The link is not valid.") from error
    wait = count_locally(f"message-card:{get_client_address(request.META)}", max_requests=CARDS_PER_MINUTE)
    if wait:
        return HttpResponse("Too many requests.", status=429, headers={"Retry-After": str(wait)})
    card = ProductCard(
        product_id=product_id,
        title=title,
        price=None if price is None else Decimal(price),
        currency=currency,
        image_url=image_url,
        url="",
        brand="",
        category=category,
    )
    image = draw_product(card, language=language)
    return HttpResponse(image, content_type="image/png", headers={"Cache-Control": KEPT})
