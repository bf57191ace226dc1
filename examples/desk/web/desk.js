// The agent's page: a list, a conversation, a contact. The server is asked once; after that, changes arrive live.

import { el, messageNodes } from '/parts.js';

const $ = (id) => document.getElementById(id);
const TYPING_SHOWN_MS = 8_000;
const TYPING_EVERY_MS = 4_000;

const conversations = new Map();
const typing = new Map();
/** The conversation in the middle: `{ id, items: Map }`. */
let open = null;
let files = [];
/** Unsent words of each conversation. */
const drafts = new Map();

const CLOCK = new Intl.DateTimeFormat(undefined, { timeStyle: 'short' });
const DATE = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium' });
const SHORT_DATE = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short' });

// ---------------------------------------------------------------- server

async function ask(path, options = {}) {
  // The header proves that it is our own page that asks: see `only_our_page`.
  const headers = { 'x-desk': '1', ...options.headers };
  const response = await fetch(`/api${path}`, { ...options, headers });
  const body = await response.json().catch(() => null);
  if (!response.ok) throw new Error(body?.detail ?? `The desk answered ${response.status}.`);
  return body;
}

const post = (path, body = {}) => ask(path, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });

const talkPath = (id, rest = '') => `/conversations/${encodeURIComponent(id)}${rest}`;

function listen() {
  const live = new EventSource('/api/live');
  // Whatever happened before we were listening, or while the line was down, is in what we load now.
  live.onopen = () => { showLive(true); load(); };
  live.onerror = () => showLive(false);
  live.onmessage = (event) => take(JSON.parse(event.data));
}

function showLive(isOn) {
  $('live').dataset.state = isOn ? 'on' : 'off';
  $('live').textContent = isOn ? 'Live' : 'Reconnecting';
}

async function load() {
  conversations.clear();
  for (const summary of await ask('/conversations')) conversations.set(summary.id, summary);
  showList();
  if (open && conversations.has(open.id)) await loadItems(open.id);
  else if (open) close();
}

async function loadItems(id) {
  const conversation = await ask(talkPath(id));
  if (open?.id !== id) return;
  open.items = new Map(conversation.items.map((item) => [item.id, item]));
  showConversation();
  read();
}

function take(change) {
  const takers = {
    item: takeItem, reload: load,
    typing: ({ conversation, on }) => showTyping(conversation, on),
    removed: ({ conversations: gone }) => { for (const id of gone) conversations.delete(id); if (gone.includes(open?.id)) close(); showList(); },
  };
  takers[change.type]?.(change);
}

function takeItem({ conversation, item }) {
  const known = conversations.get(conversation.id);
  if (!known || known.changed <= conversation.changed) conversations.set(conversation.id, conversation);
  showList();
  if (!item) return;
  if (!item.outbound) showTyping(conversation.id, false);
  if (open?.id !== conversation.id) return;
  open.items.set(item.id, item);
  showConversation();
  read();
}

/** The page is visible and shows the conversation: the contact may know. */
function read() {
  if (!open || document.hidden || !conversations.get(open.id)?.unread) return;
  post(talkPath(open.id, '/read')).catch((error) => tell(error.message));
}

// ---------------------------------------------------------------- list

function nameOf({ contact }) {
  const identities = contact?.identities ?? [];
  return contact?.name || identities.find((identity) => identity.name)?.name || addressOf(identities) || 'Unknown';
}

/** Best what one could write to. A web visitor without a name has a random id: enough of it to tell him from others. */
function addressOf(identities) {
  const address = identities.find((identity) => identity.scheme !== 'visitor') ?? identities[0];
  return address?.scheme === 'visitor' ? `Visitor ${address.value.slice(0, 6)}` : address?.value;
}

const initials = (name) => [...name.replace(/[^\p{L}\p{N} ]/gu, '').trim().split(/\s+/).map((word) => [...word][0] ?? '')].slice(0, 2).join('').toUpperCase() || '?';

function face(node, summary) {
  const name = nameOf(summary);
  node.textContent = initials(name);
  node.dataset.tone = [...(summary.contact?.id ?? name)].reduce((sum, char) => (sum * 31 + char.codePointAt(0)) % 997, 7) % 6;
  return node;
}

function when(at) {
  const date = new Date(at);
  if (Number.isNaN(date.getTime())) return '';
  return date.toDateString() === new Date().toDateString() ? CLOCK.format(date) : SHORT_DATE.format(date);
}

function showList() {
  const wanted = $('search').value.trim().toLowerCase();
  const matches = (one) => !wanted || [nameOf(one), one.preview, ...one.channels].some((words) => words.toLowerCase().includes(wanted));
  const all = [...conversations.values()].sort((one, two) => two.changed - one.changed);
  const focused = document.activeElement?.dataset?.id;
  const drawn = new Map([...$('conversations').children].map((node) => [node.firstChild.dataset.id, node]));
  arrange($('conversations'), all.filter(matches).map((summary) => line(summary, drawn.get(summary.id))));
  if (focused) $('conversations').querySelector(`[data-id="${CSS.escape(focused)}"]`)?.focus();
  $('nothing').hidden = all.length > 0;
  const unread = all.filter((one) => one.unread).length;
  document.title = unread ? `(${unread}) Desk` : 'Desk';
}

/** Nodes that are there already stay: a click that has begun, the focus and a player survive. */
function arrange(parent, nodes) {
  nodes.forEach((node, at) => { if (parent.children[at] !== node) parent.insertBefore(node, parent.children[at] ?? null); });
  while (parent.children.length > nodes.length) parent.lastChild.remove();
}

const emptyLine = (id) => el('li', {}, el('button', { type: 'button', 'data-role': 'conversation', 'data-id': id, onclick: () => choose(id) }));

function line(summary, node = emptyLine(summary.id)) {
  const button = node.firstChild;
  const isTyping = typing.has(summary.id);
  const badge = summary.unread ? el('span', { class: 'badge', 'data-role': 'unread' }, el('span', { class: 'sr' }, 'unread: '), String(summary.unread)) : null;
  const content = [
    face(el('span', { class: 'face', 'aria-hidden': 'true' }), summary),
    el('span', { class: 'middle' },
      el('span', { class: 'top' }, el('bdi', { class: 'name' }, nameOf(summary)), el('time', {}, when(summary.at))),
      el('span', { class: 'bottom' }, el('span', { class: isTyping ? 'preview is-typing' : 'preview', dir: 'auto' }, isTyping ? 'typing…' : summary.preview || '—'), badge),
      el('span', { class: 'tag' }, summary.channels.join(', '), summary.closed ? ' · closed' : '')),
  ];
  button.replaceChildren(...content);
  button.classList.toggle('unread', summary.unread > 0);
  if (open?.id === summary.id) button.setAttribute('aria-current', 'true');
  else button.removeAttribute('aria-current');
  return node;
}

// ---------------------------------------------------------------- conversation

async function choose(id) {
  if (open) drafts.set(open.id, $('reply').value);
  open = { id, items: new Map() };
  files = [];
  $('reply').value = drafts.get(id) ?? '';
  document.body.dataset.pane = 'talk';
  tell('');
  showTray();
  showList();
  $('log').replaceChildren();
  try { await loadItems(id); } catch (error) { tell(error.message); }
  toEnd();
  // On a touch screen it would raise the keyboard over what there is to read.
  if (!matchMedia('(pointer: coarse)').matches) $('reply').focus();
}

function close() {
  open = null;
  document.body.dataset.pane = 'list';
  $('open').hidden = true;
  $('pick').hidden = false;
  $('contact').replaceChildren();
}

function showConversation() {
  const summary = conversations.get(open.id);
  if (!summary) return;
  const wasAtEnd = atEnd();
  $('open').hidden = false;
  $('pick').hidden = true;
  $('name').textContent = nameOf(summary);
  $('where').textContent = [summary.medium, ...summary.channels].filter((one, at, all) => all.indexOf(one) === at).join(' · ') + (summary.closed ? ' · closed' : '');
  face($('face'), summary);
  showItems([...open.items.values()]);
  showContact(summary);
  showTyping(open.id, typing.has(open.id));
  if (wasAtEnd) toEnd();
}

/** Only what changed is drawn again, so that players go on playing and screen readers read only what is new. */
function showItems(items) {
  const drawn = new Map([...$('log').children].map((node) => [node.dataset.key, node]));
  let day = '';
  const nodes = items.flatMap((item) => {
    const date = DATE.format(new Date(item.at));
    const line = date === day ? [] : [reuse(drawn, `day ${date}`, date, () => el('p', { class: 'day' }, date))];
    day = date;
    return [...line, reuse(drawn, item.id, JSON.stringify(item), () => (item.kind === 'message' ? bubble(item) : note(item)))];
  });
  arrange($('log'), nodes);
}

function reuse(drawn, key, state, draw) {
  const known = drawn.get(key);
  if (known?.drawnFrom === state) return known;
  const node = draw();
  node.dataset.key = key;
  node.drawnFrom = state;
  known?.replaceWith(node);
  return node;
}

const note = (item) => el('p', { class: 'day', 'data-role': 'note' }, `${item.kind.replace(/[._]/g, ' ')} · ${CLOCK.format(new Date(item.at))}`);

function bubble(item) {
  const who = item.outbound ? item.author.name ?? { agent: 'You', bot: 'Bot', system: 'System' }[item.author.kind] ?? 'You' : 'Contact';
  const content = item.deleted ? [el('p', { class: 'gone' }, 'Deleted')] : messageNodes(item.message);
  const reactions = item.reactions.length ? el('span', { class: 'reactions' }, item.reactions.join(' ')) : null;
  return el('article', { class: item.outbound ? 'message own' : 'message', 'data-role': 'message', 'data-id': item.id, 'data-status': item.status },
    el('span', { class: 'sr' }, `${who}: `), el('div', { class: 'body' }, ...content), reactions,
    el('footer', {}, el('time', { datetime: item.at }, CLOCK.format(new Date(item.at))), item.edited ? ' · edited' : null, ...status(item)));
}

function status(item) {
  if (!item.status) return [];
  const reason = item.reason ? `: ${item.reason.text || item.reason.code}` : '';
  return [el('span', { class: `status ${item.status}`, 'data-role': 'status' }, item.status + reason)];
}

function showTyping(id, on) {
  clearTimeout(typing.get(id));
  typing.delete(id);
  if (on) typing.set(id, setTimeout(() => showTyping(id, false), TYPING_SHOWN_MS));
  showList();
  if (open?.id !== id) return;
  const wasAtEnd = atEnd();
  $('typing').hidden = !on;
  $('typing').firstElementChild.textContent = conversations.has(id) ? nameOf(conversations.get(id)) : '';
  if (wasAtEnd) toEnd();
}

const atEnd = () => $('log').scrollHeight - $('log').scrollTop - $('log').clientHeight < 60;

function toEnd() {
  $('log').scrollTop = $('log').scrollHeight;
}

function showContact(summary) {
  const rows = (summary.contact?.identities ?? []).map((identity) => el('div', { class: 'row' }, el('dt', {}, identity.scheme), el('dd', { dir: 'auto' }, identity.value)));
  const seen = el('div', { class: 'row' }, el('dt', {}, 'channels'), el('dd', {}, summary.channels.join(', ')));
  const state = el('div', { class: 'row' }, el('dt', {}, 'state'), el('dd', {}, summary.closed ? 'closed' : 'open'));
  $('contact').replaceChildren(face(el('span', { class: 'face large', 'aria-hidden': 'true' }), summary), el('h3', { dir: 'auto' }, nameOf(summary)), el('dl', {}, ...rows, seen, state));
}

// ---------------------------------------------------------------- reply

const tell = (words) => { $('notice').textContent = words; };

async function send(event) {
  event.preventDefault();
  const [text, chosen, id] = [$('reply').value.trim(), files, open?.id];
  if (!id || (!text && !chosen.length)) return;
  // Made before the first attempt and kept until one succeeds: pressing "Send" again after a lost answer sends nothing twice.
  const attempt = open.attempt?.text === text && open.attempt.chosen === chosen ? open.attempt : { text, chosen, key: uuid() };
  open.attempt = attempt;
  $('send').disabled = true;
  tell('');
  try {
    attempt.media ??= await Promise.all(chosen.map(store));
    const parts = [...(text ? [{ type: 'text', text }] : []), ...attempt.media];
    sent(id, await post(talkPath(id, '/messages'), { key: attempt.key, parts, text }));
  } catch (error) {
    tell(`Not sent: ${error.message}`);
  } finally {
    $('send').disabled = false;
  }
}

function sent(id, accepted) {
  drafts.delete(id);
  if (open?.id === id) {
    open.attempt = null;
    $('reply').value = '';
    files = [];
    showTray();
    toEnd();
    $('reply').focus();
  }
  signal.on = false;
  // What the channel cannot carry is said by the gateway before it is lost.
  if (accepted?.loss?.length) tell(`The channel cannot show all of it: ${accepted.loss.map((one) => one.text ?? one.detail ?? one.what ?? one).join(', ')}`);
}

async function store(file) {
  const headers = { 'content-type': file.type || 'application/octet-stream' };
  const stored = await ask(`/media?name=${encodeURIComponent(file.name)}`, { method: 'POST', headers, body: file });
  const kind = /^(image|audio|video)\//.exec(file.type)?.[1] ?? 'file';
  return { type: 'media', kind, url: stored.url, content_type: headers['content-type'], name: file.name, bytes: file.size };
}

/** `randomUUID` is missing on pages without https that are not on a loopback address. */
function uuid() {
  return crypto.randomUUID?.() ?? [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

function attach(list) {
  files = [...files, ...list];
  showTray();
}

function showTray() {
  $('tray').replaceChildren(...files.map((file) => el('li', {}, el('bdi', {}, file.name),
    el('button', { type: 'button', class: 'icon', 'aria-label': `Remove ${file.name}`, onclick: () => { files = files.filter((other) => other !== file); showTray(); } }, '×'))));
}

const signal = { on: false, at: 0, timer: 0, id: null };

/** Tells the contact's side that somebody types: at most every four seconds, and when it stops. */
function signalTyping() {
  clearTimeout(signal.timer);
  if (!open) return;
  const on = $('reply').value.trim() !== '';
  if (on && (!signal.on || Date.now() - signal.at > TYPING_EVERY_MS)) sendTyping(open.id, true);
  if (on) signal.timer = setTimeout(() => sendTyping(signal.id, false), TYPING_EVERY_MS * 1.5);
  else if (signal.on) sendTyping(signal.id, false);
}

function sendTyping(id, on) {
  if (on === false && !signal.on) return;
  Object.assign(signal, { on, at: Date.now(), id });
  // Not every channel can show it, and nothing depends on it.
  post(talkPath(id, '/typing'), { on }).catch(() => {});
}

// ---------------------------------------------------------------- start

$('form').addEventListener('submit', send);
$('reply').addEventListener('input', signalTyping);
$('reply').addEventListener('keydown', (event) => {
  if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  $('form').requestSubmit();
});
$('reply').addEventListener('paste', (event) => {
  if (!event.clipboardData.files.length) return;
  event.preventDefault();
  attach(event.clipboardData.files);
});
$('attach').addEventListener('click', () => $('file').click());
$('file').addEventListener('change', () => { attach($('file').files); $('file').value = ''; });
$('search').addEventListener('input', showList);
$('back').addEventListener('click', () => { document.body.dataset.pane = 'list'; });
$('info').addEventListener('click', () => { document.body.dataset.pane = document.body.dataset.pane === 'details' ? 'talk' : 'details'; });
$('details-back').addEventListener('click', () => { document.body.dataset.pane = 'talk'; });
$('log').addEventListener('load', (event) => event.target.tagName === 'IMG' && toEnd(), true);
document.addEventListener('visibilitychange', read);
document.addEventListener('dragover', (event) => event.preventDefault());
document.addEventListener('drop', (event) => {
  event.preventDefault();
  if (open && event.dataTransfer.files.length) attach(event.dataTransfer.files);
});
listen();
