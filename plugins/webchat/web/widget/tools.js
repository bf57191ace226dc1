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

/** What is pressed, by its role: an icon with words for those who do not see it. */
function roundButton(role, label, shape, onclick, more) {
  return el('button', { type: 'button', class: 'round', part: role, 'data-role': role, 'aria-label': label, title: label, onclick, ...more }, icon(shape));
}

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
