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
