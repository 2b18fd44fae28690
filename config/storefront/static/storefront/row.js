// A row of recommendations: loads itself, hides when it is empty, and reloads when it is outdated.

import { recommend } from "./api.js"
import { card, skeletons, trouble } from "./card.js"
import { announce, h } from "./dom.js"
import { perennial } from "./onsite.js"
import { t } from "./shop.js"
import { lasting } from "./storage.js"
import { productDismissed } from "./tracking.js"

const SPARE = 6 // asked for beyond what is shown, to take the place of what is dismissed
const PAUSE = 700 // milliseconds
const rows = new Set()

export class Row {
  /**
   * `place` is the section of the page; `parameters` returns what the placement needs, or null if the row does not apply.
   * `fallback`: what else the row may show, with its title; without it, the row hides instead of misleading.
   * `loads`: whether the row loads itself; otherwise a group of rows does.
   */
  constructor(place, { scenario, parameters = () => ({}), fallback = null, count = 10, dismissible = true, loads = true, shown = () => {} }) {
    Object.assign(this, { place, scenario, parameters, fallback, count, dismissible, shown, items: [], spare: [], group: null })
    this.heading = place.querySelector("h2")
    this.title = this.heading.textContent
    this.list = place.querySelector("ul")
    this.asked = 0
    rows.add(this)
    if (loads) this.load()
  }

  load() {
    return this.group ? this.group.load() : this.loadOnce()
  }

  async loadOnce() {
    const asked = ++this.asked
    if (!this.begin()) return
    try {
      const answer = await this.ask(this.parameters())
      if (asked === this.asked) this.show(answer)
    } catch (error) {
      if (asked === this.asked) this.fail(error)
    }
  }

  /** Prepares the row for an answer; returns whether it applies. */
  begin() {
    if (!this.parameters()) {
      this.hide()
      return false
    }
    if (!this.answer) this.wait()
    this.activity = lasting.read("activity")
    return true
  }

  /** Returns what the row asks for as part of a group: strictly, because a fallback that it hides would leave others without products. */
  placement() {
    return { scenario: this.scenario, n: this.count, ...(this.fallback ? {} : { strict: true }), ...this.parameters() }
  }

  fail(error) {
    console.warn(`${this.scenario}: ${error.message}`)
    this.place.removeAttribute("aria-busy")
    this.list.replaceChildren()
    this.say(trouble(() => this.load()))
    this.place.hidden = false
  }

  /** Fetches the answer; retries once if the server was too busy for the right one. */
  async ask(parameters) {
    const answer = await recommend(this.scenario, { n: this.count + SPARE, ...parameters })
    if (answer?.fallback_reason !== "late") return answer
    await new Promise((resolve) => setTimeout(resolve, PAUSE))
    return recommend(this.scenario, { n: this.count + SPARE, ...parameters })
  }

  wait() {
    this.place.hidden = false
    this.place.setAttribute("aria-busy", "true")
    this.say(null)
    this.list.replaceChildren(...skeletons(this.count))
  }

  hide() {
    this.answer = null
    this.items = []
    this.spare = []
    this.place.hidden = true
    this.list.replaceChildren()
  }

  show(answer) {
    this.place.removeAttribute("aria-busy")
    if (!answer?.items.length || (answer.fallback && !this.fallback)) return this.hide()
    this.answer = answer
    this.items = answer.items.slice(0, this.count)
    this.spare = answer.items.slice(this.count)
    this.heading.textContent = answer.fallback ? this.fallback : this.title
    this.place.hidden = false
    this.say(null)
    this.list.replaceChildren(...this.items.map((item) => this.cardOf(item)))
    this.list.scrollTo({ left: 0 })
    this.noteWhenSeen()
    this.shown(answer)
  }

  /** `answer`: the answer that contains the item, if it is not the row's own. */
  cardOf(item, answer = this.answer) {
    return card(item, answer, { dismiss: this.dismissible ? (dismissed) => this.dismiss(dismissed, answer) : null })
  }

  async dismiss(item, answer) {
    productDismissed(item, answer)
    const old = this.list.querySelector(`[data-product="${CSS.escape(item.product_id)}"]`)
    for (const button of old.querySelectorAll("button")) button.disabled = true
    for (const row of rows) if (row !== this) row.drop(item.product_id)
    const replacement = this.takeSpare(item.product_id) ?? (await this.fetchReplacement(item.product_id))
    this.items = this.items.filter((one) => one !== item)
    const title = item.product.title || item.product_id
    const neighbour = old.nextElementSibling ?? old.previousElementSibling
    if (replacement) {
      this.replace(old, replacement).querySelector("a").focus()
      announce(t("dismissed_replaced", { title, other: replacement.item.product.title }))
      return
    }
    old.remove()
    neighbour?.querySelector("a").focus()
    announce(t("dismissed", { title }))
    if (!this.items.length) this.hide()
  }

  /** Puts the card of another item in the place of an old card, and reports that it is shown. */
  replace(old, { item, answer }) {
    const next = this.cardOf(item, answer)
    this.items.push(item)
    old.replaceWith(next)
    perennial.reportImpression(answer, [item])
    return next
  }

  /** Returns the best item of the answer that no row shows, or null. */
  takeSpare(productId) {
    const shown = shownProducts(productId)
    const place = this.spare.findIndex((one) => !shown.includes(one.product_id))
    return place < 0 ? null : { item: this.spare.splice(place, 1)[0], answer: this.answer }
  }

  /** Returns the next item of the placement, or a popular one if it has no more. */
  async fetchReplacement(productId) {
    const parameters = { ...this.parameters(), n: 1, exclude: shownProducts(productId) }
    try {
      for (const scenario of new Set([this.scenario, "popular"])) {
        const answer = await recommend(scenario, parameters)
        if (answer?.items.length) return { item: answer.items[0], answer }
      }
    } catch (error) {
      console.warn(error.message)
    }
    return null
  }

  /** Removes a product that was dismissed in another row, which shows the same one only if both loaded themselves. */
  drop(productId) {
    this.spare = this.spare.filter((item) => item.product_id !== productId)
    if (!this.items.some((item) => item.product_id === productId)) return
    this.items = this.items.filter((item) => item.product_id !== productId)
    const old = this.list.querySelector(`[data-product="${CSS.escape(productId)}"]`)
    const spare = this.takeSpare(productId)
    if (old && spare) this.replace(old, spare)
    else old?.remove()
    if (!this.items.length) this.hide()
  }

  say(element) {
    this.place.querySelector(".trouble")?.remove()
    if (element) this.list.before(element)
  }

  /** Reports one impression per answer, when a part of the row has come into view. */
  noteWhenSeen() {
    this.observer?.disconnect()
    this.observer = perennial.reportWhenVisible(this.list, this.answer, this.items)
  }
}

/** Creates the section of a row that is not in the template. */
export function rowSection(title, id) {
  return h("section", { class: "row", "aria-labelledby": id }, h("h2", { id }, title), h("ul", { class: "strip", tabindex: "0" }))
}

/** Returns the ids of all products that rows show, and this one. */
function shownProducts(productId) {
  return [productId, ...[...rows].flatMap((row) => row.items.map((item) => item.product_id))]
}

export function reloadRows() {
  for (const row of rows) row.load()
}

// a page restored from the browser's cache, or a tab brought to the front, may have outdated rows
window.addEventListener("pageshow", (event) => {
  if (event.persisted) reloadRows()
})
document.addEventListener("visibilitychange", () => {
  const activity = lasting.read("activity")
  if (document.visibilityState === "visible") for (const row of rows) if (row.activity !== activity) row.load()
})
