/** Ties everything together: what comes from the server, what the visitor does, what the browser keeps. */
class Chat {
  constructor(settings) {
    this.settings = settings;
    this.identity = settings.identity ? { id: settings.identity, hash: settings.hash ?? null, name: settings.name ?? null } : null;
    const anonymous = new Keep(`omnigate:${BASE.href}::`);
    this.keep = this.identity ? new Keep(`omnigate:${BASE.href}:${encodeURIComponent(this.identity.id)}:`) : anonymous;
    this.anonymous = anonymous;
    this.panel = new Panel(this, settings.color ?? this.keep.get('color'));
    this.connection = new Connection(() => this.hello(), { frame: (frame) => this.frame(frame), state: (state) => this.connected(state) });
    this.outbox = new Outbox(this.keep, this.connection);
    this.uploads = new Uploads(this.connection);
    this.transcript = new Transcript();
    this.typed = { at: 0, timer: 0, on: false };
    this.keep.onChange((key) => this.elsewhere(key));
    document.addEventListener('visibilitychange', () => this.read());
  }

  /** A visitor who never wrote costs the server nothing until he opens the panel. */
  start() {
    for (const { message } of this.outbox.all()) this.restore(message);
    document.documentElement.append(this.panel.host);
    const isKnown = this.identity || this.keep.get('token') || this.transcript.entries.length;
    if (isKnown) this.connection.start();
  }

  restore(message) {
    if (!Array.isArray(message.parts) || this.transcript.byClient.has(message.client_id)) return;
    this.panel.messages.insert(this.transcript.compose(message.client_id, message.parts, 'sending'), this.transcript.entries);
  }

  hello() {
    // Who signs in takes the talk along that he began as a stranger.
    this.token = this.keep.get('token') ?? this.anonymous.get('token');
    return {
      type: 'hello', token: this.token, after: this.transcript.cursor, identity: this.identity, name: this.settings.name ?? null,
      email: this.settings.email ?? null, phone: this.settings.phone ?? null,
      // Without the query: it may hold what is nobody's business.
      page: { url: location.origin + location.pathname, title: document.title.slice(0, 200) }, lang: LOCALE,
    };
  }

  // -- from the server

  frame(frame) {
    const handlers = {
      welcome: this.welcome, message: this.message, ready: this.ready, ack: this.ack, status: this.status, typing: this.peerTyping,
      upload: this.ticket, refused: this.ticket, error: this.error, bye: this.bye,
    };
    // A newer server may say more than we know.
    if (Object.hasOwn(handlers, frame.type)) handlers[frame.type].call(this, frame);
  }

  welcome(frame) {
    const other = this.keep.get('token');
    // Two tabs met the server as strangers at once: the first visitor counts.
    if (!this.token && other && other !== frame.token) return this.connection.restart();
    if (this.visitor && this.visitor !== frame.visitor) this.forget();
    this.visitor = frame.visitor;
    if (typeof frame.token === 'string') {
      this.token = frame.token;
      this.keep.set('token', frame.token);
    }
    if (this.identity) this.anonymous.delete('token');
    this.panel.composer.limits = { text: frame.limits?.text || Infinity, bytes: frame.limits?.bytes || Infinity };
    this.panel.title.textContent = asText(frame.title) || say('chat');
    this.panel.messages.greet(asText(frame.greeting));
    if (!this.settings.color && frame.color) {
      this.keep.set('color', frame.color);
      this.panel.paint(frame.color);
    }
  }

  message(frame) {
    if (frame.id === null && frame.from === 'visitor') return this.echo(frame);
    if (typeof frame.id !== 'string') return;
    const { entry, isNew, adopted } = this.transcript.receive(frame);
    if (this.connection.state === 'ready') this.transcript.mark();
    if (isNew) this.panel.messages.insert(entry, this.transcript.entries);
    if (adopted) {
      this.outbox.settle(entry.clientId);
      this.panel.messages.update(entry);
    }
    if (isNew && !entry.own) this.arrived(entry);
  }

  /** Our words from another tab, which has them until they are acknowledged. The id comes with the next history. */
  echo(frame) {
    if (typeof frame.client_id !== 'string' || this.outbox.mine.has(frame.client_id)) return;
    const known = this.transcript.byClient.get(frame.client_id);
    if (known) {
      Transcript.advance(known, 'sent');
      return this.refresh([known]);
    }
    const { parts, at } = Transcript.read(frame);
    this.panel.messages.insert(this.transcript.compose(frame.client_id, parts, 'sent', at), this.transcript.entries);
  }

  arrived(entry) {
    this.peerTyping({ on: false });
    if (entry.id > (this.keep.get('delivered') ?? '')) {
      this.keep.set('delivered', entry.id);
      this.connection.send({ type: 'delivered', id: entry.id });
    }
    if (this.connection.state !== 'ready') return;
    this.read();
    if (this.unread()) this.panel.announce(entry);
  }

  ready() {
    this.connection.ready();
    this.transcript.mark();
    this.panel.messages.busy(false);
    this.recall();
    this.outbox.flush();
    this.read();
  }

  ack(frame) {
    const entry = this.transcript.byClient.get(frame.client_id);
    if (entry) {
      const at = new Date(frame.at);
      if (!Number.isNaN(at.getTime())) entry.at = at;
      Transcript.advance(entry, 'sent');
      this.refresh([entry]);
    }
    this.outbox.settle(frame.client_id);
  }

  status(frame) {
    const entry = this.transcript.byClient.get(frame.client_id) ?? this.transcript.byId.get(frame.id);
    if (!entry?.own || !['delivered', 'read'].includes(frame.status)) return;
    if (frame.status === 'read' && entry.state !== 'read') this.keep.set('seen', entry.clientId);
    this.refresh(this.transcript.settle(entry, frame.status));
  }

  /** What an agent has read stays read on a page opened later: the server tells it only once. */
  recall() {
    const seen = this.transcript.byClient.get(this.keep.get('seen'));
    if (seen) this.refresh(this.transcript.settle(seen, 'read'));
  }

  refresh(entries) {
    for (const entry of entries) this.panel.messages.update(entry);
    this.panel.messages.regroup(this.transcript.entries);
  }

  peerTyping({ on }) {
    clearTimeout(this.shownTyping);
    const last = this.transcript.theirs().at(-1);
    this.panel.isTyping(on ? (last ? Messages.nameOf(last) : say('support')) : '');
    if (on) this.shownTyping = setTimeout(() => this.peerTyping({ on: false }), TYPING_SHOWN_MS);
  }

  ticket(frame) {
    this.uploads.answered(frame);
  }

  /** An error without a name belongs to the one message under way, if there is one. */
  error(frame) {
    const clientId = frame.client_id ?? this.outbox.flying;
    const entry = this.transcript.byClient.get(clientId);
    if (frame.retry) return this.outbox.land(RETRY_MS_MIN * 3);
    if (!entry) return this.panel.composer.tell(asText(frame.text));
    entry.state = 'failed';
    entry.reason = asText(frame.text);
    this.outbox.settle(clientId);
    this.refresh([entry]);
  }

  bye(frame) {
    this.connection.stop('refused');
    const text = asText(frame.text) || say(frame.code === 'identity-required' ? 'identity' : 'refused');
    this.panel.connection(text, () => { this.connection.stop(); this.connection.start(); });
  }

  connected(state) {
    if (state === 'waiting' || state === 'idle' || state === 'refused') {
      this.outbox.land();
      this.uploads.land();
      this.peerTyping({ on: false });
    }
    if (state === 'connecting') this.panel.messages.busy(true);
    const words = { ready: '', idle: '', waiting: say('offline'), connecting: this.connection.tries ? say('offline') : say('connecting') };
    if (state in words) this.panel.connection(words[state]);
  }

  // -- from the visitor

  opened() {
    this.connection.start();
    this.read();
  }

  closed() {
    this.count();
  }

  send(text, files) {
    const media = files.map((file) => ({
      type: 'media', kind: kindOf(file), name: file.name, content_type: file.type || 'application/octet-stream', bytes: file.size, file,
      preview: /^(image\/(png|jpeg|gif|webp|avif)|audio\/|video\/)/.test(file.type) ? URL.createObjectURL(file) : null,
    }));
    this.post([...(text ? [{ type: 'text', text }] : []), ...media]);
  }

  pick({ id, title }) {
    this.post([{ type: 'choice', id, title }]);
    this.panel.composer.focus();
  }

  post(parts) {
    this.stopTyping();
    const entry = this.transcript.compose(uuid(), parts, 'sending');
    this.panel.messages.stuck = true;
    this.panel.messages.insert(entry, this.transcript.entries);
    this.connection.start();
    return this.deliver(entry);
  }

  async deliver(entry) {
    try {
      for (const part of entry.parts) if (part.file && !part.upload) await this.upload(entry, part);
    } catch (error) {
      Object.assign(entry, { state: 'failed', reason: error instanceof Refused ? error.message : '' });
      return this.refresh([entry]);
    }
    entry.state = 'sending';
    this.refresh([entry]);
    this.outbox.put({ client_id: entry.clientId, parts: entry.parts.map(({ file, preview, ...part }) => part) });
  }

  async upload(entry, part) {
    const progress = (share) => { entry.progress = share; this.panel.messages.update(entry); };
    entry.state = 'uploading';
    progress(0);
    this.panel.messages.regroup(this.transcript.entries);
    part.upload = await this.uploads.store(part.file, progress);
  }

  retry(entry) {
    entry.state = 'sending';
    this.refresh([entry]);
    this.deliver(entry);
  }

  /** By the visitor. */
  discarded(entry) {
    this.discard(entry);
    this.panel.composer.focus();
  }

  discard(entry) {
    this.transcript.remove(entry);
    this.panel.messages.remove(entry);
    this.panel.messages.regroup(this.transcript.entries);
    for (const part of entry.parts) if (part.preview) URL.revokeObjectURL(part.preview);
  }

  typing(on) {
    const now = Date.now();
    clearTimeout(this.typed?.timer);
    if (!this.typed || (!on && !this.typed.on)) return;
    if (!on) return this.stopTyping();
    if (now - this.typed.at > TYPING_EVERY_MS && this.connection.state === 'ready') {
      this.connection.send({ type: 'typing', on: true });
      Object.assign(this.typed, { at: now, on: true });
    }
    this.typed.timer = setTimeout(() => this.stopTyping(), TYPING_EVERY_MS * 1.5);
  }

  stopTyping() {
    clearTimeout(this.typed.timer);
    if (this.typed.on) this.connection.send({ type: 'typing', on: false });
    Object.assign(this.typed, { at: 0, on: false });
  }

  // -- reading

  /** What was not seen: after our own last word, and after what was read in any tab. */
  unread() {
    const { entries } = this.transcript;
    const answered = entries.findLastIndex((entry) => entry.own && entry.id);
    const read = this.keep.get('read') ?? '';
    return entries.slice(answered + 1).filter((entry) => !entry.own && entry.id > read).length;
  }

  read() {
    const newest = this.transcript.theirs().at(-1);
    const isSeen = this.panel.isOpen && !document.hidden && this.connection.state === 'ready';
    if (isSeen && newest && newest.id > (this.keep.get('read') ?? '')) {
      this.keep.set('read', newest.id);
      this.connection.send({ type: 'read', id: newest.id });
    }
    this.count();
  }

  count() {
    this.panel.label(this.panel.isOpen ? 0 : this.unread());
  }

  // -- other tabs, other visitors

  elsewhere(key) {
    if (key === 'read') this.count();
    if (!key.startsWith('out:')) return;
    const message = this.keep.get(key);
    if (message) this.restore(message);
    else setTimeout(() => this.settledElsewhere(key.split(':')[2]), ACK_MS_MAX);
  }

  /** Acknowledged in another tab, it has come to us as a message by now. If not, it was refused, and is shown there. */
  settledElsewhere(clientId) {
    const entry = this.transcript.byClient.get(clientId);
    const isWaiting = this.connection.state !== 'ready' || this.outbox.all().some(({ message }) => message.client_id === clientId);
    if (entry?.state === 'sending' && !isWaiting) this.discard(entry);
  }

  /** The server knows us as somebody else now: nothing of the former may stay in sight. */
  forget() {
    const waiting = this.outbox.all();
    this.transcript = new Transcript();
    this.panel.messages.clear();
    for (const key of ['read', 'delivered', 'seen']) this.keep.delete(key);
    for (const { message } of waiting) this.restore(message);
  }

  /** For the page's log-out: the next visitor of this browser begins anew. */
  reset() {
    this.connection.stop();
    this.keep.clear();
    this.anonymous.clear();
    this.visitor = undefined;
    this.forget();
    this.panel.messages.greet('');
    this.count();
    if (this.panel.isOpen) this.connection.start();
  }
}
