"""MBG/NBD: BG/NBD in which a customer may also leave after the first purchase, so P(alive) falls for those without a repeat too.

Sources: Batislam, Denizel & Filiztekin, Int. J. Research in Marketing 2007; Hoppe & Wagner, Marketing JRM 2007 (CBG/NBD).
"""

from dataclasses import dataclass

from customers.lifecycle.scoring.clv.models.dropout_model import UntilDropout


@dataclass(frozen=True)
class MbgNbd(UntilDropout):
    name = "mbg_nbd"
    may_leave_at_once = 1
