"""Colors of lifecycle stages and RFM groups in charts."""

from customers.lifecycle.scoring.stages.stage_table import STAGE_TABLE

STAGE_COLORS = {stage.key: stage.color for stage in STAGE_TABLE}
RFM_COLORS = {
    "champions": "#117d5c",
    "loyal": "#22a06b",
    "potential_loyalists": "#65a30d",
    "new": "#38bdf8",
    "promising": "#818cf8",
    "need_attention": "#eab308",
    "about_to_sleep": "#f59e0b",
    "cant_lose": "#b91c1c",
    "at_risk": "#ea580c",
    "hibernating": "#94a3b8",
}
