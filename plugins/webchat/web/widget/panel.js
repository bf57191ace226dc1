/** What is on the screen: the launcher, and the panel around messages and composer. Knows nothing of the protocol; tells `act` what the visitor does. */
class Panel {
  constructor(act, color) {
    this.act = act;
    this.isOpen = false;
    this.messages = new Messages(act);
    this.composer = new Composer(act);
    this.phone = matchMedia(PHONE);
    this.build();
    this.paint(color);
    this.host.attachShadow({ mode: 'open' }).append(this.root);
    this.dress();
    this.listen();
  }

  build() {
    this.badge = el('span', { class: 'badge', 'data-role': 'badge', 'aria-hidden': 'true', hidden: true });
    this.launcher = roundButton('launcher', say('open'), ICONS.chat, () => (this.isOpen ? this.close() : this.open()), { class: 'launcher', 'aria-expanded': 'false', 'aria-haspopup': 'dialog' });
    this.launcher.append(this.badge);
    this.title = el('bdi', {}, say('chat'));
    this.banner = el('div', { class: 'banner', role: 'status', 'data-role': 'status' });
    this.typing = el('div', { class: 'typing', 'data-role': 'typing' });
    this.panel = el('section', { class: 'panel', part: 'panel', 'data-role': 'panel', role: 'dialog', 'aria-labelledby': 'title', tabindex: '-1', hidden: true },
      el('header', {}, el('h2', { id: 'title' }, this.title), roundButton('close', say('close'), ICONS.close, () => this.close())),
      this.banner, this.messages.node, this.typing, ...this.composer.nodes);
    this.announcer = el('div', { class: 'sr', role: 'status', 'data-role': 'announcer' });
    this.root = el('div', { class: 'root', dir: DIRECTION, lang: LOCALE }, this.panel, this.launcher, this.announcer);
    this.host = document.createElement('omnigate-chat');
  }

  /** A sheet made by script is not subject to the page's `style-src`. */
  dress() {
    const position = script.dataset.position;
    if (position === 'left' || position === 'right') this.root.classList.add(`at-${position}`);
    try {
      const sheet = new CSSStyleSheet();
      sheet.replaceSync(STYLE);
      this.host.shadowRoot.adoptedStyleSheets = [sheet];
    } catch {
      this.host.shadowRoot.prepend(el('style', {}, STYLE));
    }
  }

  paint(color) {
    const paint = accent(color);
    this.root.style.setProperty('--accent', paint.color);
    this.root.style.setProperty('--on-accent', paint.on);
  }

  listen() {
    this.panel.addEventListener('keydown', (event) => this.key(event));
    for (const type of ['dragenter', 'dragover', 'dragleave', 'drop']) this.panel.addEventListener(type, (event) => this.composer.dragged(event));
    // The page's own shortcuts must not fire while the visitor types.
    for (const type of ['keydown', 'keyup', 'keypress', 'paste']) this.root.addEventListener(type, (event) => event.stopPropagation());
    window.visualViewport?.addEventListener('resize', () => this.fit());
    window.visualViewport?.addEventListener('scroll', () => this.fit());
    this.phone.addEventListener('change', () => this.fit());
  }

  // -- open and closed

  open() {
    if (this.isOpen) return;
    this.show(true);
    this.messages.toEnd();
    // On a touch screen, focus on the text field would raise the keyboard over what there is to read.
    (matchMedia('(pointer: coarse)').matches ? this.panel : this.composer.input).focus({ preventScroll: true });
    this.act.opened();
  }

  close() {
    if (!this.isOpen) return;
    this.show(false);
    this.launcher.focus({ preventScroll: true });
    this.act.closed();
  }

  show(isOpen) {
    this.isOpen = isOpen;
    this.panel.hidden = !isOpen;
    this.root.classList.toggle('is-open', isOpen);
    this.launcher.setAttribute('aria-expanded', String(isOpen));
    this.launcher.querySelector('svg').replaceWith(icon(isOpen ? ICONS.close : ICONS.chat));
    this.label(0);
    this.fit();
  }

  /** On a phone the panel is what the keyboard leaves of the screen. */
  fit() {
    const view = window.visualViewport;
    const full = this.phone.matches && this.isOpen;
    this.panel.setAttribute('aria-modal', String(full));
    if (!full || !view || view.scale > 1.01) return;
    this.root.style.setProperty('--height', `${view.height}px`);
    this.root.style.setProperty('--top', `${view.offsetTop}px`);
    this.messages.stay();
  }

  label(unread) {
    const label = this.isOpen ? say('close') : say('open');
    this.launcher.setAttribute('aria-label', unread ? `${label} (${say('unread', unread)})` : label);
    this.launcher.title = label;
    this.badge.hidden = unread === 0;
    this.badge.textContent = unread > 9 ? '9+' : String(unread);
  }

  key(event) {
    if (event.isComposing || event.keyCode === 229) return;
    if (event.key === 'Escape') return this.close();
    if (event.key === 'Tab' && this.phone.matches) return this.keepFocus(event);
    if (event.key === 'Enter' && !event.shiftKey && event.target === this.composer.input) {
      event.preventDefault();
      this.composer.submit();
    }
  }

  /** Full screen, nothing else can be seen: focus goes round inside. */
  keepFocus(event) {
    const stops = [...this.panel.querySelectorAll('a[href], button, textarea, audio, video, .log')].filter((one) => !one.disabled && one.offsetParent !== null);
    const [first, last] = [stops[0], stops.at(-1)];
    const at = this.host.shadowRoot.activeElement;
    if (event.shiftKey ? at === first || at === this.panel : at === last) {
      event.preventDefault();
      (event.shiftKey ? last : first).focus();
    }
  }

  // -- small signs

  connection(text, again) {
    if (this.banner.dataset.text === text) return;
    this.banner.dataset.text = text;
    this.banner.replaceChildren(...(text ? [el('span', { dir: 'auto' }, text)] : []));
    if (text && again) this.banner.append(el('button', { type: 'button', onclick: again }, say('reload')));
  }

  announce(entry) {
    this.announcer.textContent = say('arrived', Messages.nameOf(entry));
  }

  isTyping(name) {
    const dots = el('span', { class: 'dots', 'aria-hidden': 'true' }, el('i'), el('i'), el('i'));
    this.typing.replaceChildren(...(name ? [dots, el('span', {}, say('typing', `\u2068${name}\u2069`))] : []));
  }
}
