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
