// The rows of one page, loaded by one call: no product is in two of them.

import { recommendTogether } from "./api.js"

export class RowGroup {
  /** `rows`: from the top of the page to its end; a product is shown in the first row that has it. */
  constructor(rows) {
    this.rows = rows
    this.asked = 0
    for (const row of rows) row.group = this
    this.load()
  }

  /** Loads all rows; several calls at once, one for each row, make one request. */
  load() {
    this.waiting ??= Promise.resolve().then(() => {
      this.waiting = null
      return this.loadOnce()
    })
    return this.waiting
  }

  async loadOnce() {
    const asked = ++this.asked
    const rows = this.rows.filter((row) => row.begin())
    if (!rows.length) return
    try {
      const answers = await recommendTogether(rows.map((row) => row.placement()))
      if (asked !== this.asked) return
      for (const [number, row] of rows.entries()) row.show(answers?.[number])
    } catch (error) {
      if (asked !== this.asked) return
      for (const row of rows) row.fail(error)
    }
  }
}
