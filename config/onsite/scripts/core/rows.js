// Rows of recommendations: elements with data-perennial-placement, loaded together, hidden when they are empty.

const ROWS = "[data-perennial-placement]"
const TEXT_PARAMETERS = ["product_id", "category", "brand", "price_min", "price_max", "filter", "diversity"]
const LIST_PARAMETERS = ["product_ids", "exclude"]
const VISIBLE_SHARE = 0.3
const DEFAULT_COUNT = 8

const rows = new Map() // element → its answer

function readRow(element) {
  const { dataset } = element
  const parameters = { n: Number(dataset.n) || DEFAULT_COUNT }
  for (const name of TEXT_PARAMETERS) if (dataset[toCamel(name)]) parameters[name] = dataset[toCamel(name)]
  for (const name of LIST_PARAMETERS) {
    if (dataset[toCamel(name)]) parameters[name] = dataset[toCamel(name)].split(",").map((id) => id.trim())
  }
  if (!dataset.fallbackTitle && dataset.fallback !== "show") parameters.strict = true
  return parameters
}

function toCamel(name) {
  return name.replace(/_(\w)/g, (_match, letter) => letter.toUpperCase())
}

function scanRows(root) {
  const found = [...root.querySelectorAll(ROWS)].filter((element) => !rows.has(element))
  for (const element of found) {
    rows.set(element, null)
    loadRow(element)
  }
}

function reloadRows() {
  for (const element of rows.keys()) {
    if (element.isConnected) loadRow(element)
    else rows.delete(element)
  }
}

async function loadRow(element) {
  const parameters = readRow(element)
  if (!rows.get(element)) showSkeleton(element, parameters.n)
  try {
    showRow(element, await recommend(element.dataset.perennialPlacement, parameters))
  } catch (error) {
    console.warn(`Perennial: ${element.dataset.perennialPlacement}: ${error.message}`)
    if (!rows.get(element)) hideRow(element)
  }
}

/** Returns the element for the cards: the one marked with data-perennial-items, else a list that is added. */
function listOf(element) {
  const marked = element.querySelector("[data-perennial-items]")
  if (marked) return marked
  const list = h("ul", { class: "perennial-row", role: "list", tabindex: "0", "data-perennial-items": true })
  const heading = element.querySelector("h1, h2, h3, h4")
  if (heading) list.setAttribute("aria-label", heading.textContent.trim())
  element.append(list)
  return list
}

function showSkeleton(element, count) {
  element.hidden = false
  element.setAttribute("aria-busy", "true")
  const skeleton = () =>
    h("li", { class: "perennial-card perennial-skeleton", "aria-hidden": "true" }, h("span", { class: "perennial-image" }), h("span", { class: "perennial-title" }), h("span", { class: "perennial-price" }))
  listOf(element).replaceChildren(...Array.from({ length: count }, skeleton))
}

function hideRow(element) {
  element.hidden = true
  element.removeAttribute("aria-busy")
  listOf(element).replaceChildren()
}

function showRow(element, answer) {
  rows.set(element, answer)
  if (!answer?.items?.length) return hideRow(element)
  element.removeAttribute("aria-busy")
  const heading = element.querySelector("h1, h2, h3, h4")
  if (heading) {
    heading.dataset.title ??= heading.textContent
    heading.textContent = (answer.fallback && element.dataset.fallbackTitle) || heading.dataset.title
  }
  element.hidden = false
  listOf(element).replaceChildren(...answer.items.map((item) => cardOf(element, item, answer)))
  reportWhenVisible(listOf(element), answer, answer.items)
  emit("row", { element, answer }, element)
}

function cardOf(element, item, answer) {
  const named = element.dataset.template
  const template = named ? document.querySelector(named) : element.querySelector("template")
  const card = config.card?.(item, answer, element) ?? (template ? fillTemplate(template, item) : buildCard(item))
  card.addEventListener("click", (event) => {
    if (event.target.closest("a")) reportClick(item, answer)
  })
  return card
}

function buildCard({ product_id: id, product, reason }) {
  return h(
    "li",
    { class: "perennial-card", "data-product": id },
    h(
      "a",
      { class: "perennial-link", href: linkOf(id, product) },
      h("img", { class: "perennial-image", src: cleanUrl(product.image_url), alt: "", loading: "lazy" }),
      h("span", { class: "perennial-title" }, product.title || id),
    ),
    h("span", { class: "perennial-price" }, formatMoney(product.price, product.currency)),
    reason?.text ? h("span", { class: "perennial-reason" }, reason.text) : null,
  )
}

/** Fills a clone of a template: elements with data-field get the text, image or link of the product. */
function fillTemplate(template, { product_id: id, product, reason }) {
  const card = template.content.firstElementChild.cloneNode(true)
  const values = { ...product, product_id: id, price: formatMoney(product.price, product.currency), reason: reason?.text ?? "" }
  for (const part of [card, ...card.querySelectorAll("[data-field]")]) {
    const name = part.dataset.field
    if (!name) continue
    if (name === "url") part.setAttribute("href", linkOf(id, product) ?? "#")
    else if (name === "image") {
      part.setAttribute("src", cleanUrl(product.image_url) ?? "")
      part.setAttribute("alt", "")
    } else part.textContent = values[name] ?? ""
  }
  card.dataset.product = id
  return card
}

/** Reports one impression of an answer when the element has come into view. */
function reportWhenVisible(element, answer, items) {
  const observer = new IntersectionObserver(
    (entries) => {
      if (!entries.some((entry) => entry.isIntersecting)) return
      observer.disconnect()
      reportImpression(answer, items)
    },
    { threshold: VISIBLE_SHARE },
  )
  observer.observe(element)
  return observer
}

function reportImpression({ recommendation_id, scenario, model_version }, items) {
  const products = items.map((item) => ({ product_id: item.product_id, position: item.rank }))
  track("Recommendation Viewed", { recommendation_id, scenario, model_version, products })
}

/** Reports a click; later events with the same product_id name the recommendation. */
function reportClick(item, { recommendation_id, scenario }) {
  if (!recommendation_id) return
  const origin = { recommendation_id, position: item.rank, scenario }
  const store = storeOf(ofThisTab)
  store.write("came-from", { ...store.read("came-from", {}), [item.product_id]: origin })
  track("Recommendation Clicked", { product_id: item.product_id, ...origin })
}

/** Returns the recommendation in which a product was clicked in this tab; empty if there was none. */
function originOf(productId) {
  return ofThisTab.read("came-from", {})[productId] ?? {}
}

addEventListener("pageshow", (event) => {
  if (event.persisted) reloadRows()
})
