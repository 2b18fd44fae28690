// Calls the public API for the current visitor in the language of the page.

const API_TIMEOUT = 8000
const PAUSES = [1000, 2000] // before a second and a third try
const WORTH_A_WAIT = new Set([0, 502, 503, 504])
const LATE_PAUSE = 700
const MOST_PLACEMENTS = 20

class ApiError extends Error {
  constructor(status, message) {
    super(message)
    this.status = status
  }
}

/** Fetches JSON from a path below /api/v1/; retries while the server is unavailable. */
async function request(path, { query = {}, body = null, signal = null, keepalive = false, retries = true } = {}) {
  const url = new URL(`${config.host}/api/v1/${path}`)
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== null && value !== "") url.searchParams.set(name, Array.isArray(value) ? value.join(",") : value)
  }
  for (const wait of retries ? [...PAUSES, null] : [null]) {
    try {
      return await requestOnce(url, { body, signal, keepalive })
    } catch (error) {
      if (wait === null || signal?.aborted || !WORTH_A_WAIT.has(error.status)) throw error
      await new Promise((resolve) => setTimeout(resolve, wait))
    }
  }
}

async function requestOnce(url, { body, signal, keepalive }) {
  const timeout = AbortSignal.timeout(API_TIMEOUT)
  const token = isAllowed("personalisation") ? visitor.userToken : ""
  let response
  try {
    response = await fetch(url, {
      ...(body ? { method: "POST", body: JSON.stringify(body) } : {}),
      headers: {
        ...(body ? { "Content-Type": "application/json" } : {}),
        Authorization: `Bearer ${config.publishableKey}`,
        "Accept-Language": config.language,
        ...(token ? { "X-User-Token": token } : {}),
      },
      credentials: "omit",
      keepalive,
      signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
    })
  } catch (error) {
    throw signal?.aborted ? error : new ApiError(0, String(error))
  }
  if (!response.ok) throw new ApiError(response.status, await response.text())
  return response.status === 204 ? null : response.json()
}

let asked = []

/**
 * Fetches recommendations: `recommend("for-you", { n: 8 })`, or a list of placements with `scenario`, whose answers repeat no product.
 * Several calls at the same time make one request.
 */
function recommend(scenario, parameters = {}) {
  if (Array.isArray(scenario)) return askTogether(scenario)
  return new Promise((resolve, reject) => {
    asked.push({ placement: { scenario, ...parameters }, resolve, reject })
    if (asked.length === 1) queueMicrotask(askCollected)
  })
}

async function askCollected() {
  const all = asked
  asked = []
  for (let start = 0; start < all.length; start += MOST_PLACEMENTS) {
    const calls = all.slice(start, start + MOST_PLACEMENTS)
    try {
      const answers = await askTogether(calls.map((call) => call.placement))
      calls.forEach((call, number) => call.resolve(answers[number]))
    } catch (error) {
      for (const call of calls) call.reject(error)
    }
  }
}

/** Fetches the answers of several placements; retries once if the server was too busy for the right ones. */
async function askTogether(placements) {
  await settle()
  const ask = async () => (await request("recommendations/batch/", { body: { ...visitor.identity, placements } })).placements
  const answers = await ask()
  if (!answers.some((answer) => answer.fallback_reason === "late")) return answers
  await new Promise((resolve) => setTimeout(resolve, LATE_PAUSE))
  return ask()
}
