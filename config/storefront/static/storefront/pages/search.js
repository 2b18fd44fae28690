// Search and categories: words and filters stand in the address, the answer in the page.

import { search } from "../api.js"
import { card, skeletons, trouble } from "../card.js"
import { announce, h } from "../dom.js"
import { page } from "../events.js"
import "../header.js"
import { Row } from "../row.js"
import { formatMoney, formatNumber, plural, t } from "../shop.js"
import { suggested } from "../suggested.js"
import { listViewed, searched } from "../tracking.js"

const A_PAGE = 24
const FILTERS = ["category", "brand", "price_min", "price_max", "in_stock"]
const MOST_VALUES = 8

const list = document.querySelector("[data-results]")
const more = document.querySelector("[data-more]")
const summary = document.querySelector("[data-summary]")
const filters = document.querySelector("[data-filters]")
const sort = document.querySelector("[data-sort]")
const nothing = document.querySelector("[data-nothing]")
const chosen = document.querySelector("[data-chosen]")
const heading = document.querySelector("h1")

let asked = 0
let cursor = null

function parameters() {
  return new URLSearchParams(window.location.search)
}

function isFilter(name) {
  return FILTERS.includes(name) || name.startsWith("attributes.")
}

/** The same page with other words or filters; null takes one out. */
function changed(changes) {
  const query = parameters()
  for (const [name, value] of Object.entries(changes)) {
    if (value === null || value === "") query.delete(name)
    else query.set(name, value)
  }
  return query
}

function go(changes) {
  window.history.pushState(null, "", `?${changed(changes)}`)
  show()
}

async function show() {
  const number = ++asked
  const query = parameters()
  heading.textContent = titleOf(query)
  document.title = `${heading.textContent} · ${document.body.dataset.shop}`
  document.querySelector("[data-search]").elements.q.value = query.get("q") ?? ""
  sort.value = query.get("sort") ?? "relevance"
  for (const element of [nothing, more]) element.hidden = true
  list.replaceChildren(...skeletons(12))
  list.setAttribute("aria-busy", "true")
  list.parentElement.querySelector(".trouble")?.remove()
  try {
    const found = await search({ ...Object.fromEntries(query), n: A_PAGE, facets: true, strict: true })
    if (number !== asked) return
    if (found === null) return showMissing()
    render(query, found)
  } catch (error) {
    if (number !== asked) return
    console.warn(error.message)
    list.replaceChildren()
    summary.textContent = ""
    list.before(trouble(show))
  } finally {
    if (number === asked) list.removeAttribute("aria-busy")
  }
}

function titleOf(query) {
  if (query.get("q")) return t("results_for", { query: query.get("q") })
  if (query.get("category")) return query.get("category").split(" > ").at(-1)
  return query.get("brand") ?? t("all_products")
}

function render(query, found) {
  cursor = found.next_cursor
  list.replaceChildren(...found.items.map((item) => card(item, found, { reasoned: false })))
  more.hidden = !cursor
  summary.replaceChildren(plural("products", found.total), ...corrected(found))
  announce(plural("products", found.total), { visible: false })
  renderChosen(query)
  renderFilters(query, found.facets ?? {})
  if (!found.items.length) renderNothing(query, found)
  if (query.get("q")) searched(query.get("q"), found)
  if (found.items.length) listViewed({ list_id: query.get("category") || "search", category: query.get("category") ?? undefined }, found.items)
}

function corrected(found) {
  if (!found.corrected) return []
  const typed = h("a", { href: `?${changed({ autocorrect: "false" })}` }, t("search_instead", { query: found.search_instead.q }))
  return [" · ", t("corrected", { query: found.corrected }), " · ", typed]
}

/** What is filtered by now, each with a way to take it out. */
function renderChosen(query) {
  const names = [...query.keys()].filter(isFilter)
  chosen.replaceChildren(
    ...names.map((name) => {
      const text = chipText(name, query.get(name))
      const remove = () => go({ [name]: null })
      return h("li", {}, h("button", { type: "button", class: "chip", "aria-label": t("without", { filter: text }), onclick: remove }, `${text} ×`))
    }),
  )
}

function chipText(name, value) {
  if (name === "price_min") return t("price_from", { price: formatMoney(value) })
  if (name === "price_max") return t("price_to", { price: formatMoney(value) })
  if (name === "in_stock") return t("in_stock")
  return value.split(" > ").at(-1)
}

function renderFilters(query, facets) {
  const attributes = Object.entries(facets.attributes ?? {}).map(([name, values]) => [`attributes.${name}`, name.replaceAll("_", " "), values])
  const groups = [["category", t("category"), facets.category], ["brand", t("brand"), facets.brand], ...attributes]
  filters.replaceChildren(
    ...groups.filter(([, , values]) => values?.length).map(([name, title, values]) => group(query, name, title, values)),
    ...(facets.price?.length > 1 || query.has("price_min") || query.has("price_max") ? [prices(facets.price ?? [])] : []),
  )
}

function group(query, name, title, values) {
  const options = values.slice(0, 40).map(({ value, count }, place) => {
    const current = query.get(name) === String(value)
    const onclick = () => go({ [name]: current ? null : value })
    const text = name === "category" ? value.split(" > ").at(-1) : String(value)
    const button = h("button", { type: "button", class: "facet", "aria-pressed": String(current), title: String(value), onclick }, h("span", {}, text), h("span", { class: "note" }, formatNumber(count)))
    return h("li", { hidden: place >= MOST_VALUES && !current }, button)
  })
  const hidden = options.filter((option) => option.hidden)
  const all = h("button", { type: "button", class: "link", hidden: !hidden.length, onclick: () => {
    for (const option of hidden) option.hidden = false
    all.remove()
  } }, t("show_all"))
  return h("fieldset", {}, h("legend", {}, title), h("ul", {}, ...options), all)
}

function prices(values) {
  const query = parameters()
  const options = values.map(({ from, to, count }) => {
    const current = query.get("price_min") === from && query.get("price_max") === to
    const onclick = () => go(current ? { price_min: null, price_max: null } : { price_min: from, price_max: to })
    const button = h("button", { type: "button", class: "facet", "aria-pressed": String(current), onclick }, h("span", {}, rangeText(from, to)), h("span", { class: "note" }, formatNumber(count)))
    return h("li", {}, button)
  })
  return h("fieldset", {}, h("legend", {}, t("price")), h("ul", {}, ...options))
}

function rangeText(from, to) {
  if (from === null) return t("price_to", { price: formatMoney(to) })
  if (to === null) return t("price_from", { price: formatMoney(from) })
  return `${formatMoney(from)} – ${formatMoney(to)}`
}

function renderNothing(query, found) {
  const suggestions = suggested(found).map(({ text, address }) => h("li", {}, h("a", { class: "chip", href: address }, text)))
  const filtered = [...query.keys()].some(isFilter)
  const clear = () => go(Object.fromEntries([...query.keys()].filter(isFilter).map((name) => [name, null])))
  nothing.querySelector("[data-help]").replaceChildren(
    h("p", {}, filtered ? t("nothing_filtered") : t("nothing_found")),
    filtered ? h("button", { type: "button", class: "button quiet", onclick: clear }, t("clear_filters")) : "",
    suggestions.length ? h("p", {}, t("did_you_mean")) : "",
    h("ul", { class: "chips" }, ...suggestions),
  )
  nothing.hidden = false
  instead ??= new Row(nothing.querySelector("[data-row]"), { scenario: "for-you", fallback: t("popular_now"), count: 6 })
}
let instead = null

/** This server cannot search yet: what it recommends in that category is better than nothing. */
function showMissing() {
  list.replaceChildren()
  summary.textContent = t("search_missing")
  const category = parameters().get("category") ?? ""
  nothing.querySelector("[data-help]").replaceChildren()
  nothing.hidden = false
  instead ??= new Row(nothing.querySelector("[data-row]"), { scenario: "for-you", parameters: () => ({ category }), fallback: t("popular_now"), count: 24 })
}

more.addEventListener("click", async () => {
  const number = asked
  more.disabled = true
  try {
    const found = await search({ ...Object.fromEntries(parameters()), n: A_PAGE, facets: false, cursor })
    if (number !== asked) return
    const first = list.children.length
    list.append(...found.items.map((item) => card(item, found, { reasoned: false })))
    list.children[first]?.querySelector("a").focus()
    cursor = found.next_cursor
    more.hidden = !cursor
    announce(plural("more_products", found.items.length), { visible: false })
  } catch (error) {
    console.warn(error.message)
    announce(t("trouble"))
  } finally {
    more.disabled = false
  }
})

sort.addEventListener("change", () => go({ sort: sort.value === "relevance" ? null : sort.value }))
window.addEventListener("popstate", show)

// beside the results there is room for them; above they would push the results away
document.querySelector("[data-filters-box]").open = window.matchMedia("(width >= 760px)").matches
page()
show()
