"""Code snippets with which a shop sends its first event, for browser, Node, Python and curl."""

from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from customers.events.models import Source

KEY_PLACEHOLDER = "YOUR_WRITE_KEY"

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


def build_snippets(*, host: str, write_key: str = KEY_PLACEHOLDER, kind: str = Source.Kind.SERVER) -> list[Snippet]:
    """Return the snippets with host and key filled in, the ones most likely for this type of source first.

    Args:
        host: with its scheme, such as https://perennial.example.
    """
    browser = Snippet("browser", _("Browser"), fill_template(BROWSER, host, write_key))
    servers = [
        Snippet("node", "Node", fill_template(NODE, host, write_key)),
        Snippet("python", "Python", fill_template(PYTHON, host, write_key)),
        Snippet("curl", "curl", fill_template(CURL, host, write_key)),
    ]
    return [browser, *servers] if kind == Source.Kind.BROWSER else [*servers, browser]


def fill_template(template: str, host: str, write_key: str) -> str:
    """Fill in host and key; the templates contain too many braces for str.format."""
    return template.replace("{host}", host).replace("{key}", write_key)
