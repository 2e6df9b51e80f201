// This sidecar: whether it is ready, and what it keeps.

import {model, now} from './model.js';
import {element, name, shown, lasting, clock, many, put, replace} from './words.js';

const box = document.querySelector('#sidecar > div');

const readiness = {
  ready: ['up', 'ready'], degraded: ['stale', 'degraded'], starting: ['stale', 'starting'],
  draining: ['draining', 'draining'], unregistered: ['failing', 'unregistered'], superseded: ['failing', 'superseded'],
};

export function sidecar() {
  const p = model.process;
  if (!p) return;
  const {ready, registrations} = p;
  replace(box, JSON.stringify([ready, p.registry.error, registrations.map(r => [r.topic, r.host, r.standing, r.state]), p.registrations_left_out, model.topics.size, p.topics_left_out]), () => {
    const [is, word] = readiness[ready.status] ?? ['failing', ready.status];
    return [
      element('p', {class: 'ready', 'data-is': is}, element('i', {class: 'mark'}), element('b', {}, shown(word)), ' ',
        element('span', {}, ready.since ? 'since ' + clock(ready.since) : ready.status === 'ready' ? 'as /readyz says' : '')),
      ready.reason && ready.reason !== p.registry.error ? element('p', {class: 'why'}, shown(ready.reason)) : '',
      element('p', {class: 'quiet'}, `Follows ${many(model.topics.size, 'topic')}` + (p.topics_left_out ? ` of ${many(model.topics.size + p.topics_left_out, 'topic')}` : '') +
        `; beats every ${lasting2(p.interval_seconds)}, for a TTL of ${lasting2(p.ttl_seconds)}.`),
      registrations.length ? element('ul', {}, ...registrations.map(kept)) : element('p', {class: 'quiet'}, 'It registers nobody; it answers.'),
      p.registrations_left_out ? element('p', {class: 'quiet'}, `and ${many(p.registrations_left_out, 'registration')} more, all valid`) : '',
    ];
  });
  [...box.querySelectorAll('li')].forEach((li, i) => beat(li, registrations[i], p));
}

const lasting2 = s => s < 10 && s % 1 ? s + ' s' : lasting(s);

const standings = {valid: 'up', pending: 'stale', leaving: 'draining', 'standing by': 'failing', removed: 'failing', lost: 'failing'};

function kept(r) {
  return element('li', {'data-is': r.standing === 'valid' ? r.state : standings[r.standing] ?? 'failing'},
    element('i', {class: 'mark'}), element('b', {}, name(r.host), ' ', element('small', {}, 'of ', name(r.topic))),
    element('span', {class: 'bar', 'aria-hidden': 'true'}, element('i')), element('span', {class: 'quiet'}));
}

// beat says when the last heartbeat was acknowledged, which was a TTL before the registration's validity ends.
function beat(li, r, p) {
  const [, , bar, text] = li.children;
  const left = r.valid_until ? (Date.parse(r.valid_until) - now()) / 1000 : null;
  bar.hidden = left === null || !model.connected;
  if (left === null || !model.connected) return put(text, r.standing);
  bar.firstChild.style.transform = 'scaleX(' + Math.min(1, Math.max(0, left / p.ttl_seconds)).toFixed(3) + ')';
  bar.classList.toggle('low', left / p.ttl_seconds < 0.4);
  put(text, `${r.standing}; last beat ${lasting(p.ttl_seconds - left)} ago, ` + (left > 0 ? `good for ${lasting(left)}` : 'lapsed unless it was heard'));
}
