// What asks for somebody: said in sentences, the gravest first.

import {model, stateOf} from './model.js';
import {element, name, shown, clock, replace} from './words.js';

const few = 3;

// attention shows it in a section, which is hidden when there is nothing.
export function attention(section) {
  const items = [...process(), ...topics()];
  section.hidden = !items.length;
  replace(section.querySelector('ul'), JSON.stringify(items.map(i => [i.is, i.key])), () =>
    items.map(i => element('li', {'data-is': i.is}, element('i', {class: 'mark'}), element('div', {}, ...i.say()))));
}

// process is what this sidecar's own registrations ask for.
function process() {
  const p = model.process;
  if (!p || !model.connected) return [];
  const say = {
    pending: 'is not accepted by Redis yet; every heartbeat tries again',
    lost: 'may have lapsed, since no heartbeat was acknowledged for a TTL; every heartbeat tries again',
    'standing by': 'stands by, since a newer instance has its place',
    removed: 'was removed by name, and this sidecar does not keep it any more',
  };
  return p.registrations.filter(r => say[r.standing]).slice(0, few).map(r => ({is: 'failing', key: r.topic + '\n' + r.host + r.standing,
    say: () => [element('b', {}, 'Kept here: ', name(r.host), ' of ', name(r.topic)), ' ' + say[r.standing] + '.']}));
}

function topics() {
  const items = {stale: [], failing: [], held: [], draining: []};
  const answers = model.process?.registry.answers;
  for (const topic of [...model.topics.keys()].sort()) {
    const t = model.topics.get(topic);
    if (t.stale && answers) items.stale.push(stale(t)); // else all are, and that is said above
    for (const [state, hosts] of Object.entries(groups(t))) items[state]?.push(sentence(t, state, hosts));
  }
  return [...items.stale, ...items.failing, ...items.held, ...drains(items.draining)];
}

const stale = t => ({is: 'stale', key: t.topic + t.stale, say: () => [
  element('b', {}, name(t.topic), ' is as last known'), ' since ' + clock(t.asOf) + ': ', element('q', {}, shown(t.stale))]});

function groups(t) {
  const found = {};
  for (const h of t.hosts.values()) {
    const state = stateOf(h);
    if (state !== 'up') (found[state] ??= []).push(h);
  }
  return found;
}

// who names hosts of a topic, the first few of many.
function who(t, hosts) {
  const some = hosts.slice(0, hosts.length > few + 1 ? few : few + 1).flatMap((h, i) => [i ? ', ' : '', name(h.member.host)]);
  const more = hosts.length - (hosts.length > few + 1 ? few : few + 1);
  return element('b', {}, ...some, more > 0 ? ' and ' + more.toLocaleString('en') + ' more' : '', ' of ', name(t.topic));
}

function sentence(t, state, hosts) {
  hosts.sort((a, b) => a.member.host < b.member.host ? -1 : 1);
  const is = hosts.length === 1 ? 'is' : 'are', it = hosts.length === 1 ? 'it' : 'they';
  const key = t.topic + '\n' + hosts.map(h => h.member.host).join('\n');
  if (state === 'failing') {
    return {is: state, key, say: () => [who(t, hosts), ` ${is} failing: ${it} ${hosts.length === 1 ? 'beats' : 'beat'}, and ${hosts.length === 1 ? 'says' : 'say'} that ${hosts.length === 1 ? 'its' : 'their'} own checks do not pass. Picked last.`]};
  }
  if (state === 'draining') return {t, hosts, key};
  const since = Math.min(...hosts.map(h => h.heldAt ?? Infinity)), ttl = model.process?.ttl_seconds;
  return {is: state, key: key + since, say: () => [who(t, hosts),
    ` ${is} held${since < Infinity ? ' since ' + clock(since) : ' since before it was heard of here'}: Redis does not show ${it === 'it' ? 'it' : 'them'}, and nobody said that ${it} left. Not picked while others are up`,
    since < Infinity && ttl ? `, and gone about ${clock(since + ttl * 1000)} unless ${it} ${hosts.length === 1 ? 'comes' : 'come'} back.` : '.']};
}

// drains tells of hosts that drain, together where reason and end are the same.
function drains(all) {
  const found = [];
  for (const {t, hosts} of all) {
    const together = new Map();
    for (const h of hosts) {
      const d = t.drains.get(h.member.host);
      const key = d ? d.reason + '\n' + Math.round(d.end / 10000) : '';
      if (!together.has(key)) together.set(key, {d, hosts: []});
      together.get(key).hosts.push(h);
    }
    for (const [why, {d, hosts}] of together) {
      found.push({is: 'draining', key: t.topic + '\n' + why + hosts.map(h => h.member.host).join('\n'), say: () => [who(t, hosts), ...drain(d, hosts.length)]});
    }
  }
  return found;
}

function drain(d, n) {
  const is = n === 1 ? 'is' : 'are';
  if (!d) return [` ${is} draining, as ${n === 1 ? 'it says itself: it finishes its' : 'they say themselves: they finish their'} work and ${n === 1 ? 'leaves' : 'leave'}.`];
  return [` ${is} drained `, ...(d.reason ? ['for ', element('q', {}, shown(d.reason))] : ['from outside, no reason given,']),
    ` until ${clock(Math.round(d.end / 1000) * 1000)}: listed, and not picked while others are up.`];
}
