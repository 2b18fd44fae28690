// "Why this?": an item's reason, the products it names, and its position.

import { cardsOf } from "./api.js"
import { picture } from "./art.js"
import { h, icon } from "./dom.js"
import { formatNumber, pageAddress, t } from "./shop.js"

const dialog = document.getElementById("why")

export function explain(item, shown) {
  const named = h("ul", { class: "why-products" })
  dialog.replaceChildren(
    h(
      "header",
      {},
      h("h2", { id: "why-title" }, t("why")),
      h("button", { type: "button", class: "tool", "aria-label": t("close"), onclick: () => dialog.close() }, icon("close")),
    ),
    h("p", { class: "why-product" }, item.product.title || item.product_id),
    h("p", { class: "why-text" }, item.reason.text),
    named,
    facts(item, shown),
  )
  dialog.showModal()
  const ids = item.reason.product_ids
  if (ids.length) showNamed(ids, named)
}

async function showNamed(ids, list) {
  let cards
  try {
    cards = await cardsOf(ids)
  } catch {
    cards = [] // the ids still identify the products
  }
  const titles = new Map(cards.map(({ product_id, product }) => [product_id, product]))
  list.replaceChildren(
    ...ids.map((id) => {
      const product = titles.get(id) ?? { title: id, category: "", image_url: "" }
      return h("li", {}, h("a", { href: pageAddress("product", { id }) }, picture(product), h("span", {}, product.title)))
    }),
  )
}

function facts(item, shown) {
  const rows = [
    [t("why_place"), shown.scenario],
    [t("why_strategy"), shown.fallback ? t("why_fallback", shown) : shown.strategy],
    [t("why_rank"), formatNumber(item.rank)],
    [t("why_score"), typeof item.score === "number" ? formatNumber(Number(item.score.toPrecision(3))) : ""],
    [t("why_model"), shown.model_version],
  ].filter(([, value]) => value)
  return h("dl", { class: "facts" }, ...rows.flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, String(value))]))
}

dialog.addEventListener("click", (event) => {
  if (event.target === dialog) dialog.close() // outside the box
})
