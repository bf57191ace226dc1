/** Where the visitor writes: the text, the files that go with it, and what is wrong with them. */
class Composer {
  constructor(act) {
    Object.assign(this, { act, files: [], limits: { text: Infinity, bytes: Infinity } });
    this.notice = el('div', { class: 'notice', role: 'alert', 'data-role': 'notice' });
    this.tray = el('ul', { class: 'tray', 'data-role': 'tray' });
    this.input = el('textarea', { part: 'input', 'data-role': 'input', rows: '1', dir: 'auto', 'aria-label': say('write'), placeholder: say('write'), enterkeyhint: 'send', autocomplete: 'off' });
    this.picker = el('input', { type: 'file', multiple: true, hidden: true, 'data-role': 'file', tabindex: '-1' });
    this.sender = roundButton('send', say('send'), ICONS.send, () => {}, { type: 'submit', class: 'round send' });
    this.form = el('form', { novalidate: true }, roundButton('attach', say('attach'), ICONS.attach, () => this.picker.click()), this.picker, this.input, this.sender);
    this.left = el('div', { class: 'left', 'aria-live': 'polite' });
    this.drop = el('div', { class: 'drop', hidden: true }, say('drop'));
    this.listen();
    this.edited();
  }

  /** In the order in which they stand in the panel. */
  get nodes() {
    return [this.notice, this.tray, this.form, this.left, this.drop];
  }

  listen() {
    this.form.addEventListener('submit', (event) => { event.preventDefault(); this.submit(); });
    this.input.addEventListener('input', () => this.edited());
    this.input.addEventListener('paste', (event) => this.paste(event));
    this.picker.addEventListener('change', () => { this.attach(this.picker.files); this.picker.value = ''; });
  }

  focus() {
    this.input.focus({ preventScroll: true });
  }

  edited() {
    const text = this.input.value;
    const left = this.limits.text - text.length;
    // An empty field would be left to right, and the placeholder with it.
    this.input.dir = text ? 'auto' : DIRECTION;
    this.left.textContent = left < 200 ? say('left', left) : '';
    this.sender.disabled = (!text.trim() && !this.files.length) || left < 0;
    if (!CSS.supports('field-sizing', 'content')) {
      this.input.style.blockSize = 'auto';
      this.input.style.blockSize = `${this.input.scrollHeight + 2}px`;
    }
    this.act.typing(text.trim() !== '');
  }

  submit() {
    if (this.sender.disabled) return;
    const [text, files] = [this.input.value.trim(), this.files];
    this.input.value = '';
    this.files = [];
    this.tell('');
    this.showTray();
    this.edited();
    this.act.send(text, files);
    this.focus();
  }

  attach(list) {
    const problems = [];
    for (const file of list) {
      if (file.size === 0) problems.push(say('empty', file.name));
      else if (file.size > this.limits.bytes) problems.push(say('large', file.name, sizeName(this.limits.bytes)));
      else if (this.files.length >= FILES_MAX) problems.push(say('many', FILES_MAX));
      else this.files.push(file);
    }
    this.tell([...new Set(problems)].join(' '));
    this.showTray();
    this.edited();
    this.focus();
  }

  showTray() {
    const item = (file) => {
      const label = say('remove', file.name);
      const remove = () => { this.files = this.files.filter((other) => other !== file); this.showTray(); this.edited(); this.focus(); };
      return el('li', {}, el('bdi', {}, file.name), el('button', { type: 'button', class: 'round', 'aria-label': label, title: label, onclick: remove }, icon(ICONS.close)));
    };
    this.tray.replaceChildren(...this.files.map(item));
  }

  paste(event) {
    const files = event.clipboardData?.files;
    if (!files?.length) return;
    event.preventDefault();
    this.attach(files);
  }

  dragged(event) {
    if (!event.dataTransfer?.types.includes('Files')) return;
    event.preventDefault();
    const leaves = event.type === 'drop' || (event.type === 'dragleave' && !event.currentTarget.contains(event.relatedTarget));
    this.drop.hidden = leaves;
    if (event.type === 'drop') this.attach(event.dataTransfer.files);
  }

  tell(text) {
    this.notice.textContent = text;
  }
}
