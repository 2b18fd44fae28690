// Orders that were placed in this browser.

import { picture } from "../art.js"
import { h } from "../dom.js"
import { page } from "../events.js"
import "../header.js"
import { person } from "../person.js"
import { Row } from "../row.js"
import { formatDate, formatMoney, formatNumber, pageAddress, t } from "../shop.js"
import { lasting } from "../storage.js"

const orders = lasting.read("orders", [])
const placed = new URLSearchParams(window.location.search).get("placed")

function orderOf(order) {
  return h(
    "li",
    { class: "order" },
    h("header", {}, h("h2", {}, t("order_number", { id: order.order_id })), h("time", { datetime: order.placed_at }, formatDate(order.placed_at))),
    h("ul", {}, ...order.lines.map(lineOf)),
    h("p", { class: "order-total" }, `${t("total")}: ${formatMoney(order.total, order.currency)}`),
  )
}

function lineOf({ product_id: id, product, quantity }) {
  return h(
    "li",
    { class: "line" },
    h("span", { class: "line-art" }, picture(product)),
    h("a", { class: "line-title", href: pageAddress("product", { id }) }, product.title),
    h("span", {}, `${formatNumber(quantity)} ×`),
    h("a", { class: "link", href: `${pageAddress("product", { id })}#review`, "aria-label": t("review_named", { title: product.title }) }, t("review")),
  )
}

const thanks = document.querySelector("[data-thanks]")
if (orders.some((order) => order.order_id === placed)) {
  thanks.hidden = false
  thanks.focus()
}
document.querySelector("[data-orders]").replaceChildren(...orders.map(orderOf))
document.querySelector("[data-empty]").hidden = orders.length > 0
page()
new Row(document.querySelector('[data-row="buy-again"]'), { scenario: "buy-again", parameters: () => (person.userId ? {} : null), count: 6 })
