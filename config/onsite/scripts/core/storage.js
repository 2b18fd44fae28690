// localStorage and sessionStorage as JSON. If a browser blocks them, values last until the page is closed.

const PREFIX = "perennial:"

class Store {
  constructor(open) {
    this.memory = new Map()
    try {
      this.area = open()
    } catch {
      this.area = null
    }
  }

  read(name, otherwise) {
    try {
      const text = this.memory.get(name) ?? this.area?.getItem(PREFIX + name)
      return text === null || text === undefined ? otherwise : JSON.parse(text)
    } catch {
      return otherwise // another program's text under our name
    }
  }

  /** Writes a value; returns whether it outlives the page. */
  write(name, value) {
    const text = JSON.stringify(value)
    try {
      this.area.setItem(PREFIX + name, text)
      this.memory.delete(name)
      return true
    } catch {
      this.memory.set(name, text) // no storage, or no space left
      return false
    }
  }

  remove(name) {
    this.memory.delete(name)
    this.area?.removeItem(PREFIX + name)
  }

  names(beginning) {
    const stored = this.area ? Object.keys(this.area).filter((name) => name.startsWith(PREFIX)) : []
    const names = [...stored.map((name) => name.slice(PREFIX.length)), ...this.memory.keys()]
    return [...new Set(names)].filter((name) => name.startsWith(beginning)).sort()
  }
}

const lasting = new Store(() => window.localStorage)
const ofThisTab = new Store(() => window.sessionStorage)
const ofThisPage = new Store(() => null)

/** Returns a random ID; also works over plain http, where crypto.randomUUID does not exist. */
function randomId() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("")
}
