"""BG/NBD: a customer may leave after each repeat purchase, so whoever has made none is alive by construction.

Source: Fader, Hardie & Lee, "Counting your customers" the easy way, Marketing Science 2005.
"""

from dataclasses import dataclass

from customers.lifecycle.scoring.clv.models.dropout_model import UntilDropout


@dataclass(frozen=True)
class BgNbd(UntilDropout):
    name = "bg_nbd"
    may_leave_at_once = 0
