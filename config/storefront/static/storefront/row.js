// A row of recommendations: loads itself, hides when it is empty, and reloads when it is outdated.

import { recommend } from "./api.js"
import { card, skeletons, trouble } from "./card.js"
import { announce, h } from "./dom.js"
import { t } from "./shop.js"
import { lasting } from "./storage.js"
import { productDismissed, recommendationViewed } from "./tracking.js"

const SPARE = 6 // asked for beyond what is shown, to take the place of what is dismissed
const PAUSE = 700 // milliseconds
const rows = new Set()

export class Row {
  /**
   * `place` is the section of the page; `parameters` returns what the placement needs, or null if the row does not apply.
   * `fallback`: what else the row may show, with its title; without it, the row hides instead of misleading.
   * `after`: rows, created before this one, whose products this one does not repeat.
   */
  constructor(place, { scenario, parameters = () => ({}), fallback = null, count = 10, dismissible = true, after = [], shown = () => {} }) {
    Object.assign(this, { place, scenario, parameters, fallback, count, dismissible, after, shown, items: [] })
    this.heading = place.querySelector("h2")
    this.title = this.heading.textContent
    this.list = place.querySelector("ul")
    this.asked = 0
    rows.add(this)
    this.load()
  }

  load() {
    this.loaded = this.loadOnce()
    return this.loaded
  }

  async loadOnce() {
    const asked = ++this.asked
    const parameters = this.parameters()
    if (!parameters) return this.hide()
    if (!this.answer) this.wait()
    this.activity = lasting.read("activity")
    try {
      const exclude = await this.productsBefore()
      const answer = await this.ask(exclude.length ? { ...parameters, exclude } : parameters)
      if (asked === this.asked) this.show(answer)
    } catch (error) {
      if (asked !== this.asked) return
      console.warn(`${this.scenario}: ${error.message}`)
      this.list.replaceChildren()
      this.say(trouble(() => this.load()))
      this.place.hidden = false
    }
  }

  /** Fetches the answer; retries once if the server was too busy for the right one. */
  async ask(parameters) {
    const answer = await recommend(this.scenario, { n: this.count + SPARE, ...parameters })
    if (answer?.fallback_reason !== "late") return answer
    await new Promise((resolve) => setTimeout(resolve, PAUSE))
    return recommend(this.scenario, { n: this.count + SPARE, ...parameters })
  }

  /** Returns the ids of the products that the rows before this one show, once they are loaded. */
  async productsBefore() {
    await Promise.all(this.after.map((row) => row.loaded))
    return this.after.flatMap((row) => row.items.map((item) => item.product_id))
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
    const replacement = await this.replacementOf(item)
    this.items = this.items.filter((one) => one !== item)
    const title = item.product.title || item.product_id
    const neighbour = old.nextElementSibling ?? old.previousElementSibling
    if (replacement) {
      const next = this.cardOf(replacement.item, replacement.answer)
      this.items.push(replacement.item)
      old.replaceWith(next)
      next.querySelector("a").focus()
      recommendationViewed(replacement.answer, [replacement.item])
      announce(t("dismissed_replaced", { title, other: replacement.item.product.title }))
      return
    }
    old.remove()
    neighbour?.querySelector("a").focus()
    announce(t("dismissed", { title }))
    if (!this.items.length) this.hide()
  }

  /** Returns the best item that is not shown yet, or a popular one if the row has no more. */
  async replacementOf(item) {
    const exclude = [item, ...[...rows].flatMap((row) => row.items)].map((one) => one.product_id)
    const place = this.spare.findIndex((one) => !exclude.includes(one.product_id))
    if (place >= 0) return { item: this.spare.splice(place, 1)[0], answer: this.answer }
    try {
      const answer = await recommend("popular", { n: 1, exclude })
      return answer?.items.length ? { item: answer.items[0], answer } : null
    } catch (error) {
      console.warn(error.message)
      return null
    }
  }

  /** Removes a product that was dismissed in another row. */
  drop(productId) {
    if (!this.answer) return
    this.spare = this.spare.filter((item) => item.product_id !== productId)
    const place = this.items.findIndex((item) => item.product_id === productId)
    if (place < 0) return
    const [next] = this.spare.splice(0, 1)
    this.items.splice(place, 1, ...(next ? [next] : []))
    this.list.querySelector(`[data-product="${CSS.escape(productId)}"]`)?.replaceWith(...(next ? [this.cardOf(next)] : []))
  }

  say(element) {
    this.place.querySelector(".trouble")?.remove()
    if (element) this.list.before(element)
  }

  /** Reports one impression per answer, when half of the row has come into view. */
  noteWhenSeen() {
    this.observer?.disconnect()
    const { answer, items } = this
    this.observer = new IntersectionObserver(
      (entries, observer) => {
        if (!entries.some((entry) => entry.isIntersecting)) return
        observer.disconnect()
        recommendationViewed(answer, items)
      },
      { threshold: 0.3 },
    )
    this.observer.observe(this.list)
  }
}

/** Creates the section of a row that is not in the template. */
export function rowSection(title, id) {
  return h("section", { class: "row", "aria-labelledby": id }, h("h2", { id }, title), h("ul", { class: "strip", tabindex: "0" }))
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
