// Logging in is typing a customer's id: that is how a second device of theirs comes to know them.

import { page, settled } from "../events.js"
import { setPersonalisation } from "../header.js"
import { person } from "../person.js"
import { logIn as logInAt } from "../server.js"
import { pageAddress } from "../shop.js"

const logIn = document.querySelector("[data-log-in]")
const logOut = document.querySelector("[data-log-out]")
const personal = document.querySelector("[data-personalisation]")

function show() {
  logIn.hidden = Boolean(person.userId)
  logOut.hidden = !person.userId
  logOut.querySelector("[data-user]").textContent = person.userId
  document.querySelector("[data-visitor]").textContent = person.anonymousId
  personal.checked = person.personalisation !== false
}

logIn.addEventListener("submit", async (event) => {
  event.preventDefault()
  const userId = logIn.elements.user_id.value.trim()
  if (!userId) return
  const customer = await logInAt(userId)
  person.become(customer.user_id, customer.user_token)
  await settled(3000)
  window.location.assign(pageAddress("home"))
})

logOut.addEventListener("submit", async (event) => {
  event.preventDefault()
  await person.leave()
  window.location.assign(pageAddress("home"))
})

for (const button of document.querySelectorAll("[data-try]")) {
  button.addEventListener("click", () => {
    logIn.elements.user_id.value = button.textContent
    logIn.requestSubmit()
  })
}

personal.addEventListener("change", () => setPersonalisation(personal.checked))
show()
page()
