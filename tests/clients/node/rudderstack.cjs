// Drives @rudderstack/rudder-sdk-node. Its callbacks are given the packed batch that was posted.
const { gunzipSync } = require("node:zlib")
const RudderAnalytics = require("@rudderstack/rudder-sdk-node")
const { version } = require("@rudderstack/rudder-sdk-node/package.json")
const { task, report } = require("./task.cjs")

const delivered = new Set()
const errors = []
const client = new RudderAnalytics(task.writeKey, { dataPlaneUrl: task.host, flushAt: 250, logLevel: "silent" })

function send({ call, ...message }) {
  return new Promise((resolve) => {
    client[call](message, (error, packed) => {
      if (error) errors.push(error)
      else for (const sent of JSON.parse(gunzipSync(packed)).batch) delivered.add(sent.messageId)
      resolve()
    })
  })
}

async function main() {
  const answered = task.calls.map(send)
  try {
    while (client.queue.length > 0) await client.flush()
  } catch {
    // each call's own callback runs first
  }
  await Promise.all(answered)
  report(`@rudderstack/rudder-sdk-node ${version}`, [...delivered], errors)
}

process.on("unhandledRejection", () => {}) // the first call flushes by itself and nobody awaits that promise
main()
