// The home page: rows for whoever is looking, and ways into the categories.

import { recommend, search } from "../api.js"
import { picture } from "../art.js"
import { h } from "../dom.js"
import { page } from "../events.js"
import "../header.js"
import { person } from "../person.js"
import { Row } from "../row.js"
import { RowGroup } from "../row_group.js"
import { pageAddress, plural, t } from "../shop.js"

const MOST_TILES = 8
const place = (name) => document.querySelector(`[data-row="${name}"]`)
const ofAPerson = () => (person.personalisation === false ? null : {})

function leaf(path) {
  return path.split(" > ").at(-1)
}

/** The person's categories first, then the shop's largest; what neither tells is left out. */
async function categories() {
  const section = document.querySelector("[data-categories]")
  const [own, found] = await Promise.allSettled([
    recommend("categories", { n: MOST_TILES }),
    search({ n: 1, facets: true, explain: false }),
  ])
  const tiles = new Map()
  for (const { category, reason } of own.value?.categories ?? []) tiles.set(category, reason?.text ?? "")
  for (const { value, count } of found.value?.facets?.category ?? []) {
    if (!tiles.has(value)) tiles.set(value, plural("products", count))
  }
  const list = section.querySelector("ul")
  list.replaceChildren(
    ...[...tiles].slice(0, MOST_TILES).map(([path, note]) =>
      h(
        "li",
        {},
        h(
          "a",
          { class: "category", href: pageAddress("search", { category: path }) },
          picture({ category: path, title: leaf(path) }),
          h("span", { class: "category-name" }, leaf(path)),
          h("span", { class: "note" }, note),
        ),
      ),
    ),
  )
  section.hidden = !tiles.size
}

page()
new RowGroup([
  new Row(place("recently-viewed"), { scenario: "recently-viewed", parameters: ofAPerson, dismissible: false, loads: false }),
  new Row(place("for-you"), { scenario: "for-you", count: 12, fallback: t("popular_now"), loads: false }),
  new Row(place("buy-again"), { scenario: "buy-again", parameters: () => (person.userId ? ofAPerson() : null), loads: false }),
  new Row(place("trending"), { scenario: "trending", loads: false }),
  new Row(place("new"), { scenario: "new", loads: false }),
])
categories()
