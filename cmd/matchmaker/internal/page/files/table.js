// The table of hosts: only the rows that can be seen are there, so that 2,000 hosts cost what 50 do.

import {model, stateOf, leftOf, wholeOf, now} from './model.js';
import {element, name, shown, lasting, many, put} from './words.js';

const beyond = 12; // rows above and below those that can be seen

const table = document.getElementById('table'), body = table.tBodies[0];
const made = new Map(); // key → the row that is there
let rows = [];          // all that are listed: {key, topic} for a topic, {key, topic, host} for a host
let active = null;      // the key of the row that the keyboard is at
let open = () => {};

// count says how many hosts are in which state, the states in order of what they ask for.
export function count(hosts) {
  const n = {up: 0, draining: 0, failing: 0, held: 0};
  for (const h of hosts) n[stateOf(h)] = (n[stateOf(h)] ?? 0) + 1;
  return n;
}

// summary says the same in words.
export function summary(hosts) {
  const n = count(hosts), parts = Object.entries(n).filter(([state, k]) => k && state !== 'up').map(([state, k]) => k.toLocaleString('en') + '\u00a0' + state);
  return [n.up.toLocaleString('en') + '\u00a0up', ...parts].join(' · ');
}

// list makes rows of the hosts that a filter lets through, of one topic or all.
export function list(chosen, text) {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  rows = [];
  let found = 0;
  for (const topic of [...model.topics.keys()].sort()) {
    if (chosen !== null && chosen !== topic) continue;
    const t = model.topics.get(topic);
    const hosts = [...t.hosts.values()].filter(h => words.every(w => textOf(h).includes(w)));
    if (!hosts.length && words.length) continue;
    hosts.sort((a, b) => a.member.host < b.member.host ? -1 : 1);
    rows.push({key: 't\n' + topic, topic: t});
    for (const h of hosts) rows.push({key: 'h\n' + topic + '\n' + h.member.host, topic: t, host: h});
    found += hosts.length;
  }
  table.setAttribute('aria-rowcount', rows.length + 1);
  if (!rows.some(r => r.key === active)) active = rows.find(r => r.host)?.key ?? null;
  return found;
}

function textOf(h) {
  const m = h.member;
  if (h.text?.of !== m) h.text = {of: m, is: [m.topic, m.host, m.addr, m.zone, ...Object.entries(m.labels ?? {}).map(l => l.join('='))].join('\n').toLowerCase()};
  return h.text.is + '\n' + stateOf(h);
}

// draw shows the rows that can be seen.
export function draw() {
  const height = parseFloat(getComputedStyle(table).getPropertyValue('--row'));
  const top = -body.getBoundingClientRect().top;
  const first = Math.max(0, Math.floor(top / height) - beyond);
  const last = Math.min(rows.length, Math.ceil((top + innerHeight) / height) + beyond);
  const keep = new Set(rows.slice(first, last).map(r => r.key));
  const focused = table.contains(document.activeElement);
  const tabbed = keep.has(active) ? active : rows.slice(first, last).find(r => r.host)?.key;
  let at = space(body.firstElementChild, 'above', first * height);
  for (let i = first; i < last; i++) {
    const r = rows[i];
    let tr = made.get(r.key);
    if (!tr) made.set(r.key, tr = r.host ? hostRow(r) : topicRow(r));
    if (at !== tr) body.insertBefore(tr, at); else at = at.nextElementSibling;
    fill(tr, r, i);
    if (r.host) tr.tabIndex = r.key === tabbed ? 0 : -1;
  }
  for (const [key, tr] of made) {
    if (!keep.has(key)) { tr.remove(); made.delete(key); }
  }
  space(body.lastElementChild, 'below', Math.max(0, rows.length - last) * height);
  if (focused && !table.contains(document.activeElement)) (made.get(active) ?? table).focus({preventScroll: true}); // which the keyboard goes on from
}

// space keeps the place of rows that are not there, and returns what comes after it.
function space(tr, where, height) {
  if (!tr?.classList.contains(where)) {
    tr = element('tr', {class: where + ' space', 'aria-hidden': 'true'}, element('td', {colspan: 6}));
    if (where === 'above') body.prepend(tr); else body.append(tr);
  }
  tr.style.height = height + 'px';
  return tr.nextElementSibling;
}

function topicRow() {
  return element('tr', {class: 'topic', role: 'row'}, element('th', {colspan: 6, scope: 'colgroup', role: 'gridcell'}, element('div', {}, element('b'), element('span'), element('em'))));
}

function hostRow({key}) {
  const cell = (kind, ...children) => element('td', {class: kind, role: 'gridcell'}, ...children);
  const tr = element('tr', {class: 'is', role: 'row', tabindex: -1},
    cell('host', element('b'), element('small')), cell('state', element('i', {class: 'mark'}), element('span')), cell('addr'), cell('zone'), cell('weight'),
    cell('life', element('span', {class: 'bar', 'aria-hidden': 'true'}, element('i')), element('span')));
  tr.dataset.key = key;
  return tr;
}

function fill(tr, r, i) {
  tr.setAttribute('aria-rowindex', i + 2);
  if (!r.host) return fillTopic(tr, r.topic);
  const m = r.host.member, state = stateOf(r.host);
  if (tr.member !== m) {
    tr.member = m;
    const cells = tr.children;
    cells[0].firstChild.replaceChildren(name(m.host));
    put(cells[0].lastChild, shown([m.addr, m.zone].filter(Boolean).join(' · ')));
    cells[0].title = shown(m.host);
    cells[2].replaceChildren(name(m.addr ?? ''));
    cells[2].title = shown(m.addr);
    cells[3].replaceChildren(name(m.zone ?? ''));
    put(cells[4], String(m.weight || 1));
    cells[4].classList.toggle('one', !(m.weight > 1));
  }
  tr.dataset.is = state;
  put(tr.children[1].lastChild, shown(state));
  tr.classList.toggle('new', r.host.changedAt !== null && performance.now() - r.host.changedAt < 2500);
  tr.classList.toggle('old', !model.connected || Boolean(r.topic.stale));
  life(tr.children[5], r.host);
}

// life shows how much of a host's life is left. What is not known is not shown.
function life(cell, host) {
  const left = leftOf(host), whole = wholeOf(host), bar = cell.firstChild;
  bar.hidden = left === null || !whole;
  if (host.member.held) {
    put(cell.lastChild, host.heldAt ? 'held ' + lasting((now() - host.heldAt) / 1000) : 'held');
    return;
  }
  put(cell.lastChild, left === null ? 'not known' : Math.floor(left) + '\u00a0s');
  cell.classList.toggle('unknown', left === null);
  if (left === null) return;
  bar.firstChild.style.transform = 'scaleX(' + Math.min(1, left / whole).toFixed(3) + ')';
  bar.classList.toggle('low', left / whole < 0.4);
}

function fillTopic(tr, t) {
  const [title, counts, why] = tr.firstChild.firstChild.children;
  if (tr.topic !== t.topic) { tr.topic = t.topic; title.replaceChildren(name(t.topic)); title.title = shown(t.topic); }
  put(counts, t.hosts.size ? many(t.hosts.size, 'host') + ' · ' + summary(t.hosts.values()) : t.stale ? 'nobody can tell' : 'nobody is there');
  put(why, t.stale ? 'last known' : '');
}

// listen takes the keyboard and the pointer; opened is told of the host of a row that is to be shown whole.
export function listen(opened) {
  open = opened;
  addEventListener('scroll', later, {passive: true});
  addEventListener('resize', later, {passive: true});
  body.addEventListener('click', e => choose(e.target.closest('tr.is')));
  body.addEventListener('focusin', e => { active = e.target.closest('tr.is')?.dataset.key ?? active; });
  table.addEventListener('keydown', e => {
    const page = Math.max(1, Math.floor(innerHeight / 50));
    const steps = {ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -rows.length, End: rows.length};
    if (e.key === 'Enter' || e.key === ' ') choose(e.target.closest('tr.is'));
    else if (e.key in steps && !e.ctrlKey && !e.altKey && !e.metaKey) move(steps[e.key]);
    else return;
    e.preventDefault();
  });
}

let due = false;
function later() {
  if (due) return;
  due = true;
  requestAnimationFrame(() => { due = false; draw(); });
}

function choose(tr) {
  if (!tr) return;
  active = tr.dataset.key;
  const r = rows.find(r => r.key === active);
  draw();
  tr.focus({preventScroll: true});
  if (r) open(r.topic.topic, r.host.member.host);
}

// move goes some rows on, over those of topics.
function move(step) {
  const hosts = rows.filter(r => r.host), from = hosts.findIndex(r => r.key === active);
  const to = hosts[Math.min(hosts.length - 1, Math.max(0, from + step))];
  if (!to) return;
  active = to.key;
  const height = parseFloat(getComputedStyle(table).getPropertyValue('--row')), i = rows.indexOf(to);
  const top = body.getBoundingClientRect().top + i * height;
  if (top < 2 * height) scrollBy({top: top - 2 * height, behavior: 'instant'});
  else if (top + 2 * height > innerHeight) scrollBy({top: top + 2 * height - innerHeight, behavior: 'instant'});
  draw();
  made.get(active)?.focus({preventScroll: true});
}

// enter leads the keyboard from the filter into the rows.
export function enter() {
  body.querySelector('tr.is[tabindex="0"]')?.focus();
}
