// Forms: data-perennial-form="newsletter" registers an address with double opt-in, "quiz" writes what visitors say about themselves.

const { h, request, identify, track, emit } = core

function scan(root) {
  for (const form of root.querySelectorAll("form[data-perennial-form]:not([data-ready])")) {
    form.dataset.ready = ""
    if (form.dataset.perennialForm === "newsletter") form.append(makeTrap())
    form.addEventListener("submit", (event) => {
      event.preventDefault()
      if (form.dataset.perennialForm === "newsletter") subscribe(form)
      else answer(form)
    })
  }
}

/** Returns a field that people do not see and programs fill in. */
function makeTrap() {
  return h("div", { hidden: true, "aria-hidden": "true" }, h("input", { name: "website", tabindex: "-1", autocomplete: "off" }))
}

/** Sends the address. Whether it is known already or not, the answer is the same: see the mail. */
async function subscribe(form) {
  const values = Object.fromEntries(new FormData(form))
  const button = form.querySelector("button, [type=submit]")
  if (button) button.disabled = true
  try {
    await request("forms/newsletter/", {
      body: { email: values.email, form: form.dataset.name || "newsletter", policy_version: form.dataset.policyVersion ?? "", website: values.website ?? "" },
      retries: false,
    })
    track("Newsletter Requested", { form: form.dataset.name || "newsletter" })
    say(form, t("check_mail"), "sent")
  } catch (error) {
    say(form, t(describeFailure(error)), "failed")
  } finally {
    if (button) button.disabled = false
  }
}

/** Returns the name of the text for the visitor. The shop reads in the console what is wrong with its own values, such as data-name. */
function describeFailure(error) {
  if (error.status === 429) return "too_many"
  if (error.status === 400 && /"field":\s*"email"/.test(error.message)) return "invalid_address"
  console.warn(`Perennial: newsletter: ${error.message}`)
  return "failed"
}

/** Writes the answers as traits of the visitor and as one event; a group of checkboxes becomes a list, an empty one without a tick. */
function answer(form) {
  const given = new FormData(form)
  const boxes = [...form.querySelectorAll("[type=checkbox][name]")].map((box) => box.name)
  const groups = new Set(boxes.filter((name, index) => boxes.indexOf(name) !== index))
  const traits = Object.fromEntries([...groups].map((name) => [name, []])) // without a tick, the form data does not contain a group
  for (const name of new Set(given.keys())) {
    const values = given.getAll(name).filter((value) => typeof value === "string" && value !== "")
    if (values.length) traits[name] = groups.has(name) ? values : values[0]
  }
  const isRecorded = identify(traits) && track("Preferences Submitted", { form: form.dataset.name || "quiz", ...traits })
  if (isRecorded) say(form, form.dataset.thanks || t("thanks"), "sent")
  else say(form, t("needs_consent"), "failed")
}

function say(form, text, kind) {
  form.querySelector("[role=status]")?.remove()
  const message = h("p", { role: "status", tabindex: "-1", class: `perennial-message perennial-${kind}` }, text)
  form.append(message)
  message.focus()
  emit(`form-${kind}`, { form }, form)
}
