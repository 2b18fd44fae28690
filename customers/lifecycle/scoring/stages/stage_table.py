"""The lifecycle stages, declared once: models, charts, pages, REST and the stage rules read this table."""

from dataclasses import dataclass


def gettext_noop(text: str) -> str:
    """Mark a text for translation; this package does not import Django, which translates it where it is shown."""
    return text


@dataclass(frozen=True)
class StageDefinition:
    """One stage: its stored key, its label and description in English, and its color in charts."""

    key: str
    label: str
    color: str
    description: str


# in the order of a customer's life; the position of a stage is the code that the kernels use
STAGE_TABLE: tuple[StageDefinition, ...] = (
    StageDefinition(
        "visitor", gettext_noop("visitor"), "#94a3b8", gettext_noop("No order yet; only a device is known.")
    ),
    StageDefinition(
        "prospect",
        gettext_noop("prospect"),
        "#64748b",
        gettext_noop("No order yet, but a user ID, an email address or a phone number is known."),
    ),
    StageDefinition(
        "new",
        gettext_noop("new"),
        "#38bdf8",
        gettext_noop("One order, more recent than the median time to a second order."),
    ),
    StageDefinition("active", gettext_noop("active"), "#22a06b", gettext_noop("Orders within the usual gap.")),
    StageDefinition(
        "loyal",
        gettext_noop("loyal"),
        "#117d5c",
        gettext_noop("Active, with many orders or among the top customers by revenue."),
    ),
    StageDefinition(
        "at_risk",
        gettext_noop("at risk"),
        "#f59e0b",
        gettext_noop("The last order is longer ago than three quarters of all gaps."),
    ),
    StageDefinition(
        "dormant",
        gettext_noop("dormant"),
        "#ea580c",
        gettext_noop("The last order is longer ago than 90% of all gaps."),
    ),
    StageDefinition(
        "churned",
        gettext_noop("churned"),
        "#b91c1c",
        gettext_noop("The last order is so long ago that another one is unlikely."),
    ),
    StageDefinition(
        "reactivated",
        gettext_noop("won back"),
        "#8b5cf6",
        gettext_noop("Ordered again after being dormant or churned."),
    ),
)
STAGES: tuple[str, ...] = tuple(stage.key for stage in STAGE_TABLE)
STAGE_BY_KEY = {stage.key: stage for stage in STAGE_TABLE}
