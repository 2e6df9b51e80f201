// What is known: topics and their hosts, this sidecar, and what happened since the page was opened. Events of
// the stream change it, and nothing else does.

const mostChanges = 200;

export const model = {
  topics: new Map(), // name → {topic, asOf, stale, version, hosts: Map}, and hosts by name
  changes: [],       // the newest first
  process: null,     // the last sidecar event
  connected: null,   // null before the first answer
  lost: 0,           // since when the sidecar does not answer
  opened: Date.now(),
  began: Infinity,   // when the first sidecar event came
  ahead: 0,          // of the sidecar's clock before this one's, in ms
};

// now is the sidecar's time, in ms.
export const now = () => Date.now() + model.ahead;

// stateOf is the one word of a host's state; who is held is that before all else.
export const stateOf = host => host.member.held ? 'held' : host.member.state;

// leftOf is how many seconds a host has left, or null if that is not known now.
export function leftOf(host) {
  if (host.left == null || host.member.held || !model.connected || !model.process?.registry.answers) return null;
  return Math.max(0, host.left - (performance.now() - host.leftAt) / 1000);
}

// wholeOf is what the life of a host is a part of: its most after a heartbeat that was seen, else the TTL here.
export const wholeOf = host => Math.max(host.whole ?? model.process?.ttl_seconds ?? 0, host.left ?? 0);

export const events = {
  // A snapshot after the first is of a new topic, or of one that was not heard for a while.
  snapshot(whole) {
    const old = model.topics.get(whole.topic), hosts = new Map(), late = old !== undefined || performance.now() - model.began > 2000;
    for (const member of whole.members) {
      const before = old?.hosts.get(member.host), was = before && stateOf(before);
      const h = before ? renew(before, member) : begin(member);
      hosts.set(member.host, h);
      if (late && was !== stateOf(h)) note({at: now(), topic: whole.topic, host: member.host, what: before ? 'changed' : 'joined', was, is: stateOf(h)});
    }
    for (const [host, h] of old?.hosts ?? []) {
      if (!hosts.has(host)) note({at: now(), topic: whole.topic, host, what: 'left', was: stateOf(h)});
    }
    model.topics.set(whole.topic, {topic: whole.topic, asOf: Date.parse(whole.as_of), stale: whole.stale ?? '', drains: old?.drains ?? new Map(), hosts});
  },

  change(c) {
    const t = model.topics.get(c.topic);
    if (!t) return;
    const at = Date.parse(c.time), host = c.member?.host;
    const before = t.hosts.get(host);
    const change = {at, topic: c.topic, host, what: c.change, was: before && stateOf(before)};
    switch (c.change) {
      case 'stale': t.stale = c.error || 'Redis cannot be asked'; t.asOf = at; break;
      case 'fresh': t.stale = ''; t.asOf = at; break;
      case 'left': t.hosts.delete(host); break;
      default: {
        const h = before ? renew(before, c.member) : begin(c.member);
        if (c.change === 'held') h.heldAt = at;
        h.changedAt = performance.now();
        t.hosts.set(host, h);
        change.is = stateOf(h);
      }
    }
    note(change);
  },

  gone({topic}) { model.topics.delete(topic); },

  lives(l) {
    const t = model.topics.get(l.topic);
    if (!t) return;
    const at = performance.now();
    t.drains = new Map(Object.entries(l.drains).map(([host, d]) => [host, {reason: d.reason ?? '', end: now() + d.left_seconds * 1000}]));
    for (const h of t.hosts.values()) {
      const left = Object.hasOwn(l.left, h.member.host) ? l.left[h.member.host] : null;
      if (left != null && h.left != null && left > h.left) h.whole = Math.max(left, h.whole ?? 0); // a heartbeat was seen
      h.left = left;
      h.leftAt = at;
    }
  },

  sidecar(p) {
    model.process = p;
    for (const topic of model.topics.keys()) if (!p.topics.includes(topic)) model.topics.delete(topic); // it ended while nobody was heard
    model.began = Math.min(model.began, performance.now());
    model.ahead = Date.parse(p.time) - Date.now();
    if (Math.abs(model.ahead) < 1000) model.ahead = 0; // of the way here, not of a clock
  },
};

function note(change) {
  model.changes.unshift(change);
  model.changes.length = Math.min(model.changes.length, mostChanges);
}

const begin = member => ({member, left: null, leftAt: 0, whole: null, heldAt: null, changedAt: null});

function renew(host, member) {
  if (host.member.instance !== member.instance) host.whole = host.left = null;
  host.member = member;
  if (!member.held) host.heldAt = null;
  return host;
}
