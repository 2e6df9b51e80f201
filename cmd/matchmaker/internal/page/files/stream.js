// The one stream that the page reads. It comes back by itself, and begins with the whole each time.

import {events, model} from './model.js';

const silence = 5000; // ms; a sidecar says something each second

// follow reads, and says changed after each event.
export function follow(changed) {
  let source, heard;
  const lose = () => {
    if (model.connected !== false) model.lost = Date.now();
    model.connected = false;
    changed();
  };
  const open = () => {
    source?.close();
    heard = performance.now();
    source = new EventSource('v1/changes');
    source.addEventListener('error', lose);
    for (const [kind, take] of Object.entries(events)) {
      source.addEventListener(kind, e => {
        heard = performance.now();
        model.connected = true;
        take(JSON.parse(e.data));
        changed();
      });
    }
  };
  open();
  // One that was stopped, or whose machine is gone, does not close the connection; one that refuses is not asked again.
  setInterval(() => {
    const quiet = performance.now() - heard > silence;
    if (quiet && model.connected) lose();
    if (quiet) open();
  }, 1000);
}
