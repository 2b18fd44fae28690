// Drives @segment/analytics-node; delivered is what its callbacks were given without an error.
const { Analytics } = require("@segment/analytics-node")
const { task, report } = require("./task.cjs")

const delivered = []
const errors = []
// A slow machine may need longer than the usual limits to make all the calls of one request, and to answer it.
const limits = { flushInterval: 240_000, httpRequestTimeout: 240_000 }
const analytics = new Analytics({ writeKey: task.writeKey, host: task.host, flushAt: 250, ...limits, ...task.settings })
analytics.on("error", (error) => errors.push(error.reason ?? error.code))

async function main() {
  for (const { call, ...message } of task.calls) {
    analytics[call](message, (error, context) => {
      if (!error) delivered.push(context.event.messageId)
    })
  }
  await analytics.closeAndFlush({ timeout: task.timeout ?? 240_000 })
  report(`@segment/analytics-node ${analytics.VERSION}`, delivered, errors)
}

main()
