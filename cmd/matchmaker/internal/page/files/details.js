// One host, whole.

import {model, stateOf, leftOf, wholeOf, now} from './model.js';
import {element, name, shown, lasting, clock, put} from './words.js';

const dialog = document.getElementById('details'), title = document.getElementById('details-title'), list = dialog.querySelector('dl');
let of = null;

export function details(topic, host) {
  of = {topic, host};
  title.replaceChildren(name(host), ' of ', name(topic));
  list.replaceChildren();
  update();
  dialog.showModal();
}

dialog.addEventListener('close', () => { of = null; });

export function update() {
  if (!of) return;
  const t = model.topics.get(of.topic), h = t?.hosts.get(of.host);
  const facts = h ? about(t, h) : [['State', 'gone']];
  if (facts.length !== list.querySelectorAll('dt').length) list.replaceChildren(...facts.flatMap(([what]) => [element('dt', {}, what), element('dd')]));
  facts.forEach(([what, is], i) => { put(list.children[2 * i], what); put(list.children[2 * i + 1], is); });
}

function about(t, h) {
  const m = h.member, left = leftOf(h), d = t.drains.get(m.host);
  return [
    ['State', meaning(h)],
    d && ['Drained', (d.reason ? '“' + shown(d.reason) + '”' : 'no reason given') + ', until ' + clock(d.end) + ', which is in ' + lasting((d.end - now()) / 1000)],
    t.stale && ['As of', clock(t.asOf) + ', the last known: ' + shown(t.stale)],
    ['Life left', left === null ? 'not known now' : left.toFixed(0) + ' s of ' + wholeOf(h).toFixed(0) + ' s without another heartbeat' + (h.whole ? '' : '; the whole is a guess until a heartbeat is seen')],
    ['Address', shown(m.addr) || 'none'],
    ['Zone', shown(m.zone) || 'none'],
    ['Weight', String(m.weight || 1)],
    ...Object.entries(m.labels ?? {}).sort().map(([k, v]) => ['Label ' + shown(k), shown(v)]),
    ['Instance', shown(m.instance)],
  ].filter(Boolean);
}

function meaning(h) {
  switch (stateOf(h)) {
    case 'up': return 'up: picked';
    case 'draining': return 'draining: listed, not picked while others are up';
    case 'held': return `held: Redis does not show it, and nobody said that it left${h.heldAt ? '; since ' + clock(h.heldAt) : ''}`;
    default: return shown(stateOf(h)) + ': listed, picked last';
  }
}
