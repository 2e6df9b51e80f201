// How far what is shown can be believed: the words at the top, and what stands while somebody does not answer.

import {model, now} from './model.js';
import {element, shown, lasting, clock, many, put, replace} from './words.js';

const status = document.getElementById('status'), box = document.getElementById('trouble');

export function trouble() {
  const p = model.process;
  if (model.connected === null) return say('waiting', 'asking the sidecar');
  if (!model.connected) {
    say('failing', 'the sidecar does not answer');
    return tell('sidecar', 'This page does not hear its sidecar', model.lost, Date.now(),
      'What is below is what it said last, and may be old. The page asks again by itself.', '');
  }
  if (p && !p.registry.answers) {
    say('failing', 'Redis does not answer');
    const hosts = [...model.topics.values()].reduce((n, t) => n + t.hosts.size, 0);
    const kept = p.registrations.length + (p.registrations_left_out ?? 0);
    return tell('registry', 'Redis does not answer', p.registry.since && Date.parse(p.registry.since), now(),
      (hosts ? `${many(hosts, 'host')} of ${many(model.topics.size, 'topic')} still ${hosts === 1 ? 'stands' : 'stand'} as last known, and lookups go on with them. ` : 'Nothing was known before, so nobody can tell who is there. ') +
      (kept ? `This sidecar goes on trying to send heartbeats for ${many(kept, 'registration')}. ` : '') + 'How long hosts have left cannot be known meanwhile.', p.registry.error);
  }
  box.hidden = true;
  delete box.dataset.key;
  const stale = [...model.topics.values()].filter(t => t.stale).length;
  if (stale) return say('stale', `live, but for ${many(stale, 'topic')} as last known`);
  say('up', 'live');
}

function say(is, text) {
  status.dataset.is = is;
  put(status.lastElementChild, text);
}

function tell(key, what, since, at, stands, why) {
  replace(box, key + since + stands + why, () => [
    element('h2', {}, what, ' ', element('span', {}, since ? `since ${clock(since)} ` : 'since before it was first asked'), element('span', {'aria-hidden': 'true'})), // who listens is not told of each second
    element('p', {}, stands),
    why ? element('p', {class: 'why'}, shown(why)) : '',
  ]);
  put(box.querySelector('span:last-child'), since ? `(${lasting((at - since) / 1000)})` : '');
  box.hidden = false;
}
