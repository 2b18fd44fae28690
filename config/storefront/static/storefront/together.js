// Fetches the rows of a page in one call, so that no product is in two of them.

import { recommendTogether } from "./api.js"

export class RowGroup {
  /** `order`: the placements of the rows, those first for which other products are no substitute. */
  constructor(order) {
    this.order = order
    this.rows = new Set()
    this.waiting = []
  }

  /** Returns the answer of one row; rows that ask at the same time share a call. */
  recommend(row, parameters) {
    this.rows.add(row)
    return new Promise((resolve, reject) => {
      if (!this.waiting.length) queueMicrotask(() => this.send())
      this.waiting.push({ row, parameters, resolve, reject })
    })
  }

  async send() {
    const position = ({ row }) => this.order.indexOf(row.scenario)
    const waiting = this.waiting.splice(0).sort((one, other) => position(one) - position(other))
    const exclude = this.listShown(waiting.map(({ row }) => row))
    try {
      const answers = await recommendTogether(
        waiting.map(({ row, parameters }) => ({ scenario: row.scenario, exclude, ...parameters })),
      )
      waiting.forEach(({ resolve }, number) => resolve(answers[number]))
    } catch (error) {
      for (const { reject } of waiting) reject(error)
    }
  }

  /** Returns the products that all rows but these show. */
  listShown(except = []) {
    const rows = [...this.rows].filter((row) => row.answer && !except.includes(row))
    return rows.flatMap((row) => row.items.map((item) => item.product_id))
  }
}
