// perennial.js, the script that any shop uses: it collects events, requests recommendations, and fills the search box and offers.

import perennial from "/perennial/v1/perennial.mjs"
import { pageAddress, shop } from "./shop.js"

perennial.init({
  writeKey: shop.write_key,
  publishableKey: shop.publishable_key,
  language: shop.language,
  autoPage: false, // each page reports itself, with its own name
  productUrl: (productId) => pageAddress("product", { id: productId }), // the catalog of the demo has no links
  categoryUrl: (category) => pageAddress("search", { category }),
})

export { perennial }
