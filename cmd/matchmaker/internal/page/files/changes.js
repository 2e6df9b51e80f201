// What happened since the page was opened, the newest first.

import {model} from './model.js';
import {element, name, clock} from './words.js';

const log = document.querySelector('#changes > ol'), note = document.querySelector('#changes > p');
const mostShown = 100;

let newest = null;

export function changes() {
  if (newest === null) note.textContent = `Since ${clock(model.opened)}, when this page was opened: nothing.`;
  const until = model.changes.indexOf(newest), fresh = until < 0 ? model.changes : model.changes.slice(0, until);
  if (!fresh.length) return;
  newest = model.changes[0];
  log.prepend(...fresh.slice(0, mostShown).map(line));
  while (log.children.length > mostShown) log.lastChild.remove();
  note.textContent = `Since ${clock(model.opened)}, when this page was opened` + (model.changes.length > mostShown ? `; the last ${mostShown}.` : '.');
}

const said = {
  joined: ['up', 'joined'], left: ['gone', 'left'], held: ['held', 'held: Redis does not show it'], back: ['up', 'is back'],
  stale: ['stale', 'cannot be asked; shown as last known'], fresh: ['up', 'is confirmed again'],
};

function line(c) {
  let [is, words] = said[c.what] ?? [c.is, 'changed'];
  if (c.what === 'changed') words = c.was === c.is ? 'registered anew' : c.is === 'up' ? 'up again' : 'now ' + c.is;
  else if (c.what === 'joined' && c.is !== 'up') [is, words] = [c.is, 'joined, ' + c.is];
  else if (c.what === 'left' && c.was === 'held') words = 'gone: held for a TTL';
  return element('li', {'data-is': is}, element('time', {datetime: new Date(c.at).toISOString()}, clock(c.at)), element('i', {class: 'mark'}),
    element('span', {}, c.host === undefined ? element('b', {}, name(c.topic)) : element('b', {}, name(c.host), element('small', {}, ' of ', name(c.topic))), ' ' + words));
}
