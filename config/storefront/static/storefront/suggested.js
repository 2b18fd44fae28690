// The alternatives that a search suggests, with their URLs. Products are shown in their own rows.

import { pageAddress } from "./shop.js"

const PARAMETERS = { query: "q", category: "category" }

export function suggested(found) {
  return (found?.suggestions ?? [])
    .filter(({ kind }) => kind in PARAMETERS)
    .map(({ kind, text, value }) => ({ text: text.split(" > ").at(-1), address: pageAddress("search", { [PARAMETERS[kind]]: value }) }))
}
