// A product card of a row or grid: image, price, reason, and actions.

import { picture } from "./art.js"
import { basket } from "./basket.js"
import { announce, h, icon } from "./dom.js"
import { formatMoney, pageAddress, t } from "./shop.js"
import { productClicked } from "./tracking.js"
import { explain } from "./why.js"

/**
 * `shown` is the answer that contains the item. `reasoned`: whether the card shows the reason, not only behind "Why this?".
 * `dismiss`, if given, removes the item permanently.
 */
export function card(item, shown, { dismiss = null, reasoned = true } = {}) {
  const { product_id: id, product, reason } = item
  const title = product.title || id
  const tools = h("div", { class: "card-tools" })
  if (reason) {
    tools.append(tool("question", t("why_named", { title }), t("why"), "why", () => explain(item, shown)))
  }
  if (dismiss) tools.append(tool("hide", t("dismiss_named", { title }), t("dismiss"), "dismiss", () => dismiss(item)))
  tools.append(
    tool("basket", t("add_named", { title }), t("add"), "add", () => {
      basket.add(id, product)
      announce(t("added", { title }))
    }),
  )
  return h(
    "li",
    { class: "card", "data-product": id },
    h(
      "a",
      { class: "card-link", href: pageAddress("product", { id }), onclick: () => productClicked(item, shown) },
      picture(product),
      h("span", { class: "card-title" }, title),
    ),
    h("span", { class: "card-price" }, formatMoney(product.price, product.currency) || t("no_price")),
    reason && reasoned ? h("p", { class: "card-reason" }, reason.text) : null,
    tools,
  )
}

function tool(picture, label, hint, kind, onclick) {
  return h("button", { type: "button", class: "tool", "aria-label": label, title: hint, "data-tool": kind, onclick }, icon(picture))
}

export function skeletons(count) {
  return Array.from({ length: count }, () =>
    h("li", { class: "card skeleton", "aria-hidden": "true" }, h("div", { class: "art" }), h("span"), h("span")),
  )
}

/** The error shown when an answer could not be loaded, with a button to retry. */
export function trouble(again) {
  const button = h("button", { type: "button", class: "button quiet", onclick: again }, t("try_again"))
  return h("div", { class: "trouble", role: "alert" }, h("p", {}, t("trouble")), button)
}
