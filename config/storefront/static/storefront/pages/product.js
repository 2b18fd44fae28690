// A product: what it is, what is like it, what goes with it, and what people say of it when they have bought it.

import { cardsOf, isSoldOut } from "../api.js"
import { picture } from "../art.js"
import { basket } from "../basket.js"
import { trouble } from "../card.js"
import { announce, h, icon } from "../dom.js"
import { page, trackProduct } from "../events.js"
import "../header.js"
import { perennial } from "../onsite.js"
import { person } from "../person.js"
import { Row } from "../row.js"
import { formatMoney, pageAddress, randomId, shop, t } from "../shop.js"
import { productReviewed, productViewed } from "../tracking.js"

const productId = new URLSearchParams(window.location.search).get("id") ?? ""
const place = document.querySelector("[data-product-page]")
const row = (name) => document.querySelector(`[data-row="${name}"]`)

async function show() {
  place.querySelector(".trouble")?.remove()
  let product
  try {
    product = (await cardsOf([productId]))[0]?.product
  } catch (error) {
    console.warn(error.message)
    place.append(trouble(show))
    return
  }
  if (!product) return showMissing()
  place.removeAttribute("aria-busy")
  document.title = `${product.title} · ${document.body.dataset.shop}`
  place.replaceChildren(h("div", { class: "product-art" }, picture(product)), details(product))
  document.querySelector("[data-review]").hidden = false
  page()
  productViewed(productId, product)
  rows()
  offerToWrite(product)
}

/** Replaces "Add to cart" of a product that is sold out by a button that requests a message when it is back. */
async function offerToWrite(product) {
  if (!(await isSoldOut(productId))) return
  const button = h("button", { type: "button", class: "button", "data-perennial-back-in-stock": true, "data-product-id": productId, "data-name": product.title }, t("tell_me"))
  place.querySelector(".product-add").replaceWith(h("p", { class: "note" }, t("sold_out")), h("p", {}, button))
  perennial.scan(place)
}

function showMissing() {
  place.removeAttribute("aria-busy")
  place.replaceChildren(h("div", { class: "empty" }, h("h1", {}, t("no_product")), h("p", {}, t("no_product_help")), h("a", { class: "button", href: pageAddress("home") }, t("go_on_shopping"))))
  new Row(row("recently-viewed"), { scenario: "recently-viewed", dismissible: false })
}

function details(product) {
  const quantity = h("input", { type: "number", id: "quantity", min: 1, max: 99, value: 1, inputmode: "numeric" })
  const add = (event) => {
    event.preventDefault()
    basket.add(productId, product, Number(quantity.value) || 1)
    announce(t("added", { title: product.title }))
  }
  const dismiss = h("button", { type: "button", class: "button quiet", "data-tool": "dismiss" }, icon("hide"), t("dismiss"))
  dismiss.addEventListener("click", () => {
    trackProduct("Product Dismissed", { product_id: productId })
    dismiss.disabled = true
    announce(t("dismissed", { title: product.title }))
  })
  return h(
    "div",
    { class: "product-text" },
    crumbs(product.category),
    h("h1", {}, product.title),
    product.brand ? h("p", {}, h("a", { href: pageAddress("search", { brand: product.brand }) }, product.brand)) : null,
    h("p", { class: "product-price" }, formatMoney(product.price, product.currency) || t("no_price")),
    h(
      "form",
      { class: "product-add", onsubmit: add },
      h("label", { for: "quantity" }, t("quantity")),
      quantity,
      h("button", { class: "button" }, icon("basket"), t("add")),
    ),
    dismiss,
    h("p", { class: "note" }, t("product_number", { id: productId })),
  )
}

function crumbs(category) {
  const steps = category ? category.split(" > ") : []
  const links = steps.map((step, depth) => h("li", {}, h("a", { href: pageAddress("search", { category: steps.slice(0, depth + 1).join(" > ") }) }, step)))
  return h("nav", { class: "crumbs", "aria-label": t("category") }, h("ol", {}, h("li", {}, h("a", { href: pageAddress("home") }, t("home"))), ...links))
}

function rows() {
  const beside = () => ({ product_id: productId })
  new Row(row("bought-together"), { scenario: "bought-together", parameters: beside, count: 6 })
  new Row(row("similar"), { scenario: "similar", parameters: beside, count: 12 })
  new Row(row("recently-viewed"), {
    scenario: "recently-viewed",
    parameters: () => (person.personalisation === false ? null : { exclude: productId }),
    dismissible: false,
  })
}

const form = document.querySelector("[data-review] form")
form.addEventListener("submit", (event) => {
  event.preventDefault()
  const given = new FormData(form)
  const review = { rating: Number(given.get("rating")), review_body: given.get("text").trim(), language: shop.language }
  productReviewed(productId, { review_id: `shop-${randomId()}`, ...review })
  form.replaceChildren(h("p", { role: "status", tabindex: "-1" }, t("review_thanks")))
  form.firstChild.focus()
})

show()
