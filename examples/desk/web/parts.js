// How messages look. Whatever customers send becomes text nodes, never markup, and only http and https can be opened.

/** An element; children are nodes or strings. */
export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, '');
    else if (value !== false && value != null) node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child != null));
  return node;
}

const text = (value) => (typeof value === 'string' ? value : '');

function webUrl(address) {
  try {
    const url = new URL(text(address));
    return url.protocol === 'https:' || url.protocol === 'http:' ? url : null;
  } catch {
    return null;
  }
}

const link = (address, ...content) => el('a', { href: address, target: '_blank', rel: 'noopener noreferrer' }, ...content);

/** Text with its addresses made clickable. */
export function paragraph(words) {
  const nodes = [];
  let from = 0;
  for (const match of words.matchAll(/\bhttps?:\/\/[^\s<>"'`]+/giu)) {
    const shown = match[0].replace(/[.,!?;:)\]]+$/u, '');
    if (!webUrl(shown)) continue;
    nodes.push(words.slice(from, match.index), link(shown, shown));
    from = match.index + shown.length;
  }
  return el('p', { dir: 'auto' }, ...nodes, words.slice(from));
}

/**
 * Where to get a file. The gateway's signed addresses expire while a conversation stays open for days, so files that
 * the gateway keeps are asked for through our own server, which has the key.
 */
function fileUrl(part) {
  const url = webUrl(part.url);
  const stored = /\/v1\/media\/([^/]+)$/.exec(url?.pathname ?? '');
  return stored ? `/api/media/${stored[1]}` : url?.href;
}

function size(bytes) {
  if (!(bytes > 0)) return null;
  const [step, unit] = bytes >= 1e6 ? [1e6, 'MB'] : bytes >= 1e3 ? [1e3, 'kB'] : [1, 'bytes'];
  return el('small', {}, `${(bytes / step).toFixed(step > 1e3 ? 1 : 0)} ${unit}`);
}

function file(part, address) {
  const label = el('span', {}, el('bdi', {}, text(part.name) || text(part.kind) || 'file'), size(part.bytes));
  const chip = address ? link(address, label) : el('span', {}, label);
  if (address) chip.setAttribute('download', text(part.name));
  chip.className = 'file';
  return chip;
}

function image(part, address) {
  const picture = el('img', { src: address, alt: text(part.caption) || text(part.name) || 'Image', loading: 'lazy', referrerpolicy: 'no-referrer' });
  const shown = link(address, picture);
  shown.className = 'image';
  picture.onerror = () => shown.replaceWith(file(part, address));
  return shown;
}

function media(part) {
  const address = fileUrl(part);
  const players = {
    image: () => image(part, address), sticker: () => image(part, address),
    audio: () => el('audio', { src: address, controls: true, preload: 'none' }), voice: () => el('audio', { src: address, controls: true, preload: 'none' }),
    video: () => el('video', { src: address, controls: true, preload: 'metadata' }),
  };
  const shown = address && Object.hasOwn(players, part.kind) ? players[part.kind]() : file(part, address);
  return [shown, part.caption ? paragraph(text(part.caption)) : null];
}

function place(part) {
  const [latitude, longitude] = [Number(part.latitude), Number(part.longitude)];
  const label = [text(part.name), text(part.address)].filter(Boolean).join(', ') || `${latitude}, ${longitude}`;
  const address = `https://www.openstreetmap.org/?mlat=${latitude}&mlon=${longitude}#map=16/${latitude}/${longitude}`;
  const chip = link(address, el('span', {}, el('bdi', {}, label), el('small', {}, 'Location')));
  chip.className = 'file';
  return chip;
}

function card(part) {
  const lines = [part.phones, part.emails].flatMap((list) => (Array.isArray(list) ? list : []));
  return el('div', { class: 'card' }, el('strong', { dir: 'auto' }, text(part.name)), ...lines.map((line) => el('span', { dir: 'ltr' }, text(line))));
}

function choices(part) {
  const options = Array.isArray(part.options) ? part.options : [];
  return el('ul', { class: 'choices' }, ...options.map((option) => el('li', { dir: 'auto' }, text(option?.title))));
}

const SHOWN = {
  text: (part) => [paragraph(text(part.text))],
  media,
  location: (part) => [place(part)],
  contact_card: (part) => [card(part)],
  choices: (part) => [choices(part)],
  choice: (part) => [el('p', { class: 'choice', dir: 'auto' }, text(part.title))],
  template: (part) => [paragraph(`Template: ${text(part.name)}`)],
  extension: (part) => [paragraph(`(${text(part.kind)})`)],
};

/** The nodes of a message. A part that a newer gateway invented falls back to the message's plain text. */
export function messageNodes(message) {
  const parts = (message?.parts ?? []).filter((part) => part && Object.hasOwn(SHOWN, part.type));
  const nodes = parts.flatMap((part) => SHOWN[part.type](part)).filter(Boolean);
  const subject = message?.subject ? el('strong', { class: 'subject', dir: 'auto' }, message.subject) : null;
  return [subject, ...(nodes.length ? nodes : [paragraph(text(message?.text))])].filter(Boolean);
}
