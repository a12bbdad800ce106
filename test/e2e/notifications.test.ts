/** What a person is notified of by the shipped rules. */

import { suite } from 'uvu';
import { timed } from '../support/deadline.ts';
import { playNotifications } from '../support/notifications.ts';

const notifications = suite('notifications');

notifications(
  'each alert of the rules is notified once with its reason, and resolved once',
  timed(235_000, () =>
    playNotifications({
      pushes: false,
      isDisturbed: true,
      // In the same order; an evaluation takes five seconds.
      adaptRules: (text) =>
        text
          .replaceAll('keep_firing_for: 2m', 'keep_firing_for: 5s')
          .replaceAll('keep_firing_for: 3m', 'keep_firing_for: 15s')
          .replaceAll('[3m]', '[30s]')
          .replace(/(?<=alert: SupervisorRpcDown\n(?: {8}.*\n)*? {8}for: )1m/g, '5s')
          .replace('for: 30s', 'for: 10s'),
      resolvedWithinMs: 90_000,
    }),
  ),
);

notifications.run();
