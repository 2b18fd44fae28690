"""The order of the pages. A page that is missing here fails the build."""

from dataclasses import dataclass


@dataclass(frozen=True)
class DocsSection:
    """A part of the navigation with the names of its pages."""

    english: str
    chinese: str
    pages: tuple[str, ...]


SECTIONS = (
    DocsSection(
        "Quickstarts",
        "快速开始",
        (
            *("quickstart-shopify", "quickstart-woocommerce", "quickstart-magento", "quickstart-custom-shop"),
            *("quickstart-browser", "quickstart-wechat"),
        ),
    ),
    DocsSection(
        "Data",
        "数据",
        (
            *("tracking", "connectors", "importing", "importing-orders", "importing-events", "products"),
            *("product-vectors", "shopping-agents"),
        ),
    ),
    DocsSection(
        "Recommendations",
        "推荐",
        ("recommendations", "expressions", "merchandising", "on-site", "experiments", "intent"),
    ),
    DocsSection("Customers", "客户", ("lifecycle", "segments", "feedback")),
    DocsSection("Messages", "触达", ("campaigns", "flows", "message-templates", "sending")),
    DocsSection(
        "Analytics", "分析", ("analytics", "outcomes", "measurement", "demand", "anomalies", "assistant", "back-office")
    ),
    DocsSection("Development", "开发", ("clients", "recipes", "warehouse", "extending", "architecture", "truth")),
    DocsSection(
        "Operation", "运维与合规", ("operations", "machines", "capacity", "engines", "security", "privacy", "glossary")
    ),
)
ENGLISH_ONLY = ("errata",)
