// On-site offers: elements with data-perennial-offer="placement" show what the visitor may see there, or stay hidden.

const { h, request, visitor, isAllowed, cleanUrl, addStyles, emit, track } = core
const seen = new Map() // element → its offer

addStyles(`
:where(.perennial-offer) { display: flex; flex-wrap: wrap; align-items: center; gap: 0.5rem 1rem; padding: 0.75rem 1rem; border: 1px solid; border-radius: 0.5rem; }
:where(.perennial-offer-image) { max-width: 8rem; max-height: 6rem; object-fit: contain; }
:where(.perennial-offer-text) { flex: 1 1 12rem; }
:where(.perennial-offer-text > *) { margin: 0; }
:where(.perennial-offer-title) { font-weight: 600; }
:where(.perennial-offer-button) { padding: 0.5rem 1rem; border-radius: 0.25rem; font-weight: 600; border: 1px solid; color: inherit; }
:where(.perennial-offer-close) { min-width: 2rem; min-height: 2rem; border: 0; background: none; color: inherit; font-size: 1.25rem; line-height: 1; cursor: pointer; }
`)

function scan(root) {
  for (const element of root.querySelectorAll("[data-perennial-offer]")) {
    if (seen.has(element)) continue
    seen.set(element, null)
    loadOffer(element)
  }
}

async function loadOffer(element) {
  element.hidden = true
  const { anonymous_id: anonymousId, user_id: userId } = visitor.identity
  if (!anonymousId || !isAllowed("personalisation")) return // no consent: nothing is decided or counted
  const placement = element.dataset.perennialOffer
  const path = userId ? `customers/${encodeURIComponent(userId)}/offers/` : `visitors/${encodeURIComponent(anonymousId)}/offers/`
  try {
    await core.settle()
    const { offer } = await request(path, { query: { placement, ...(userId ? { anonymous_id: anonymousId } : {}) } })
    seen.set(element, offer)
    if (offer) show(element, offer, placement)
    else element.replaceChildren()
  } catch (error) {
    console.warn(`Perennial: offer ${placement}: ${error.message}`)
  }
}

function show(element, offer, placement) {
  const properties = { promotion_id: offer.key, name: offer.title, position: placement, exposure_id: offer.exposure_id }
  const url = cleanUrl(offer.url)
  const click = () => {
    react(offer, "clicked")
    track("Promotion Clicked", properties)
  }
  const close = () => {
    react(offer, "closed")
    element.hidden = true
    emit("offer-closed", { offer }, element)
  }
  const label = offer.button || t("more")
  element.replaceChildren(
    h(
      "aside",
      { class: "perennial-offer", "aria-label": t("offer"), lang: offer.language === "zh-hans" ? "zh-Hans" : offer.language },
      offer.image_url ? h("img", { class: "perennial-offer-image", src: cleanUrl(offer.image_url), alt: "" }) : null,
      h("div", { class: "perennial-offer-text" }, h("p", { class: "perennial-offer-title" }, offer.title), offer.text ? h("p", {}, offer.text) : null),
      url ? h("a", { class: "perennial-offer-button", href: url, onclick: click }, label) : null,
      h("button", { class: "perennial-offer-close", type: "button", "aria-label": t("close"), onclick: close }, "×"),
    ),
  )
  element.hidden = false
  track("Promotion Viewed", properties)
  emit("offer", { offer }, element)
}

function react({ exposure_id: exposureId }, reaction) {
  request(`offers/exposures/${exposureId}/`, { body: { reaction }, keepalive: true, retries: false }).catch((error) => console.warn(`Perennial: ${error.message}`))
}

// after a log-in, a log-out or another answer to the consent question, another offer may apply
for (const name of ["consent", "visitor"]) {
  document.addEventListener(`perennial:${name}`, () => {
    for (const element of seen.keys()) loadOffer(element)
  })
}
