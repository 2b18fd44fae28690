// The header of every page: basket, log-in, consent, language, connection status.

import { basket } from "./basket.js"
import { announce } from "./dom.js"
import { waiting } from "./events.js"
import { person } from "./person.js"
import { reloadRows } from "./row.js"
import { formatNumber, plural, t } from "./shop.js"

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

showBasket()
showPerson()
consentBanner()
languageForm()
connection()
window.addEventListener("basket", showBasket)
window.addEventListener("storage", showBasket) // another tab's basket is this one's
window.addEventListener("pageshow", showBasket)
