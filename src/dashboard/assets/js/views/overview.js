// The overview: the picture of chains and providers, and the window with what is known of the selected one.

import { mountDetails } from '../overview/details.js';
import { mountTopology } from '../overview/topology.js';

export function mount(root, ctx) {
  let topology = null;
  const details = mountDetails(root, ctx, () => topology?.canvas.look({}, 300));
  topology = mountTopology(root, { store: ctx.store, insets: details.insets });
  let tester = null;
  let gone = false;
  import('./tester.js').then(({ mountTester }) => {
    if (!gone) tester = mountTester(root, ctx);
  });
  return {
    unmount() {
      gone = true;
      for (const part of [details, topology, tester]) part?.unmount?.();
    },
  };
}
