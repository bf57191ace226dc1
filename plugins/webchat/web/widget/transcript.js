const PROGRESS = ['failed', 'uploading', 'sending', 'sent', 'delivered', 'read'];

/** All messages in the order shown. Known by the server's id, our own also by the id that we gave them. */
class Transcript {
  constructor() {
    Object.assign(this, { entries: [], byId: new Map(), byClient: new Map(), arrived: [], cursor: null });
  }

  /** Our own message, not yet acknowledged. */
  compose(clientId, parts, state, at = new Date()) {
    const entry = { clientId, id: null, own: true, from: 'visitor', name: '', at, parts, state, progress: 0, reason: '' };
    this.byClient.set(clientId, entry);
    this.entries.push(entry);
    return entry;
  }

  /** The entry of a message frame, and whether it is new. */
  receive(frame) {
    const known = this.byId.get(frame.id) ?? this.byClient.get(frame.client_id);
    if (known) {
      const adopted = known.id === null;
      if (adopted) this.remember(known, frame);
      return { entry: known, isNew: false, adopted };
    }
    const entry = Transcript.read(frame);
    if (entry.own && entry.clientId) this.byClient.set(entry.clientId, entry);
    this.remember(entry, frame);
    this.entries.splice(this.placeFor(entry), 0, entry);
    return { entry, isNew: true };
  }

  static read(frame) {
    const from = ['agent', 'bot', 'system', 'visitor'].includes(frame.from) ? frame.from : 'agent';
    const at = new Date(frame.at);
    const parts = Array.isArray(frame.parts) ? frame.parts.filter((part) => part && typeof part === 'object') : [];
    return {
      clientId: frame.client_id ?? null, id: frame.id, own: from === 'visitor', from, name: asText(frame.name).slice(0, 100),
      at: Number.isNaN(at.getTime()) ? new Date() : at, parts, state: from === 'visitor' ? 'sent' : null, progress: 0, reason: '',
    };
  }

  remember(entry, frame) {
    entry.id = frame.id;
    this.byId.set(frame.id, entry);
    this.arrived.push(frame.id);
    if (entry.own) Transcript.advance(entry, 'sent');
  }

  /** By id, which grows with time, but above what we have not sent yet. */
  placeFor(entry) {
    let at = this.entries.length;
    const isLater = (other) => (other.id === null ? PROGRESS.indexOf(other.state) < PROGRESS.indexOf('sent') : other.id > entry.id);
    while (at > 0 && isLater(this.entries[at - 1])) at--;
    return at;
  }

  static advance(entry, state) {
    if (PROGRESS.indexOf(state) > PROGRESS.indexOf(entry.state)) entry.state = state;
  }

  /** Our own messages up to this one have come as far as `state`. Tells which changed. */
  settle(last, state) {
    const until = this.entries.indexOf(last);
    const settled = this.entries.slice(0, until + 1).filter((entry) => entry.own && PROGRESS.indexOf(entry.state) >= PROGRESS.indexOf('sent'));
    for (const entry of settled) Transcript.advance(entry, state);
    return settled;
  }

  remove(entry) {
    this.entries.splice(this.entries.indexOf(entry), 1);
    this.byClient.delete(entry.clientId);
  }

  /** Everything up to now has arrived without a gap: from here the next connection resumes. */
  mark() {
    const [from] = this.arrived.slice(-1 - OVERLAP);
    this.cursor = from ?? null;
  }

  theirs() {
    return this.entries.filter((entry) => !entry.own && entry.id);
  }
}
