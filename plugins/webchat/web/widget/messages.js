/** What was said, in the order of the transcript; tells `act` what the visitor picks, tries again or gives up. */
class Messages {
  constructor(act) {
    Object.assign(this, { act, stuck: true });
    this.log = el('div', { class: 'log', part: 'log', 'data-role': 'log', role: 'log', tabindex: '0', 'aria-label': say('messages'), 'aria-live': 'polite', 'aria-relevant': 'additions' });
    this.newer = el('button', { type: 'button', class: 'newer', 'data-role': 'newer', hidden: true, onclick: () => this.toEnd() }, icon(ICONS.down), say('newer'));
    this.node = el('div', { class: 'scroll' }, this.log, this.newer);
    this.log.addEventListener('scroll', () => this.scrolled(), { passive: true });
    new ResizeObserver(() => this.stay()).observe(this.log);
  }

  /** Puts an entry where the transcript has it. */
  insert(entry, entries) {
    const at = entries.indexOf(entry);
    entry.node = this.render(entry);
    const next = entries.slice(at + 1).find((other) => other.node);
    this.log.insertBefore(entry.node, next?.node ?? null);
    this.group(entries, at);
    if (next) this.group(entries, entries.indexOf(next));
    if (at > 0) this.group(entries, at - 1, entries[at + 1]);
    if (entry.parts.some((part) => part.type === 'choices' || part.type === 'choice')) this.pressed(entries);
    this.follow(entry);
  }

  render(entry) {
    const nodes = entry.parts.flatMap((part) => partNodes(part, (option) => this.act.pick(option)));
    const name = entry.own ? say('you') : Messages.nameOf(entry);
    entry.day = el('span', { class: 'day', hidden: true });
    entry.meta = el('div', { class: 'meta' });
    entry.who = el('div', { class: entry.own ? 'sr' : 'who' }, el('bdi', {}, name));
    entry.bubble = el('div', { class: `message ${entry.own ? 'own' : entry.from}`, part: 'message', 'data-role': 'message', 'data-from': entry.from },
      entry.who, el('div', { class: 'body', part: 'body' }, ...(nodes.length ? nodes : [paragraph(say('unknown'))])), entry.meta);
    this.update(entry);
    return el('div', {}, entry.day, entry.bubble);
  }

  static nameOf(entry) {
    return entry.name || say(entry.from === 'bot' ? 'assistant' : 'support');
  }

  /** Time and state below a message. */
  update(entry) {
    const time = el('time', { datetime: entry.at.toISOString() }, CLOCK.format(entry.at));
    entry.bubble.classList.toggle('failed', entry.state === 'failed');
    if (entry.id) entry.bubble.dataset.id = entry.id;
    if (!entry.own) return entry.meta.replaceChildren(time);
    entry.bubble.dataset.state = entry.state;
    entry.meta.replaceChildren(...(entry.state === 'failed' ? this.failure(entry) : [time, ...this.state(entry)]));
  }

  state(entry) {
    const shape = { sending: ICONS.sending, uploading: ICONS.sending, sent: ICONS.sent, delivered: ICONS.twice, read: ICONS.twice }[entry.state];
    const label = say(entry.state);
    const words = entry.state === 'read' ? el('span', {}, label) : el('span', { class: 'sr' }, label);
    const bar = entry.state === 'uploading' ? el('progress', { max: '1', value: String(entry.progress), 'aria-label': label }) : null;
    return [bar, words, icon(shape)].filter(Boolean);
  }

  failure(entry) {
    const reason = entry.reason && entry.reason !== say('failed') ? `${say('failed')}: ${entry.reason}` : say('failed');
    return [
      icon(ICONS.failed), el('span', { role: 'alert', dir: 'auto' }, reason),
      el('button', { type: 'button', 'data-role': 'retry', onclick: () => this.act.retry(entry) }, say('again')),
      el('button', { type: 'button', 'data-role': 'discard', onclick: () => this.act.discarded(entry) }, say('discard')),
    ];
  }

  /** Day lines, and messages of one author in one go drawn together. */
  group(entries, at) {
    const [entry, before, after] = [entries[at], entries[at - 1], entries[at + 1]];
    if (!entry?.node) return;
    const sameDay = before && before.at.toDateString() === entry.at.toDateString();
    entry.day.hidden = Boolean(sameDay);
    entry.day.textContent = dayName(entry.at);
    const isRun = (one, two) => one && two && one.from === two.from && one.name === two.name && Math.abs(two.at - one.at) < 120_000;
    entry.bubble.classList.toggle('follows', Boolean(sameDay && isRun(before, entry)));
    entry.bubble.classList.toggle('quiet', Boolean(isRun(entry, after) && entry.state === after.state && entry.state !== 'failed' && entry.state !== 'uploading'));
  }

  regroup(entries) {
    entries.forEach((_, at) => this.group(entries, at));
  }

  /** A question that was answered keeps its options, but shows the pick and takes no other. */
  pressed(entries) {
    const picks = entries.flatMap((entry, at) => (entry.own ? entry.parts.filter((part) => part.type === 'choice').map((part) => ({ at, id: part.id })) : []));
    entries.forEach((entry, at) => {
      const buttons = [...(entry.node?.querySelectorAll('[data-choice]') ?? [])];
      const pick = picks.find((one) => one.at > at && buttons.some((button) => button.dataset.choice === one.id));
      for (const button of pick ? buttons : []) {
        button.disabled = true;
        button.setAttribute('aria-pressed', String(button.dataset.choice === pick.id));
      }
    });
  }

  remove(entry) {
    entry.node.remove();
  }

  clear() {
    this.log.replaceChildren();
  }

  greet(text) {
    this.greeting?.remove();
    this.greeting = text ? el('div', { class: 'message agent', 'data-role': 'greeting' }, el('div', { class: 'body' }, paragraph(text))) : null;
    if (this.greeting) this.log.prepend(this.greeting);
  }

  // -- scrolling

  /** Once per frame: a history of a thousand messages is laid out once, not a thousand times. */
  follow(entry) {
    if (this.stuck) this.following ??= requestAnimationFrame(() => { this.following = null; this.toEnd(); });
    else if (!entry.own) this.newer.hidden = false;
    for (const image of entry.node.querySelectorAll('img')) image.addEventListener('load', () => this.stay(), { once: true });
  }

  scrolled() {
    this.stuck = this.log.scrollHeight - this.log.scrollTop - this.log.clientHeight < 48;
    if (this.stuck) this.newer.hidden = true;
  }

  toEnd() {
    this.log.scrollTop = this.log.scrollHeight;
    this.stuck = true;
    this.newer.hidden = true;
  }

  /** Who was at the end stays there when the room changes. */
  stay() {
    if (this.stuck) this.toEnd();
  }

  busy(isBusy) {
    this.log.setAttribute('aria-busy', String(isBusy));
  }
}
