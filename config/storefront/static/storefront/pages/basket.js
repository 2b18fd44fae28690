// The basket, and what goes with it.

import { picture } from "../art.js"
import { MOST_PIECES, basket } from "../basket.js"
import { announce, h, icon } from "../dom.js"
import { page } from "../events.js"
import "../header.js"
import { Row } from "../row.js"
import { formatMoney, pageAddress, t } from "../shop.js"
import { cartViewed } from "../tracking.js"

const place = document.querySelector("[data-basket]")
const empty = document.querySelector("[data-empty]")

function show() {
  const lines = basket.lines
  empty.hidden = lines.length > 0
  place.hidden = !lines.length
  place.querySelector("ul").replaceChildren(...lines.map(lineOf))
  place.querySelector("[data-total]").textContent = formatMoney(basket.total, basket.currency)
}

function lineOf({ product_id: id, product, quantity }) {
  const title = product.title
  const change = (to) => {
    basket.set(id, product, to)
    announce(to > 0 ? t("quantity_now", { title, quantity: to }) : t("removed", { title }))
  }
  const number = h("input", {
    type: "number", min: 0, max: MOST_PIECES, value: quantity, inputmode: "numeric", "aria-label": t("quantity_of", { title }),
    onchange: (event) => change(Number(event.target.value)),
  })
  const step = (by, name, label) => h("button", { type: "button", class: "tool", "aria-label": label, onclick: () => change(quantity + by) }, icon(name))
  return h(
    "li",
    { class: "line", "data-product": id },
    h("a", { href: pageAddress("product", { id }), class: "line-art", tabindex: "-1", "aria-hidden": "true" }, picture(product)),
    h("a", { href: pageAddress("product", { id }), class: "line-title" }, title),
    h("div", { class: "stepper" }, step(-1, "minus", t("fewer", { title })), number, step(1, "plus", t("more", { title }))),
    h("span", { class: "line-price" }, formatMoney(Number(product.price ?? 0) * quantity, product.currency)),
    h("button", { type: "button", class: "link", "aria-label": t("remove_named", { title }), onclick: () => change(0) }, t("remove")),
  )
}

show()
page()
if (basket.lines.length) cartViewed(basket)
const addOns = new Row(document.querySelector('[data-row="cart"]'), {
  scenario: "cart",
  parameters: () => (basket.lines.length ? { product_ids: basket.lines.map((line) => line.product_id) } : null),
  fallback: t("popular_now"),
  count: 6,
})
new Row(document.querySelector('[data-row="for-you"]'), {
  scenario: "for-you",
  parameters: () => (basket.lines.length ? null : {}),
  fallback: t("popular_now"),
  count: 6,
})
window.addEventListener("basket", () => {
  show()
  addOns.load()
})
window.addEventListener("storage", show)
