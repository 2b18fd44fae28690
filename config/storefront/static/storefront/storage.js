// localStorage and sessionStorage as JSON. If a browser blocks them, values last until the page is closed.

const PREFIX = "perennial-shop:"

class Storage {
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
      // a value that did not fit into the storage is newer than the one there
      const text = this.memory.get(name) ?? this.area?.getItem(PREFIX + name)
      return text === null || text === undefined ? otherwise : JSON.parse(text)
    } catch {
      return otherwise // someone else's text under our name
    }
  }

  write(name, value) {
    const text = JSON.stringify(value)
    try {
      if (!this.area) throw new Error("no storage")
      this.area.setItem(PREFIX + name, text)
      this.memory.delete(name)
    } catch {
      this.memory.set(name, text)
    }
  }

  remove(name) {
    this.memory.delete(name)
    this.area?.removeItem(PREFIX + name)
  }

  names(beginning) {
    const kept = this.area ? Object.keys(this.area).filter((name) => name.startsWith(PREFIX)) : []
    const names = [...kept.map((name) => name.slice(PREFIX.length)), ...this.memory.keys()]
    return [...new Set(names)].filter((name) => name.startsWith(beginning))
  }
}

export const lasting = new Storage(() => window.localStorage)
export const ofThisTab = new Storage(() => window.sessionStorage)
