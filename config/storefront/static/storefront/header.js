// The header of every page: search with suggestions, basket, log-in, consent, language, connection status.

import { search } from "./api.js"
import { basket } from "./basket.js"
import { announce, h } from "./dom.js"
import { page, waiting } from "./events.js"
import { person } from "./person.js"
import { reloadRows } from "./row.js"
import { formatMoney, formatNumber, pageAddress, plural, t } from "./shop.js"
import { suggested } from "./suggested.js"
import { productClicked } from "./tracking.js"

const PAUSE = 120 // milliseconds without a key before suggestions are asked for

function showBasket() {
  const pieces = basket.pieces
  const count = document.querySelector("[data-basket-count]")
  count.textContent = pieces ? formatNumber(pieces) : ""
  count.hidden = !pieces
  document.querySelector("[data-basket-link]").setAttribute("aria-label", `${t("basket")}: ${plural("pieces", pieces)}`)
}

function showPerson() {
  document.querySelector("[data-person]").textContent = person.userId || t("log_in")
}

function consentBanner() {
  const banner = document.querySelector("[data-consent]")
  banner.hidden = person.personalisation !== null
  for (const button of banner.querySelectorAll("button")) {
    button.addEventListener("click", () => {
      setPersonalisation(button.value === "on")
      banner.hidden = true
    })
  }
}

/** Stores the choice: events carry it from now on, and rows are requested with or without the visitor's ids. */
export function setPersonalisation(given) {
  person.personalisation = given
  page() // carries the answer to the collector at once
  announce(given ? t("personal_on") : t("personal_off"))
  reloadRows()
}

function languageForm() {
  for (const form of document.querySelectorAll("[data-language]")) {
    form.addEventListener("submit", () => {
      form.elements.next.value = window.location.pathname + window.location.search
    })
  }
}

function connection() {
  const sign = document.querySelector("[data-offline]")
  const show = () => {
    sign.hidden = navigator.onLine
    sign.textContent = navigator.onLine ? "" : t("offline", { number: formatNumber(waiting()) })
  }
  for (const event of ["online", "offline"]) window.addEventListener(event, show)
  show()
}

/** Implements the ARIA pattern "combobox with list": arrows select, Enter opens, Escape closes. */
class Suggestions {
  constructor(form) {
    this.input = form.elements.q
    this.list = form.querySelector("[role=listbox]")
    this.chosen = -1
    this.input.addEventListener("input", () => this.later())
    this.input.addEventListener("keydown", (event) => this.key(event))
    this.input.addEventListener("blur", () => setTimeout(() => this.close(), 150))
  }

  later() {
    clearTimeout(this.timer)
    this.timer = setTimeout(() => this.ask(), PAUSE)
  }

  async ask() {
    this.request?.abort()
    const q = this.input.value.trim()
    if (q.length < 2) return this.close()
    this.request = new AbortController()
    try {
      this.show(await search({ q, n: 6, facets: false, explain: false, strict: true }, { signal: this.request.signal }))
    } catch (error) {
      if (error.name !== "AbortError") this.close() // Enter still searches
    }
  }

  show(found) {
    const words = suggested(found).slice(0, 4).map(({ text, address }) => this.option(address, text, ""))
    const products = (found?.items ?? []).map((item) => {
      const price = formatMoney(item.product.price, item.product.currency)
      const address = pageAddress("product", { id: item.product_id })
      return this.option(address, item.product.title, price, () => productClicked(item, found))
    })
    this.list.replaceChildren(...words, ...products)
    this.list.childNodes.forEach((option, place) => {
      option.id = `suggestion-${place}`
    })
    this.choose(-1)
    const open = this.list.childNodes.length > 0
    this.list.hidden = !open
    this.input.setAttribute("aria-expanded", String(open))
  }

  option(address, text, note, onSelect = () => {}) {
    const open = () => {
      onSelect()
      window.location.assign(address)
    }
    return h("li", { role: "option", "aria-selected": "false", onmousedown: open, onopen: open }, h("span", {}, text), h("span", { class: "note" }, note))
  }

  key(event) {
    const count = this.list.hidden ? 0 : this.list.childNodes.length
    if (event.key === "Escape" && count) this.close()
    else if (event.key === "ArrowDown" && count) this.choose((this.chosen + 1) % count)
    else if (event.key === "ArrowUp" && count) this.choose(this.chosen > 0 ? this.chosen - 1 : count - 1)
    else if (event.key === "Enter" && count && this.chosen >= 0) this.list.childNodes[this.chosen].dispatchEvent(new Event("open"))
    else return
    event.preventDefault()
  }

  choose(place) {
    this.chosen = place
    this.list.childNodes.forEach((option, number) => option.setAttribute("aria-selected", String(number === place)))
    if (place >= 0) this.input.setAttribute("aria-activedescendant", `suggestion-${place}`)
    else this.input.removeAttribute("aria-activedescendant")
  }

  close() {
    this.list.hidden = true
    this.input.setAttribute("aria-expanded", "false")
    this.choose(-1)
  }
}

showBasket()
showPerson()
consentBanner()
languageForm()
connection()
new Suggestions(document.querySelector("[data-search]"))
window.addEventListener("basket", showBasket)
window.addEventListener("storage", showBasket) // another tab's basket is this one's
window.addEventListener("pageshow", showBasket)
