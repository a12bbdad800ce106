/** Listens on addresses, and on all addresses of a name. */

import { lookup } from 'node:dns';
import { isIP, type Server } from 'node:net';
import { promisify } from 'node:util';
import { formatAddress, type ListenAddress } from '../util/address.ts';
import { describeSystemError, errorCode } from '../util/errno.ts';
import { ListenError } from '../util/errors.ts';

/** An address that is listened on. */
export interface BoundAddress extends ListenAddress {
  /** As it was asked for: a name, an IP address, or empty for all interfaces. */
  readonly requestedHost: string;
}

/** A name may have an address of a family that this machine does not use, as `::1` in /etc/hosts. */
const UNUSABLE: readonly (string | undefined)[] = ['EADDRNOTAVAIL', 'EAFNOSUPPORT'];

/**
 * Listens on an address, or on all the addresses of a name, with the same port. A server is
 * made for each. Rejects with ListenError; servers that listen already are then left to the caller.
 */
export async function listenOn(
  address: ListenAddress,
  createServer: () => Server,
): Promise<BoundAddress[]> {
  const bound: BoundAddress[] = [];
  let unusable: unknown;
  try {
    for (const host of await hostsOf(address.host)) {
      const port = bound[0]?.port ?? address.port;
      try {
        const own = await startListening(createServer(), { host, port });
        bound.push({ ...own, requestedHost: address.host });
      } catch (error) {
        if (!UNUSABLE.includes(errorCode(error))) throw error;
        unusable = error;
      }
    }
    if (bound.length === 0) throw unusable;
  } catch (error) {
    const reason = describeSystemError(error);
    throw new ListenError(`cannot listen on ${formatAddress(address)}: ${reason}`, error);
  }
  return bound;
}

/** IPv4 first: programs that connect by name try it first, or only that (nginx, vmagent). */
async function hostsOf(host: string): Promise<readonly string[]> {
  if (host === '' || isIP(host) !== 0) return [host];
  const found = await promisify(lookup)(host, { all: true });
  const sorted = found.sort((one, other) => one.family - other.family);
  return [...new Set(sorted.map(({ address }) => address))];
}

function startListening(server: Server, { host, port }: ListenAddress): Promise<ListenAddress> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    // Without a host Node listens on all IPv6 and IPv4 addresses.
    server.listen({ ...(host === '' ? {} : { host }), port }, () => {
      server.removeListener('error', reject);
      const own = server.address();
      if (typeof own !== 'object' || own === null) throw new Error('not a TCP address');
      resolve({ host: own.address, port: own.port });
    });
  });
}
