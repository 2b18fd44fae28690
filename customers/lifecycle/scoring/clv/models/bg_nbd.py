"""BG/NBD: a customer may drop out after each repeat purchase.

So customers without a repeat are alive by construction.
Source: Fader, Hardie & Lee, "Counting your customers" the easy way, Marketing Science 2005.
"""

from dataclasses import dataclass

from customers.lifecycle.scoring.clv.models.dropout_model import BetaGeometricModel


@dataclass(frozen=True)
class BgNbd(BetaGeometricModel):
    """The BG/NBD model; α is a time."""

    name = "bg_nbd"
    dropout_after_first = 0
