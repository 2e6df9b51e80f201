// The page: what is read, and in which order it is shown.

import {model} from './model.js';
import {follow} from './stream.js';
import {trouble} from './trouble.js';
import {attention} from './attention.js';
import {sidecar} from './sidecar.js';
import {changes} from './changes.js';
import * as details from './details.js';
import * as table from './table.js';
import {element, name, shown, many, put, replace} from './words.js';

const at = id => document.getElementById(id);
const filter = at('filter'), topics = at('topics');
let chosen = null; // a topic, or null for all

// show draws all of the page once.
function show() {
  if (chosen !== null && !model.topics.has(chosen)) chosen = null;
  trouble();
  attention(at('attention'));
  sidecar();
  changes();
  const nothing = model.topics.size === 0;
  at('nobody').hidden = !(nothing && model.connected && model.process?.registry.answers && !model.process.topics.length);
  at('hosts').hidden = nothing;
  if (!nothing) hosts();
  details.update();
}

function hosts() {
  const all = [...model.topics.values()].reduce((n, t) => n + t.hosts.size, 0);
  put(at('counts'), `${many(model.topics.size, 'topic')}, ${many(all, 'host')}: ${table.summary([...model.topics.values()].flatMap(t => [...t.hosts.values()]))}`);
  replace(topics, JSON.stringify([chosen, [...model.topics.values()].map(t => [t.topic, t.hosts.size, t.stale !== '', worst(t)])]), () =>
    [null, ...[...model.topics.keys()].sort()].map(topic => tab(topic, all)));
  const found = table.list(chosen, filter.value);
  put(at('found'), filter.value ? `${many(found, 'host')} found` : '');
  at('none').hidden = found > 0 || !filter.value;
  put(at('none'), `No host of ${all.toLocaleString('en')} matches “${shown(filter.value)}”. Escape clears the filter.`);
  table.draw();
}

const worst = t => {
  const n = table.count(t.hosts.values());
  return n.failing ? 'failing' : n.held ? 'held' : n.draining ? 'draining' : t.hosts.size ? 'up' : 'gone';
};

// tab is a button for a topic; the keyboard stays at it when it is made anew.
function tab(topic, all) {
  const t = model.topics.get(topic);
  const b = element('button', {type: 'button', 'aria-pressed': String(topic === chosen), 'data-is': t ? worst(t) : false, title: t && shown(topic)},
    t ? element('i', {class: 'mark'}) : '', t ? name(topic) : 'All', ' ', element('small', {}, (t ? t.hosts.size : all).toLocaleString('en')));
  b.addEventListener('click', () => {
    chosen = topic;
    show();
    topics.querySelector('[aria-pressed=true]').focus();
  });
  return b;
}

filter.addEventListener('input', hosts);
filter.addEventListener('keydown', e => {
  if (e.key === 'ArrowDown' || e.key === 'Enter') table.enter();
  else if (e.key === 'Escape') { filter.value = ''; hosts(); }
  else return;
  e.preventDefault();
});
addEventListener('keydown', e => {
  if (e.key !== '/' || e.ctrlKey || e.metaKey || e.altKey || e.target === filter || at('details').open || at('hosts').hidden) return;
  e.preventDefault();
  filter.focus();
  filter.select();
});
table.listen(details.details);

// What changes at once is drawn once, and lives go down each second whatever happens.
let due = false;
function soon() {
  if (due) return;
  due = true;
  setTimeout(() => { due = false; show(); }, document.hidden ? 1000 : 50);
}
setInterval(soon, 1000);
follow(soon);
show();
