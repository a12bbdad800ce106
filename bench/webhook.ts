/** Whom Alertmanager notifies: remembers when it was told of what. */

import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import { text } from 'node:stream/consumers';
import type { Labels } from '../test/support/exposition.ts';
import { freePort } from '../test/support/ports.ts';
import { atEnd } from './clean-up.ts';

export interface Told {
  /** By performance.now(). */
  readonly at: number;
  readonly labels: Labels;
}

export class Webhook {
  readonly port: number;
  readonly #told: Told[] = [];

  private constructor(port: number) {
    this.port = port;
  }

  static async start(): Promise<Webhook> {
    const webhook = new Webhook(await freePort());
    const server = createServer(async (request, response) => {
      await webhook.#take(request);
      response.end();
    });
    server.listen(webhook.port, '127.0.0.1');
    await once(server, 'listening');
    atEnd(() => {
      server.close();
      server.closeAllConnections();
    });
    return webhook;
  }

  /** The first that it was told of an alert whose labels include these. */
  first(labels: Labels): Told | undefined {
    const wanted = Object.entries(labels);
    return this.#told.find((told) => wanted.every(([name, value]) => told.labels[name] === value));
  }

  async #take(request: IncomingMessage): Promise<void> {
    const body = await text(request);
    const at = performance.now();
    const { alerts } = JSON.parse(body) as { alerts: { labels: Labels }[] };
    this.#told.push(...alerts.map(({ labels }) => ({ at, labels })));
  }
}
