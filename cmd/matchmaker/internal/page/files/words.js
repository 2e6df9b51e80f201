// How things are said: every text that comes from outside goes through shown.

// Characters that would reorder, hide or join what is around them.
const sly = /[\u00ad\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u2028-\u202e\u2060-\u2069\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb]|[\u{e0000}-\u{e007f}]/gu;

// shown makes what cannot be seen visible.
export const shown = text => String(text ?? '').replace(sly, c => '⟨U+' + c.codePointAt(0).toString(16).toUpperCase().padStart(4, '0') + '⟩');

// element makes an element: its attributes, then its children, of which texts stay texts.
export function element(name, attributes, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes ?? {})) {
    if (value === true) made.setAttribute(key, '');
    else if (value !== false && value != null) made.setAttribute(key, value);
  }
  made.append(...children.filter(c => c != null && c !== ''));
  return made;
}

// name is a topic's or a host's.
export const name = text => element('bdi', {}, shown(text));

// lasting is a time span in words, in seconds.
export function lasting(seconds) {
  const s = Math.max(0, Math.round(seconds));
  if (s < 100) return s + '\u00a0s';
  if (s < 100 * 60) return Math.floor(s / 60) + '\u00a0min' + (s < 600 && s % 60 ? ' ' + s % 60 + '\u00a0s' : '');
  if (s < 48 * 3600) return Math.floor(s / 3600) + '\u00a0h ' + Math.floor(s % 3600 / 60) + '\u00a0min';
  return Math.floor(s / 86400) + '\u00a0days';
}

// clock is a time of day, with the date if it is not today's.
export function clock(at) {
  const d = new Date(at), day = d.toLocaleDateString('en-CA');
  return (day === new Date().toLocaleDateString('en-CA') ? '' : day + ' ') + d.toLocaleTimeString('en-GB');
}

export const many = (n, one, more = one + 's') => n.toLocaleString('en') + '\u00a0' + (n === 1 ? one : more);

// put shows a text where it is not shown yet, so that nothing is drawn again for nothing.
export function put(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

// replace puts children in the place of others if what they say is new.
export function replace(node, key, make) {
  if (node.dataset.key === key) return;
  node.dataset.key = key;
  node.replaceChildren(...make());
}
