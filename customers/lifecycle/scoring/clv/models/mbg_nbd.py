"""MBG/NBD: BG/NBD with possible dropout after the first purchase too.

So P(alive) falls for customers without a repeat.
Sources: Batislam, Denizel & Filiztekin, Int. J. Research in Marketing 2007; Hoppe & Wagner, Marketing JRM 2007 (CBG/NBD).
"""

from dataclasses import dataclass

from customers.lifecycle.scoring.clv.models.dropout_model import BetaGeometricModel


@dataclass(frozen=True)
class MbgNbd(BetaGeometricModel):
    """The MBG/NBD model; α is a time."""

    name = "mbg_nbd"
    dropout_after_first = 1
