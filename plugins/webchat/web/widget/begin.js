// The visitor's side of web chat: <script src="https://gateway/chat/<channel>/widget.js" defer></script>
//
// These files are read as one script, in the order named in ../../src/page.rs; the protocol is in ../../PROTOCOL.md. Two rules
// hold everywhere: content from outside becomes text nodes, never markup; and nothing is taken for sent before the server has
// acknowledged it.

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
