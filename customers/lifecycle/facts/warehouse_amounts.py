"""What orders, returns and their lines add to revenue, as expressions of the warehouse; equal to those of `amounts`, as a test checks."""

import ibis
import ibis.expr.types as ir


def build_warehouse_amount(orders: ir.Table) -> ir.FloatingValue:
    """Return what each order or return adds to revenue, in its own currency."""
    total, refunded = orders.total.cast("float64"), ibis.coalesce(orders.refunded.cast("float64"), 0.0)
    return ibis.cases(
        (orders.kind == "return", -total.abs()), (orders.status == "refunded", 0.0), else_=total - refunded
    )


def add_net_lines(lines: ir.Table, orders: ir.Table) -> ir.Table:
    """Return the lines with kept_quantity and kept_total, without the refunded share of their order; negative for a return.

    orders: at least the orders of the lines, which do not have the refunded amount.
    """
    total, refunded = orders.total.cast("float64"), ibis.coalesce(orders.refunded.cast("float64"), 0.0)
    # only these are joined, because most orders are not refunded
    is_refunded = (orders.kind == "sale") & ((orders.status == "refunded") | (refunded != 0))
    share = ibis.cases((orders.status == "refunded", 0.0), (total == 0, 1.0), else_=(total - refunded) / total)
    shares = orders.filter(is_refunded).select(refunded_order=orders.id, share=share)
    rows = lines.left_join(shares, lines.order_pk == shares.refunded_order)
    quantity, amount = rows.quantity.cast("float64"), rows.total.cast("float64")
    kept = ibis.coalesce(rows.share, 1.0)
    is_return = rows.kind == "return"
    return rows.select(
        *lines.columns,
        # shops send returns with either sign
        kept_quantity=ibis.ifelse(is_return, -quantity.abs(), quantity * kept),
        kept_total=ibis.ifelse(is_return, -amount.abs(), amount * kept),
    )
