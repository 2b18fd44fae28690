// What both Node programs share: a task on stdin, a report on stdout.
const { readFileSync, writeSync } = require("node:fs")

exports.task = JSON.parse(readFileSync(0, "utf8"))

exports.report = (sdk, delivered, errors) =>
  writeSync(1, JSON.stringify({ sdk, delivered, errors: errors.map(String) }))
