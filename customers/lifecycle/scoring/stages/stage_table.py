"""The lifecycle stages, declared once.

Models, charts, pages, REST and the stage rules read this table.
"""

from dataclasses import dataclass

from config.foundation.translatable import translatable


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
        "visitor", translatable("visitor"), "#94a3b8", translatable("No order yet, known only by a device.")
    ),
    StageDefinition(
        "prospect",
        translatable("prospect"),
        "#64748b",
        translatable("No order yet, but a user ID, an email address or a phone number is known."),
    ),
    StageDefinition(
        "new",
        translatable("new"),
        "#38bdf8",
        translatable("One order, more recent than the median time to a second order."),
    ),
    StageDefinition("active", translatable("active"), "#22a06b", translatable("Orders within the usual gap.")),
    StageDefinition(
        "loyal",
        translatable("loyal"),
        "#117d5c",
        translatable("Active, with many orders or among the top customers by revenue of 12 months."),
    ),
    StageDefinition(
        "at_risk",
        translatable("at risk"),
        "#f59e0b",
        translatable("The time since the last order is unusually long for this customer."),
    ),
    StageDefinition(
        "dormant",
        translatable("dormant"),
        "#ea580c",
        translatable("This customer rarely goes this long without an order."),
    ),
    StageDefinition(
        "churned",
        translatable("churned"),
        "#b91c1c",
        translatable("After this long without an order, another order is unlikely."),
    ),
    StageDefinition(
        "reactivated",
        translatable("won back"),
        "#8b5cf6",
        translatable("Ordered again after being dormant or churned."),
    ),
)
STAGES: tuple[str, ...] = tuple(stage.key for stage in STAGE_TABLE)
STAGE_BY_KEY = {stage.key: stage for stage in STAGE_TABLE}
