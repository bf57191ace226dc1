/*
 * The visitor's side of web chat: <script src="https://gateway/chat/<channel>/widget.js" defer></script>
 *
 * Top to bottom: words, small tools, what the browser keeps, the connection, the outbox, uploads, the transcript,
 * how parts look, the panel, the start. The protocol is in ../PROTOCOL.md. Two rules hold everywhere: content from
 * outside becomes text nodes, never markup; and nothing is taken for sent before the server has acknowledged it.
 */
(() => {
  'use strict';

  const script = document.currentScript ?? [...document.scripts].find((one) => /\/chat\/[^/]+\/widget\.js/.test(one.src));
  const LOADED = Symbol.for('omnigate.chat');
  if (!script || window[LOADED]) return;
  window[LOADED] = true;

  const BASE = new URL('.', script.src);
  const ACK_MS_MAX = 15_000;
  const WELCOME_MS_MAX = 15_000;
  const RETRY_MS_MIN = 1_000;
  const RETRY_MS_MAX = 30_000;
  const TYPING_SHOWN_MS = 8_000;
  const TYPING_EVERY_MS = 4_000;
  const ORPHAN_MS = 5_000;
  const FILES_MAX = 10;
  const UPLOAD_TRIES = 5;
  const TEXT_SHOWN_MAX = 50_000;
  /** After a break, ask a little further back than the newest known: frames may have been under way out of order. */
  const OVERLAP = 8;
  const ACCENT = '#2456d6';
  const PHONE = '(max-width: 479.98px), (max-height: 420px)';

  // ---------------------------------------------------------------- words

  const DICTIONARY = {
    en: {
      chat: 'Chat', open: 'Open chat', close: 'Close chat', write: 'Write a message', send: 'Send', attach: 'Attach files',
      remove: 'Remove {0}', typing: '{0} is typing', support: 'Support', assistant: 'Assistant', you: 'You', sending: 'Sending',
      uploading: 'Uploading', sent: 'Sent', delivered: 'Delivered', read: 'Read', failed: 'Not sent', again: 'Try again',
      discard: 'Discard', connecting: 'Connecting…', offline: 'No connection. Messages are sent as soon as it is back.',
      unread: '{0} unread', arrived: 'New message from {0}', newer: 'New messages', large: '{0} is too large. At most {1} are allowed.',
      many: 'At most {0} files at once.', empty: '{0} is empty.', drop: 'Drop files to attach them', file: 'File', image: 'Image',
      place: 'Location', unknown: 'This message cannot be shown here.', refused: 'The chat is not available here.',
      identity: 'Please sign in to use the chat.', left: '{0} characters left', messages: 'Messages', reload: 'Reconnect',
    },
    de: {
      chat: 'Chat', open: 'Chat öffnen', close: 'Chat schließen', write: 'Nachricht schreiben', send: 'Senden', attach: 'Dateien anhängen',
      remove: '{0} entfernen', typing: '{0} schreibt', support: 'Support', assistant: 'Assistent', you: 'Sie', sending: 'Wird gesendet',
      uploading: 'Wird hochgeladen', sent: 'Gesendet', delivered: 'Zugestellt', read: 'Gelesen', failed: 'Nicht gesendet', again: 'Noch einmal',
      discard: 'Verwerfen', connecting: 'Verbinden…', offline: 'Keine Verbindung. Nachrichten werden gesendet, sobald sie wieder da ist.',
      unread: '{0} ungelesen', arrived: 'Neue Nachricht von {0}', newer: 'Neue Nachrichten', large: '{0} ist zu groß. Erlaubt sind höchstens {1}.',
      many: 'Höchstens {0} Dateien auf einmal.', empty: '{0} ist leer.', drop: 'Dateien zum Anhängen hier ablegen', file: 'Datei', image: 'Bild',
      place: 'Standort', unknown: 'Diese Nachricht kann hier nicht gezeigt werden.', refused: 'Der Chat ist hier nicht verfügbar.',
      identity: 'Bitte melden Sie sich an, um den Chat zu nutzen.', left: 'Noch {0} Zeichen', messages: 'Nachrichten', reload: 'Neu verbinden',
    },
    fr: {
      chat: 'Discussion', open: 'Ouvrir la discussion', close: 'Fermer la discussion', write: 'Écrire un message', send: 'Envoyer', attach: 'Joindre des fichiers',
      remove: 'Retirer {0}', typing: '{0} écrit', support: 'Assistance', assistant: 'Assistant', you: 'Vous', sending: 'Envoi en cours',
      uploading: 'Téléversement', sent: 'Envoyé', delivered: 'Remis', read: 'Lu', failed: 'Non envoyé', again: 'Réessayer',
      discard: 'Supprimer', connecting: 'Connexion…', offline: 'Pas de connexion. Les messages partiront dès son retour.',
      unread: '{0} non lus', arrived: 'Nouveau message de {0}', newer: 'Nouveaux messages', large: '{0} est trop volumineux. Maximum : {1}.',
      many: '{0} fichiers au maximum à la fois.', empty: '{0} est vide.', drop: 'Déposez des fichiers pour les joindre', file: 'Fichier', image: 'Image',
      place: 'Position', unknown: 'Ce message ne peut pas être affiché ici.', refused: 'La discussion n’est pas disponible ici.',
      identity: 'Veuillez vous connecter pour utiliser la discussion.', left: '{0} caractères restants', messages: 'Messages', reload: 'Se reconnecter',
    },
    es: {
      chat: 'Chat', open: 'Abrir el chat', close: 'Cerrar el chat', write: 'Escriba un mensaje', send: 'Enviar', attach: 'Adjuntar archivos',
      remove: 'Quitar {0}', typing: '{0} está escribiendo', support: 'Soporte', assistant: 'Asistente', you: 'Usted', sending: 'Enviando',
      uploading: 'Subiendo', sent: 'Enviado', delivered: 'Entregado', read: 'Leído', failed: 'No enviado', again: 'Reintentar',
      discard: 'Descartar', connecting: 'Conectando…', offline: 'Sin conexión. Los mensajes se enviarán en cuanto vuelva.',
      unread: '{0} sin leer', arrived: 'Nuevo mensaje de {0}', newer: 'Mensajes nuevos', large: '{0} es demasiado grande. Máximo: {1}.',
      many: 'Como máximo {0} archivos a la vez.', empty: '{0} está vacío.', drop: 'Suelte archivos para adjuntarlos', file: 'Archivo', image: 'Imagen',
      place: 'Ubicación', unknown: 'Este mensaje no se puede mostrar aquí.', refused: 'El chat no está disponible aquí.',
      identity: 'Inicie sesión para usar el chat.', left: 'Quedan {0} caracteres', messages: 'Mensajes', reload: 'Reconectar',
    },
    ar: {
      chat: 'الدردشة', open: 'فتح الدردشة', close: 'إغلاق الدردشة', write: 'اكتب رسالة', send: 'إرسال', attach: 'إرفاق ملفات',
      remove: 'إزالة {0}', typing: '{0} يكتب الآن', support: 'الدعم', assistant: 'المساعد', you: 'أنت', sending: 'جارٍ الإرسال',
      uploading: 'جارٍ الرفع', sent: 'أُرسلت', delivered: 'وصلت', read: 'قُرئت', failed: 'لم تُرسل', again: 'إعادة المحاولة',
      discard: 'حذف', connecting: 'جارٍ الاتصال…', offline: 'لا يوجد اتصال. ستُرسل الرسائل فور عودته.',
      unread: '{0} غير مقروءة', arrived: 'رسالة جديدة من {0}', newer: 'رسائل جديدة', large: '{0} كبير جدًا. الحد الأقصى {1}.',
      many: '{0} ملفات كحد أقصى في المرة الواحدة.', empty: '{0} فارغ.', drop: 'أفلت الملفات لإرفاقها', file: 'ملف', image: 'صورة',
      place: 'الموقع', unknown: 'لا يمكن عرض هذه الرسالة هنا.', refused: 'الدردشة غير متاحة هنا.',
      identity: 'يرجى تسجيل الدخول لاستخدام الدردشة.', left: 'بقي {0} حرفًا', messages: 'الرسائل', reload: 'إعادة الاتصال',
    },
  };

  const wanted = [script.dataset.lang, document.documentElement.lang, ...(navigator.languages ?? [])].filter(Boolean);
  /** Only the first wish counts: a French site for a German visitor stays French, or English where we lack the words. */
  const LANG = DICTIONARY[wanted[0]?.slice(0, 2).toLowerCase()] ? wanted[0] : 'en';
  const WORDS = DICTIONARY[LANG.slice(0, 2).toLowerCase()];
  const DIRECTION = LANG.slice(0, 2).toLowerCase() === 'ar' ? 'rtl' : 'ltr';
  const say = (key, ...values) => WORDS[key].replace(/\{(\d)\}/g, (_, n) => values[n]);

  /** `Intl` throws on a tag that is none, and the tag comes from the page. */
  const LOCALE = (() => {
    try { return Intl.getCanonicalLocales(LANG)[0]; } catch { return 'en'; }
  })();
  const CLOCK = new Intl.DateTimeFormat(LOCALE, { timeStyle: 'short' });
  const CALENDAR = new Intl.DateTimeFormat(LOCALE, { dateStyle: 'medium' });
  const NEAR_DAYS = new Intl.RelativeTimeFormat(LOCALE, { numeric: 'auto' });

  function dayName(date) {
    const midnight = (day) => new Date(day.getFullYear(), day.getMonth(), day.getDate());
    const days = Math.round((midnight(date) - midnight(new Date())) / 86_400_000);
    return days === 0 || days === -1 ? NEAR_DAYS.format(days, 'day') : CALENDAR.format(date);
  }

  function sizeName(bytes) {
    const [unit, step] = bytes >= 1e6 ? ['megabyte', 1e6] : bytes >= 1e3 ? ['kilobyte', 1e3] : ['byte', 1];
    return new Intl.NumberFormat(LOCALE, { style: 'unit', unit, maximumFractionDigits: 1 }).format(bytes / step);
  }

  // ---------------------------------------------------------------- small tools

  const uuid = () => crypto.randomUUID?.() ?? randomUuid();

  /** `randomUUID` is missing on pages without https. */
  function randomUuid() {
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
    return hex.replace(/(.{8})(.{4})(.{4})(.{4})(.{12})/, '$1-$2-$3-$4-$5');
  }

  /** An element. Children are nodes or strings, and strings become text nodes. */
  function el(tag, attributes = {}, ...children) {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
      else if (value === true) node.setAttribute(name, '');
      else if (value !== false && value != null) node.setAttribute(name, value);
    }
    node.append(...children.filter((child) => child != null));
    return node;
  }

  function icon(path) {
    const SVG = 'http://www.w3.org/2000/svg';
    const svg = document.createElementNS(SVG, 'svg');
    const shape = document.createElementNS(SVG, 'path');
    svg.setAttribute('viewBox', '0 0 24 24');
    svg.setAttribute('aria-hidden', 'true');
    shape.setAttribute('d', path);
    svg.append(shape);
    return svg;
  }

  const ICONS = {
    chat: 'M4 5.5A2.5 2.5 0 0 1 6.500 3h11A2.500 2.500 0 0 1 20 5.500v8a2.500 2.500 0 0 1-2.500 2.500H11l-4.500 4v-4A2.500 2.500 0 0 1 4 13.500z',
    close: 'M6 6l12 12M18 6L6 18',
    send: 'M12 19V5M6 11l6-6 6 6',
    attach: 'M20 11.500l-8.200 8.200a5 5 0 0 1-7.100-7.100l8.600-8.600a3.400 3.400 0 0 1 4.800 4.800l-8.600 8.600a1.700 1.700 0 0 1-2.400-2.400l7.800-7.800',
    file: 'M7 3h7l5 5v13H7zM14 3v5h5',
    down: 'M12 5v14M6 13l6 6 6-6',
    sending: 'M12 7v5l3 2M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18z',
    sent: 'M5 12.500l4.500 4.500L19 7.500',
    twice: 'M2 12.500l4.500 4.500L15 8M11 15.500l1.500 1.500L22 7.500',
    failed: 'M12 7v6M12 16.500v.5M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18z',
    place: 'M12 21s7-6.500 7-11.500a7 7 0 0 0-14 0C5 14.500 12 21 12 21zM12 12a2.500 2.500 0 1 0 0-5 2.500 2.500 0 0 0 0 5z',
  };

  /** An address that may be opened or shown: http and https, nothing else. */
  function webUrl(address) {
    try {
      const url = new URL(String(address), BASE);
      return url.protocol === 'https:' || url.protocol === 'http:' ? url.href : null;
    } catch {
      return null;
    }
  }

  const asText = (value) => (typeof value === 'string' ? value.slice(0, TEXT_SHOWN_MAX) : '');

  /** Relative luminance (WCAG 2.2) of #rrggbb. */
  function luminance(color) {
    const channel = (at) => {
      const value = parseInt(color.slice(at, at + 2), 16) / 255;
      return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
    };
    return 0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5);
  }

  /** The operator's colour, if it is one, with the text colour that is readable on it (4.5 to 1 at least). */
  function accent(color) {
    const short = /^#([0-9a-f])([0-9a-f])([0-9a-f])$/i.exec(color ?? '');
    const full = short ? `#${short.slice(1).map((digit) => digit + digit).join('')}` : color;
    const valid = /^#[0-9a-f]{6}$/i.test(full ?? '') ? full : ACCENT;
    return { color: valid, on: luminance(valid) > 0.179 ? '#000' : '#fff' };
  }

  // ---------------------------------------------------------------- what the browser keeps

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

  // ---------------------------------------------------------------- the connection

  /** A socket that comes back by itself. `state`: idle, connecting, ready, waiting, refused. */
  class Connection {
    constructor(hello, on) {
      Object.assign(this, { hello, on, state: 'idle', tries: 0, socket: null, timer: 0, waiting: [] });
      window.addEventListener('online', () => this.hurry());
      document.addEventListener('visibilitychange', () => document.hidden || this.hurry());
      // A page with an open socket is not kept for "back"; one without is, and continues here.
      window.addEventListener('pagehide', () => this.state !== 'idle' && this.pause());
      window.addEventListener('pageshow', (event) => event.persisted && this.hurry());
    }

    start() {
      if (this.state === 'idle') this.connect();
    }

    /** Closes for good, until `start`. */
    stop(state = 'idle') {
      this.drop();
      clearTimeout(this.timer);
      this.change(state);
    }

    /** For when the line seems dead although the browser has not noticed. */
    restart() {
      if (this.state === 'idle' || this.state === 'refused') return;
      this.drop();
      this.wait();
    }

    send(frame) {
      if (this.socket?.readyState !== WebSocket.OPEN) return false;
      this.socket.send(JSON.stringify(frame));
      return true;
    }

    whenReady() {
      return this.state === 'ready' ? Promise.resolve() : new Promise((resolve) => this.waiting.push(resolve));
    }

    /** Called when the history has come. */
    ready() {
      this.tries = 0;
      clearTimeout(this.timer);
      this.change('ready');
      for (const resolve of this.waiting.splice(0)) resolve();
    }

    hurry() {
      if (this.state === 'waiting') this.connect();
    }

    pause() {
      this.drop();
      clearTimeout(this.timer);
      if (this.state !== 'refused') this.change('waiting');
    }

    connect() {
      clearTimeout(this.timer);
      this.change('connecting');
      const url = new URL('socket', BASE);
      url.protocol = url.protocol === 'http:' ? 'ws:' : 'wss:';
      let socket;
      try { socket = new WebSocket(url); } catch { return this.wait(); }
      this.socket = socket;
      socket.onopen = () => this.send(this.hello());
      socket.onmessage = (event) => this.socket === socket && this.receive(event.data);
      socket.onclose = () => this.socket === socket && this.restart();
      this.timer = setTimeout(() => this.restart(), WELCOME_MS_MAX);
    }

    receive(data) {
      let frame;
      try { frame = JSON.parse(data); } catch { return; }
      if (frame && typeof frame.type === 'string') this.on.frame(frame);
    }

    drop() {
      const socket = this.socket;
      this.socket = null;
      socket?.close();
    }

    /** Exponential, with half of it random, so that a restarted server is not met by everybody at once. */
    wait() {
      const longest = Math.min(RETRY_MS_MAX, RETRY_MS_MIN * 2 ** this.tries++);
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.connect(), longest * (0.5 + Math.random() / 2));
      this.change('waiting');
    }

    change(state) {
      if (this.state === state) return;
      this.state = state;
      this.on.state(state);
    }
  }

  // ---------------------------------------------------------------- the outbox

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

  // ---------------------------------------------------------------- uploads

  /** Brings files into the gateway's store: a ticket over the socket, then the bytes by PUT. */
  class Uploads {
    constructor(connection) {
      Object.assign(this, { connection, asked: new Map(), count: 0, active: 0 });
    }

    /** The ticket's id once the file is stored. Throws a sentence for the visitor where it was refused. */
    async store(file, progress) {
      this.guard(1);
      try {
        return await this.attempt(file, progress, UPLOAD_TRIES);
      } finally {
        this.guard(-1);
      }
    }

    /** Leaving the page would lose the file. Without one there is no listener: it would keep the page out of the back-forward cache. */
    guard(step) {
      this.active += step;
      window[this.active ? 'addEventListener' : 'removeEventListener']('beforeunload', preventDefault);
    }

    async attempt(file, progress, tries) {
      await this.connection.whenReady();
      const ticket = await this.ticket(file);
      const status = ticket ? await this.put(ticket.url, file, progress) : 0;
      if (status >= 200 && status < 300) return ticket.id;
      if ((status && status < 500) || tries <= 1) throw new Refused(say('failed'));
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS_MIN));
      return this.attempt(file, progress, tries - 1);
    }

    ticket(file) {
      const ref = String(++this.count);
      const { name, size: bytes } = file;
      return new Promise((resolve, reject) => {
        this.asked.set(ref, { resolve, reject });
        setTimeout(() => resolve(null), ACK_MS_MAX);
        this.connection.send({ type: 'upload', ref, name, content_type: file.type || 'application/octet-stream', bytes });
      });
    }

    put(address, file, progress) {
      return new Promise((resolve) => {
        const request = new XMLHttpRequest();
        request.open('PUT', webUrl(address) ?? BASE.href);
        request.setRequestHeader('content-type', file.type || 'application/octet-stream');
        request.upload.onprogress = (event) => event.lengthComputable && progress(event.loaded / event.total);
        request.onloadend = () => resolve(request.status);
        request.send(file);
      });
    }

    answered(frame) {
      const asked = this.asked.get(String(frame.ref));
      this.asked.delete(String(frame.ref));
      if (frame.type === 'upload') asked?.resolve(frame);
      else asked?.reject(new Refused(asText(frame.text) || say('failed')));
    }

    /** The connection broke: whoever waits for a ticket asks again on the next one. */
    land() {
      for (const { resolve } of this.asked.values()) resolve(null);
      this.asked.clear();
    }
  }

  /** An error whose message is meant for the visitor. */
  class Refused extends Error {}

  const preventDefault = (event) => event.preventDefault();

  const kindOf = (file) => /^(image|audio|video)\//.exec(file.type)?.[1] ?? 'file';

  // ---------------------------------------------------------------- the transcript

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

  // ---------------------------------------------------------------- how parts look

  /** Addresses inside a text. Punctuation at the end belongs to the sentence, a bracket only if it was opened inside. */
  const ADDRESS = /\bhttps?:\/\/[^\s<>"'`{}|\\^]+/giu;

  function trimAddress(address) {
    const trimmed = address.replace(/[.,!?;:…»”’*_~]+$/u, '');
    const unopened = trimmed.endsWith(')') && !trimmed.includes('(');
    return unopened ? trimAddress(trimmed.slice(0, -1)) : trimmed;
  }

  function link(address, ...content) {
    return el('a', { href: address, target: '_blank', rel: 'noopener noreferrer nofollow ugc' }, ...content);
  }

  /** Text with its addresses made clickable. */
  function textNodes(text) {
    const nodes = [];
    let from = 0;
    for (const match of text.matchAll(ADDRESS)) {
      const shown = trimAddress(match[0]);
      const address = webUrl(shown);
      if (!address) continue;
      nodes.push(text.slice(from, match.index), link(address, shown));
      from = match.index + shown.length;
    }
    return [...nodes, text.slice(from)];
  }

  const paragraph = (text) => el('p', { dir: 'auto', class: 'text' }, ...textNodes(asText(text)));

  function fileChip(part, address) {
    const name = asText(part.name) || say(part.kind === 'image' ? 'image' : 'file');
    const size = Number.isFinite(part.bytes) && part.bytes > 0 ? el('small', {}, sizeName(part.bytes)) : null;
    const content = [icon(ICONS.file), el('span', {}, el('bdi', {}, name), size)];
    const chip = address ? link(address, ...content) : el('span', {}, ...content);
    chip.classList.add('file');
    return chip;
  }

  function picture(part, address, original) {
    const name = asText(part.caption) || asText(part.name) || say('image');
    const image = el('img', { src: address, alt: name, loading: 'lazy', decoding: 'async', referrerpolicy: 'no-referrer' });
    const shown = original ? link(original, image) : el('span', {}, image);
    shown.classList.add('image');
    // The page's policy may forbid it, or the address may have expired: the name remains.
    image.onerror = () => shown.replaceWith(fileChip(part, original));
    return shown;
  }

  function media(part) {
    const original = part.file || !part.url ? null : webUrl(part.url);
    const address = part.preview ?? original;
    const caption = part.caption ? paragraph(part.caption) : null;
    if (!address) return [fileChip(part, null), caption];
    if (part.kind === 'image' || part.kind === 'sticker') return [picture(part, address, original), caption];
    if (part.kind === 'audio' || part.kind === 'voice') return [el('audio', { src: address, controls: true, preload: 'none' }), caption];
    if (part.kind === 'video') return [el('video', { src: address, controls: true, preload: 'metadata', playsinline: true }), caption];
    return [fileChip(part, original), caption];
  }

  function place(part) {
    const [latitude, longitude] = [Number(part.latitude), Number(part.longitude)];
    const name = asText(part.name) || asText(part.address) || say('place');
    const address = `https://www.openstreetmap.org/?mlat=${latitude}&mlon=${longitude}#map=16/${latitude}/${longitude}`;
    const content = [icon(ICONS.place), el('span', {}, el('bdi', {}, name))];
    const chip = Number.isFinite(latitude + longitude) ? link(address, ...content) : el('span', {}, ...content);
    chip.classList.add('file');
    return chip;
  }

  function card(part) {
    const lines = [part.phones, part.emails].flatMap((list) => (Array.isArray(list) ? list : []));
    return el('div', { class: 'card' }, el('strong', { dir: 'auto' }, asText(part.name)), ...lines.map((line) => el('span', { dir: 'ltr' }, asText(line))));
  }

  function choices(part, pick) {
    const options = (Array.isArray(part.options) ? part.options : []).filter((option) => option && typeof option === 'object');
    const buttons = options.map((option) => {
      const title = asText(option.title);
      const content = [el('bdi', {}, title), option.description ? el('small', { dir: 'auto' }, asText(option.description)) : null];
      const address = option.url ? webUrl(option.url) : null;
      if (address) return link(address, ...content);
      const id = asText(option.id);
      return el('button', { type: 'button', 'data-role': 'choice', 'data-choice': id, onclick: () => pick({ id, title }) }, ...content);
    });
    return el('div', { class: part.style === 'list' ? 'choices list' : 'choices', role: 'group' }, ...buttons);
  }

  /** The nodes of one part; none for what has nothing to show. */
  function partNodes(part, pick) {
    switch (part.type) {
      case 'text': return part.text ? [paragraph(part.text)] : [];
      case 'media': return media(part).filter(Boolean);
      case 'location': return [place(part)];
      case 'contact_card': return [card(part)];
      case 'choices': return [choices(part, pick)];
      case 'choice': return [paragraph(part.title)];
      default: return [];
    }
  }

  const STYLE = `
:host { all: initial !important; display: block !important; position: fixed !important; inset: auto !important; inline-size: 0 !important; block-size: 0 !important; z-index: 2147483647 !important; color-scheme: light dark !important; }
:host([hidden]) { display: none !important; }
*, *::before, *::after { box-sizing: border-box; }
[hidden] { display: none !important; }
.root {
  --page: #fff; --surface: #f1f3f5; --text: #1b1f24; --muted: #565f6b; --line: #dfe3e8; --bad: #b3261e; --shadow: 0 12px 40px rgb(15 23 42 / .18), 0 2px 8px rgb(15 23 42 / .1);
  font: 400 medium/1.45 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Noto Sans Arabic", sans-serif; font-size: .9375em; color: var(--text); text-align: start; -webkit-text-size-adjust: 100%;
}
@media (prefers-color-scheme: dark) {
  .root { --page: #17191d; --surface: #262a31; --text: #eceef1; --muted: #a9b1bc; --line: #363c45; --bad: #ff8a80; --shadow: 0 12px 40px rgb(0 0 0 / .55); }
}
button, textarea { font: inherit; color: inherit; margin: 0; }
button { cursor: pointer; touch-action: manipulation; }
svg { inline-size: 1.25em; block-size: 1.25em; fill: none; stroke: currentColor; stroke-width: 1.8; stroke-linecap: round; stroke-linejoin: round; flex: none; }
:focus { outline: none; }
:focus-visible { outline: 2px solid var(--ring, var(--text)); outline-offset: 2px; }
.sr { position: absolute; inline-size: 1px; block-size: 1px; margin: -1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }

.launcher { position: fixed; inset-block-end: calc(20px + env(safe-area-inset-bottom)); inset-inline-end: calc(20px + env(safe-area-inset-right)); inline-size: 56px; block-size: 56px; display: grid; place-items: center; border: 1px solid transparent; border-radius: 50%; background: var(--accent); color: var(--on-accent); box-shadow: var(--shadow); }
.launcher svg { inline-size: 26px; block-size: 26px; }
.badge { position: absolute; inset-block-start: -4px; inset-inline-end: -4px; min-inline-size: 22px; padding: 0 6px; border: 2px solid var(--page); border-radius: 12px; background: #b3261e; color: #fff; font-size: 12px; font-weight: 600; line-height: 18px; text-align: center; }

.panel { position: fixed; inset-block-end: calc(88px + env(safe-area-inset-bottom)); inset-inline-end: calc(20px + env(safe-area-inset-right)); inline-size: min(384px, calc(100vw - 40px)); block-size: min(640px, calc(100dvh - 112px)); display: flex; flex-direction: column; overflow: hidden; border: 1px solid var(--line); border-radius: 16px; background: var(--page); box-shadow: var(--shadow); }
.at-left .launcher, .at-left .panel { right: auto; left: calc(20px + env(safe-area-inset-left)); }
.at-right .launcher, .at-right .panel { left: auto; right: calc(20px + env(safe-area-inset-right)); }
header { display: flex; align-items: center; gap: 8px; padding: 14px 16px; background: var(--accent); color: var(--on-accent); --ring: var(--on-accent); }
h2 { flex: 1; margin: 0; font-size: 1.0667em; font-weight: 600; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.round { display: grid; place-items: center; inline-size: 40px; block-size: 40px; padding: 0; border: 1px solid transparent; border-radius: 50%; background: transparent; flex: none; }
header .round { color: inherit; margin: -6px; }
.round:hover { background: color-mix(in srgb, currentColor 12%, transparent); }
.banner { display: flex; align-items: center; gap: 8px; padding: 8px 16px; background: var(--surface); color: var(--muted); font-size: .8667em; }
.banner:empty { display: none; }
.banner button, .meta button { padding: 2px 6px; border: 0; border-radius: 6px; background: none; color: inherit; text-decoration: underline; }

.scroll { position: relative; flex: 1; min-block-size: 0; display: flex; }
.log { flex: 1; overflow-y: auto; overscroll-behavior: contain; padding: 16px; --ring: var(--text); outline-offset: -3px; scrollbar-width: thin; }
.log:focus-visible { outline-offset: -3px; }
.day { display: block; margin: 16px 0 8px; color: var(--muted); font-size: .8em; text-align: center; }
.day::first-letter { text-transform: uppercase; }
.message { display: flex; flex-direction: column; align-items: flex-start; margin-block-start: 12px; }
.message.follows { margin-block-start: 3px; }
.message.own { align-items: flex-end; }
.who { margin: 0 12px 3px; color: var(--muted); font-size: .8em; }
.follows .who { display: none; }
.body { display: flex; flex-direction: column; align-items: flex-start; gap: 6px; max-inline-size: 84%; padding: 9px 13px; border: 1px solid transparent; border-radius: 16px; border-end-start-radius: 5px; background: var(--surface); overflow-wrap: anywhere; }
.own .body { border-end-start-radius: 16px; border-end-end-radius: 5px; background: var(--accent); color: var(--on-accent); --ring: var(--on-accent); }
.system .body { background: none; border-color: var(--line); color: var(--muted); }
.failed .body { box-shadow: 0 0 0 2px var(--page), 0 0 0 4px var(--bad); margin-block-end: 4px; }
.text { margin: 0; inline-size: 100%; white-space: pre-wrap; unicode-bidi: plaintext; }
.body a { color: inherit; text-underline-offset: 2px; }
.image { display: block; border-radius: 10px; overflow: hidden; }
.image img { display: block; max-inline-size: 100%; max-block-size: 260px; min-inline-size: 48px; min-block-size: 48px; object-fit: cover; border-radius: 10px; background: var(--line); }
audio, video { max-inline-size: 100%; inline-size: 260px; border-radius: 10px; }
.file { display: inline-flex; align-items: center; gap: 8px; max-inline-size: 100%; text-decoration: none; }
.file span { display: flex; flex-direction: column; min-inline-size: 0; }
.file bdi { text-decoration: underline; text-underline-offset: 2px; }
span.file bdi { text-decoration: none; }
.file small { opacity: .85; }
.card { display: flex; flex-direction: column; }
.choices { display: flex; flex-wrap: wrap; gap: 6px; }
.choices.list { flex-direction: column; align-items: stretch; }
.choices > * { display: flex; flex-direction: column; padding: 7px 13px; border: 1px solid var(--muted); border-radius: 18px; background: var(--page); color: var(--text); text-align: start; text-decoration: none; }
.choices.list > * { border-radius: 10px; }
.choices small { color: var(--muted); }
.choices button:hover:enabled { border-color: var(--text); }
.choices button:disabled { cursor: default; color: var(--muted); border-color: var(--line); }
.choices button[aria-pressed=true] { background: var(--accent); border-color: var(--accent); color: var(--on-accent); }
.meta { display: flex; align-items: center; flex-wrap: wrap; gap: 4px; margin: 3px 6px 0; color: var(--muted); font-size: .7667em; }
.own .meta { justify-content: flex-end; }
.meta svg { inline-size: 1.2em; block-size: 1.2em; }
.failed .meta { color: var(--bad); }
.quiet .meta { display: none; }
progress { inline-size: 90px; block-size: 5px; accent-color: var(--accent); }
.typing { display: flex; align-items: center; gap: 8px; min-block-size: 20px; padding: 0 18px 8px; color: var(--muted); font-size: .8em; }
.dots { display: flex; gap: 3px; }
.dots i { inline-size: 6px; block-size: 6px; border-radius: 50%; background: currentColor; }
.newer { position: absolute; inset-block-end: 10px; inset-inline: 0; margin-inline: auto; inline-size: fit-content; display: flex; align-items: center; gap: 6px; padding: 6px 14px; border: 1px solid var(--line); border-radius: 18px; background: var(--page); box-shadow: var(--shadow); font-size: .8667em; }

.notice { padding: 8px 16px; color: var(--bad); font-size: .8667em; border-block-start: 1px solid var(--line); }
.notice:empty { display: none; }
.tray { display: flex; flex-wrap: wrap; gap: 6px; padding: 8px 12px 0; margin: 0; list-style: none; max-block-size: 96px; overflow-y: auto; }
.tray:empty { display: none; }
.tray li { display: flex; align-items: center; gap: 4px; max-inline-size: 100%; padding-inline-start: 10px; border: 1px solid var(--line); border-radius: 10px; background: var(--surface); font-size: .8667em; }
.tray bdi { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.tray .round { inline-size: 30px; block-size: 30px; }
form { display: flex; align-items: flex-end; gap: 4px; padding: 8px; border-block-start: 1px solid var(--line); background: var(--page); }
.tray:not(:empty) + form, .notice:not(:empty) ~ form { border-block-start: 0; }
textarea { flex: 1; min-inline-size: 0; min-block-size: 40px; max-block-size: 132px; padding: 8px 12px; border: 1px solid var(--muted); border-radius: 20px; background: var(--page); font-size: max(16px, 1em); line-height: 22px; resize: none; overflow-y: auto; field-sizing: content; }
textarea::placeholder { color: var(--muted); opacity: 1; }
textarea:focus-visible { outline-offset: -2px; border-color: transparent; }
.send { background: var(--accent); color: var(--on-accent); }
.send:hover { background: color-mix(in srgb, var(--accent) 86%, var(--on-accent)); }
.send:disabled { background: var(--surface); color: var(--muted); cursor: default; }
.left { padding: 0 20px 6px; color: var(--muted); font-size: .8em; text-align: end; }
.left:empty { display: none; }
.drop { position: absolute; inset: 8px; z-index: 1; display: grid; place-items: center; padding: 16px; border: 2px dashed currentColor; border-radius: 12px; background: color-mix(in srgb, var(--page) 92%, transparent); text-align: center; pointer-events: none; }

@media ${PHONE} {
  .panel, .at-left .panel, .at-right .panel { inset: var(--top, 0px) 0 auto 0; inline-size: auto; block-size: var(--height, 100dvh); border: 0; border-radius: 0; }
  header { padding-block-start: calc(14px + env(safe-area-inset-top)); padding-inline: calc(16px + env(safe-area-inset-left)) calc(16px + env(safe-area-inset-right)); }
  form { padding-block-end: calc(8px + env(safe-area-inset-bottom)); padding-inline: calc(8px + env(safe-area-inset-left)) calc(8px + env(safe-area-inset-right)); }
  .is-open .launcher { display: none; }
}
@media (prefers-reduced-motion: no-preference) {
  .panel { animation: rise .18s ease-out; }
  .dots i { animation: blink 1.2s infinite both; }
  .dots i:nth-child(2) { animation-delay: .2s; }
  .dots i:nth-child(3) { animation-delay: .4s; }
  @keyframes rise { from { opacity: 0; transform: translateY(10px); } }
  @keyframes blink { 0%, 80%, 100% { opacity: .3; } 40% { opacity: 1; } }
}
@media (forced-colors: active) {
  .launcher, .body, .round, .choices > *, .badge { border-color: ButtonText; }
  .own .body, .choices button[aria-pressed=true] { border-color: Highlight; border-width: 2px; }
  .dots i { background: CanvasText; }
}
@media print { .root { display: none; } }
`;

  // ---------------------------------------------------------------- the panel

  /** What is on the screen. Knows nothing of the protocol; tells `act` what the visitor does. */
  class Panel {
    constructor(act, color) {
      this.act = act;
      this.isOpen = false;
      this.files = [];
      this.limits = { text: Infinity, bytes: Infinity };
      this.phone = matchMedia(PHONE);
      this.build();
      this.paint(color);
      this.host.attachShadow({ mode: 'open' }).append(this.root);
      this.dress();
      this.listen();
    }

    build() {
      const button = (role, label, shape, onclick, more) =>
        el('button', { type: 'button', class: 'round', part: role, 'data-role': role, 'aria-label': label, title: label, onclick, ...more }, icon(shape));
      this.badge = el('span', { class: 'badge', 'data-role': 'badge', 'aria-hidden': 'true', hidden: true });
      this.launcher = button('launcher', say('open'), ICONS.chat, () => (this.isOpen ? this.close() : this.open()), { class: 'launcher', 'aria-expanded': 'false', 'aria-haspopup': 'dialog' });
      this.launcher.append(this.badge);
      this.title = el('h2', { id: 'title', dir: 'auto' }, say('chat'));
      this.banner = el('div', { class: 'banner', role: 'status', 'data-role': 'status' });
      this.log = el('div', { class: 'log', part: 'log', 'data-role': 'log', role: 'log', tabindex: '0', 'aria-label': say('messages'), 'aria-live': 'polite', 'aria-relevant': 'additions' });
      this.newer = el('button', { type: 'button', class: 'newer', 'data-role': 'newer', hidden: true, onclick: () => this.toEnd() }, icon(ICONS.down), say('newer'));
      this.typing = el('div', { class: 'typing', 'data-role': 'typing' });
      this.notice = el('div', { class: 'notice', role: 'alert', 'data-role': 'notice' });
      this.tray = el('ul', { class: 'tray', 'data-role': 'tray' });
      this.input = el('textarea', { part: 'input', 'data-role': 'input', rows: '1', dir: 'auto', 'aria-label': say('write'), placeholder: say('write'), enterkeyhint: 'send', autocomplete: 'off' });
      this.picker = el('input', { type: 'file', multiple: true, hidden: true, 'data-role': 'file', tabindex: '-1' });
      this.sender = button('send', say('send'), ICONS.send, null, { type: 'submit', class: 'round send', onclick: () => {} });
      this.left = el('div', { class: 'left', 'aria-live': 'polite' });
      this.form = el('form', { novalidate: true }, button('attach', say('attach'), ICONS.attach, () => this.picker.click()), this.picker, this.input, this.sender);
      this.drop = el('div', { class: 'drop', hidden: true }, say('drop'));
      this.panel = el('section', { class: 'panel', part: 'panel', 'data-role': 'panel', role: 'dialog', 'aria-labelledby': 'title', tabindex: '-1', hidden: true },
        el('header', {}, this.title, button('close', say('close'), ICONS.close, () => this.close())),
        this.banner, el('div', { class: 'scroll' }, this.log, this.newer), this.typing, this.notice, this.tray, this.form, this.left, this.drop);
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
      this.form.addEventListener('submit', (event) => { event.preventDefault(); this.submit(); });
      this.input.addEventListener('input', () => this.edited());
      this.picker.addEventListener('change', () => { this.attach(this.picker.files); this.picker.value = ''; });
      this.panel.addEventListener('keydown', (event) => this.key(event));
      this.input.addEventListener('paste', (event) => this.paste(event));
      this.log.addEventListener('scroll', () => this.scrolled(), { passive: true });
      for (const type of ['dragenter', 'dragover', 'dragleave', 'drop']) this.panel.addEventListener(type, (event) => this.dragged(event));
      // The page's own shortcuts must not fire while the visitor types.
      for (const type of ['keydown', 'keyup', 'keypress', 'paste']) this.root.addEventListener(type, (event) => event.stopPropagation());
      new ResizeObserver(() => this.stuck && this.toEnd()).observe(this.log);
      window.visualViewport?.addEventListener('resize', () => this.fit());
      window.visualViewport?.addEventListener('scroll', () => this.fit());
      this.phone.addEventListener('change', () => this.fit());
      this.stuck = true;
      this.edited();
    }

    // -- open and closed

    open() {
      if (this.isOpen) return;
      this.show(true);
      this.toEnd();
      // On a touch screen, focus on the text field would raise the keyboard over what there is to read.
      (matchMedia('(pointer: coarse)').matches ? this.panel : this.input).focus({ preventScroll: true });
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
      if (this.stuck) this.toEnd();
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
      if (event.key === 'Enter' && !event.shiftKey && event.target === this.input) {
        event.preventDefault();
        this.submit();
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

    // -- writing

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
      this.stuck = true;
      this.act.send(text, files);
      this.input.focus({ preventScroll: true });
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
      this.input.focus({ preventScroll: true });
    }

    showTray() {
      const item = (file) => {
        const label = say('remove', file.name);
        const remove = () => { this.files = this.files.filter((other) => other !== file); this.showTray(); this.edited(); this.input.focus(); };
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
      const leaves = event.type === 'drop' || (event.type === 'dragleave' && !this.panel.contains(event.relatedTarget));
      this.drop.hidden = leaves;
      if (event.type === 'drop') this.attach(event.dataTransfer.files);
    }

    // -- messages

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
      const name = entry.own ? say('you') : this.nameOf(entry);
      entry.day = el('span', { class: 'day', hidden: true });
      entry.meta = el('div', { class: 'meta' });
      entry.who = el('div', { class: entry.own ? 'sr' : 'who' }, el('bdi', {}, name));
      entry.bubble = el('div', { class: `message ${entry.own ? 'own' : entry.from}`, part: 'message', 'data-role': 'message', 'data-from': entry.from },
        entry.who, el('div', { class: 'body', part: 'body' }, ...(nodes.length ? nodes : [paragraph(say('unknown'))])), entry.meta);
      this.update(entry);
      return el('div', {}, entry.day, entry.bubble);
    }

    nameOf(entry) {
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
        el('button', { type: 'button', 'data-role': 'discard', onclick: () => { this.act.discard(entry); this.input.focus(); } }, say('discard')),
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
      for (const image of entry.node.querySelectorAll('img')) image.addEventListener('load', () => this.stuck && this.toEnd(), { once: true });
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

    // -- small signs

    busy(isBusy) {
      this.log.setAttribute('aria-busy', String(isBusy));
    }

    connection(text, again) {
      if (this.banner.dataset.text === text) return;
      this.banner.dataset.text = text;
      this.banner.replaceChildren(...(text ? [el('span', { dir: 'auto' }, text)] : []));
      if (text && again) this.banner.append(el('button', { type: 'button', onclick: again }, say('reload')));
    }

    tell(text) {
      this.notice.textContent = text;
    }

    announce(entry) {
      this.announcer.textContent = say('arrived', this.nameOf(entry));
    }

    isTyping(name) {
      const dots = el('span', { class: 'dots', 'aria-hidden': 'true' }, el('i'), el('i'), el('i'));
      this.typing.replaceChildren(...(name ? [dots, el('span', {}, say('typing', `\u2068${name}\u2069`))] : []));
    }
  }

  // ---------------------------------------------------------------- the start

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
      this.panel.insert(this.transcript.compose(message.client_id, message.parts, 'sending'), this.transcript.entries);
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
      this.panel.limits = { text: frame.limits?.text || Infinity, bytes: frame.limits?.bytes || Infinity };
      this.panel.title.textContent = asText(frame.title) || say('chat');
      this.panel.greet(asText(frame.greeting));
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
      if (isNew) this.panel.insert(entry, this.transcript.entries);
      if (adopted) {
        this.outbox.settle(entry.clientId);
        this.panel.update(entry);
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
      this.panel.insert(this.transcript.compose(frame.client_id, parts, 'sent', at), this.transcript.entries);
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
      this.panel.busy(false);
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
      for (const entry of entries) this.panel.update(entry);
      this.panel.regroup(this.transcript.entries);
    }

    peerTyping({ on }) {
      clearTimeout(this.shownTyping);
      const last = this.transcript.theirs().at(-1);
      this.panel.isTyping(on ? (last ? this.panel.nameOf(last) : say('support')) : '');
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
      if (!entry) return this.panel.tell(asText(frame.text));
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
      if (state === 'connecting') this.panel.busy(true);
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
      this.panel.stuck = true;
      this.post([{ type: 'choice', id, title }]);
      this.panel.input.focus({ preventScroll: true });
    }

    post(parts) {
      this.stopTyping();
      const entry = this.transcript.compose(uuid(), parts, 'sending');
      this.panel.insert(entry, this.transcript.entries);
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
      const progress = (share) => { entry.progress = share; this.panel.update(entry); };
      entry.state = 'uploading';
      progress(0);
      this.panel.regroup(this.transcript.entries);
      part.upload = await this.uploads.store(part.file, progress);
    }

    retry(entry) {
      entry.state = 'sending';
      this.refresh([entry]);
      this.deliver(entry);
    }

    discard(entry) {
      this.transcript.remove(entry);
      this.panel.remove(entry);
      this.panel.regroup(this.transcript.entries);
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
      this.panel.clear();
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
      this.panel.greet('');
      this.count();
      if (this.panel.isOpen) this.connection.start();
    }
  }

  const { identity, identityHash, name, email, phone, color } = script.dataset;
  const chat = new Chat({ identity, hash: identityHash, name, email, phone, color });
  Object.assign(chat.panel.host, { open: () => chat.panel.open(), close: () => chat.panel.close(), reset: () => chat.reset() });
  chat.start();
})();
