// What a search suggests to try instead, with the addresses of it. Products stand in rows of their own.

import { pageAddress } from "./shop.js"

const PARAMETERS = { query: "q", category: "category" }

export function suggested(found) {
  return (found?.suggestions ?? [])
    .filter(({ kind }) => kind in PARAMETERS)
    .map(({ kind, text, value }) => ({ text: text.split(" > ").at(-1), address: pageAddress("search", { [PARAMETERS[kind]]: value }) }))
}
