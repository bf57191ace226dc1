/**
 * Messages that the server has not acknowledged. Each has its own key in the storage, so tabs do not overwrite each
 * other. One is under way at a time: that keeps the order, and tells to which message an error belongs.
 */
class Outbox {
  constructor(keep, connection, on) {
    Object.assign(this, { keep, connection, on, mine: new Set(), flying: null, timer: 0, last: 0 });
  }

  put(message) {
    this.mine.add(message.client_id);
    this.last = Math.max(Date.now(), this.last + 1);
    this.keep.set(`out:${this.last}:${message.client_id}`, message);
    this.flush();
  }

  all() {
    return this.keep.keys('out:').flatMap((key) => {
      const message = this.keep.get(key);
      return message?.client_id ? [{ key, at: Number(key.split(':')[1]), message }] : [];
    });
  }

  flush() {
    clearTimeout(this.timer);
    if (this.flying || this.connection.state !== 'ready') return;
    const waiting = this.all();
    const next = waiting.find((one) => this.isOurs(one));
    if (next) this.fly(next);
    else if (waiting.length) this.timer = setTimeout(() => this.flush(), ORPHAN_MS);
  }

  /** Another tab's message is left to that tab for a moment. If that tab is gone, we send it. */
  isOurs({ at, message }) {
    return this.mine.has(message.client_id) || Date.now() - at > ORPHAN_MS;
  }

  fly({ message }) {
    if (!this.connection.send({ type: 'message', ...message })) return;
    this.flying = message.client_id;
    this.timer = setTimeout(() => this.connection.restart(), ACK_MS_MAX);
  }

  /** It is on the server's disk, or refused for good: no need to keep it. */
  settle(clientId) {
    for (const { key, message } of this.all()) if (message.client_id === clientId) this.keep.delete(key);
    if (this.flying === clientId) this.land();
    this.flush();
  }

  /** Nothing is under way any more: the connection broke, or the server asks for patience. */
  land(pauseMs = 0) {
    this.flying = null;
    clearTimeout(this.timer);
    if (pauseMs) this.timer = setTimeout(() => this.flush(), pauseMs);
  }
}
