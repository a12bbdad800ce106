/** What a person is notified of where the exporter pushes as well. It takes four minutes, hence a file of its own. */

import { suite } from 'uvu';
import { timed } from '../support/deadline.ts';
import { playNotifications } from '../support/notifications.ts';

const notifications = suite('notifications, both ways');

notifications(
  'each alert of both routes is notified once with its reason, and resolved once',
  timed(235_000, () =>
    playNotifications({
      pushes: true,
      isDisturbed: false,
      // A little more than the 150 s after which a pushed Fatal is resolved.
      adaptRules: (text) =>
        text.replaceAll('keep_firing_for: 3m', 'keep_firing_for: 160s').replaceAll('[3m]', '[10s]'),
      resolvedWithinMs: 190_000,
    }),
  ),
);

notifications.run();
