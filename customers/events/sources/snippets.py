"""What a shop puts into its code to send its first event here, in four languages."""

from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from customers.events.models import Source

KEY_TO_FILL_IN = "YOUR_WRITE_KEY"

BROWSER = """// npm install @segment/analytics-next
import { AnalyticsBrowser } from "@segment/analytics-next";

const analytics = AnalyticsBrowser.load({ writeKey: "{key}", cdnURL: "{host}" });
analytics.page();
analytics.track("Product Viewed", { product_id: "sku-1" });
"""
NODE = """// npm install @segment/analytics-node
import { Analytics } from "@segment/analytics-node";

const analytics = new Analytics({ writeKey: "{key}", host: "{host}" });
analytics.track({ userId: "customer-42", event: "Product Viewed", properties: { product_id: "sku-1" } });
await analytics.closeAndFlush();
"""
PYTHON = """# pip install segment-analytics-python
import segment.analytics as analytics

analytics.write_key = "{key}"
analytics.host = "{host}"
analytics.track(user_id="customer-42", event="Product Viewed", properties={"product_id": "sku-1"})
analytics.flush()
"""
CURL = """curl {host}/v1/track -u {key}: \\
  -d '{"event": "Product Viewed", "userId": "customer-42", "properties": {"product_id": "sku-1"}}'
"""


@dataclass(frozen=True, slots=True)
class Snippet:
    language: str
    title: str | Promise
    code: str


def snippets(*, host: str, write_key: str = KEY_TO_FILL_IN, kind: str = Source.Kind.SERVER) -> list[Snippet]:
    """``host`` as https://perennial.example; the languages in which such a source is mostly written come first."""
    browser = Snippet("browser", _("Browser"), filled(BROWSER, host, write_key))
    servers = [
        Snippet("node", "Node", filled(NODE, host, write_key)),
        Snippet("python", "Python", filled(PYTHON, host, write_key)),
        Snippet("curl", "curl", filled(CURL, host, write_key)),
    ]
    return [browser, *servers] if kind == Source.Kind.BROWSER else [*servers, browser]


def filled(template: str, host: str, write_key: str) -> str:
    """The templates are code full of braces: no work for str.format."""
    return template.replace("{host}", host).replace("{key}", write_key)
