"""The words of shop systems for the statuses of orders, in lower case and with underscores for spaces."""

from collections.abc import Mapping

from customers.orders.models import Order

STATUS_WORDS: Mapping[str, str] = {
    # our own statuses, the payment statuses of Shopify and the order statuses of WooCommerce
    Order.Status.PLACED: (
        "placed paid pending authorized partially_paid unpaid open completed complete processing on_hold shipped "
        "delivered fulfilled"
    ),
    Order.Status.CANCELLED: "cancelled canceled voided expired failed trash checkout_draft",
    Order.Status.REFUNDED: "refunded returned",
    Order.Status.PARTLY_REFUNDED: "partly_refunded partially_refunded",
}
# the same in Chinese, German, Spanish, French, Italian and Dutch, the languages of the column names
TRANSLATED_STATUS_WORDS: Mapping[str, str] = {
    Order.Status.PLACED: (
        "待付款 待支付 未付款 未支付 等待买家付款 部分付款 部分支付 已付款 已支付 付款成功 支付成功 买家已付款 已下单 待处理 处理中 已确认 备货中 "
        "待发货 等待卖家发货 买家已付款，等待卖家发货 部分发货 已发货 卖家已发货 卖家已发货，等待买家确认 配送中 待收货 待自提 已送达 已收货 已签收 "
        "待评价 已评价 已完成 完成 交易成功 交易完成 订单完成 退款中 待退款 售后中 "
        "offen ausstehend zahlung_ausstehend unbezahlt teilweise_bezahlt bezahlt in_bearbeitung in_wartestellung versandt versendet "
        "geliefert zugestellt abgeschlossen fertiggestellt erledigt "
        "pendiente pendiente_de_pago pagado pagada procesando en_proceso en_espera enviado enviada entregado entregada completado "
        "completada "
        "en_attente en_attente_de_paiement attente_paiement payé payée en_cours en_préparation expédié expédiée livré livrée terminé "
        "terminée "
        "in_attesa in_attesa_di_pagamento pagato in_lavorazione sospeso spedito consegnato completato evaso "
        "in_afwachting wachtend_op_betaling betaald in_behandeling in_de_wacht verzonden geleverd bezorgd afgerond voltooid"
    ),
    Order.Status.CANCELLED: (
        "已取消 取消 订单取消 交易取消 已关闭 订单关闭 交易关闭 已作废 作废 已失效 支付失败 付款失败 "
        "storniert abgebrochen fehlgeschlagen cancelado cancelada anulado anulada fallido fallida annulé annulée échoué échouée "
        "annullato cancellato fallito geannuleerd mislukt"
    ),
    Order.Status.REFUNDED: (
        "已退款 全额退款 全部退款 已全额退款 退款成功 退款完成 已退货 退货完成 "
        "erstattet rückerstattet zurückerstattet retourniert reembolsado reembolsada devuelto devuelta remboursé remboursée retourné "
        "retournée rimborsato reso terugbetaald geretourneerd"
    ),
    Order.Status.PARTLY_REFUNDED: (
        "部分退款 已部分退款 部分退货 "
        "teilweise_erstattet teilweise_rückerstattet teilerstattet parcialmente_reembolsado parcialmente_reembolsada "
        "reembolsado_parcialmente partiellement_remboursé partiellement_remboursée parzialmente_rimborsato rimborsato_parzialmente "
        "gedeeltelijk_terugbetaald"
    ),
}
