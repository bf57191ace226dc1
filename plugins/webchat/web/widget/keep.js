/** Local storage under our own prefix. Where it is missing or full, this page's memory has to do. */
class Keep {
  constructor(prefix) {
    this.prefix = prefix;
    this.memory = new Map();
    try { this.area = window.localStorage; } catch { this.area = null; }
  }

  get(key) {
    try {
      return JSON.parse(this.memory.get(key) ?? this.area?.getItem(this.prefix + key) ?? 'null');
    } catch {
      return null;
    }
  }

  set(key, value) {
    const text = JSON.stringify(value);
    try {
      if (!this.area) throw new Error('no storage');
      this.area.setItem(this.prefix + key, text);
      this.memory.delete(key);
    } catch {
      this.memory.set(key, text);
    }
  }

  delete(key) {
    this.memory.delete(key);
    try { this.area?.removeItem(this.prefix + key); } catch { /* nothing was kept there */ }
  }

  keys(start) {
    const kept = [];
    try {
      for (let n = 0; n < (this.area?.length ?? 0); n++) kept.push(this.area.key(n));
    } catch { /* storage was taken away: memory alone */ }
    const own = kept.filter((key) => key?.startsWith(this.prefix)).map((key) => key.slice(this.prefix.length));
    return [...new Set([...own, ...this.memory.keys()])].filter((key) => key.startsWith(start)).sort();
  }

  clear() {
    for (const key of this.keys('')) this.delete(key);
  }

  /** Tells what other tabs change. */
  onChange(tell) {
    window.addEventListener('storage', (event) => {
      if (event.storageArea === this.area && event.key?.startsWith(this.prefix)) tell(event.key.slice(this.prefix.length));
    });
  }
}
