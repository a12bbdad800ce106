/** Events as supervisord writes them, built from its manual and its source and not from ours. */

export interface WireEvent {
  readonly name: string;
  readonly payload?: string;
  readonly serial?: number;
  readonly server?: string;
  readonly pool?: string;
}

/** One event on the wire. `len` counts code points, as iterating a string does. */
export function wire({
  name,
  payload = '',
  serial = 0,
  server = 'supervisor',
  pool = 'exporter',
}: WireEvent): string {
  const surrogatePairs = payload.match(/[\ud800-\udbff][\udc00-\udfff]/g)?.length ?? 0;
  const len = payload.length - surrogatePairs;
  return `ver:3.0 server:${server} serial:${serial + 7} pool:${pool} poolserial:${serial} eventname:${name} len:${len}\n${payload}`;
}

/** A transition `FROM>TO` of `GROUP:NAME`, with the fields that follow `from_state`. */
export function step(serial: number, process: string, transition: string, extra = ''): string {
  const colon = process.indexOf(':');
  const [group, name] = [process.slice(0, colon), process.slice(colon + 1)];
  const [from = '', to = ''] = transition.split('>');
  const payload = `processname:${name} groupname:${group} from_state:${from}${extra === '' ? '' : ` ${extra}`}`;
  return wire({ name: `PROCESS_STATE_${to}`, payload, serial });
}

export function tick(serial: number, period: number, when: number): string {
  return wire({ name: `TICK_${period}`, payload: `when:${when}`, serial });
}

export function remote(serial: number, type: string, data: string): string {
  return wire({ name: 'REMOTE_COMMUNICATION', payload: `type:${type}\n${data}`, serial });
}

/** supervisord ends this payload, and no other, in a newline. */
export function group(serial: number, change: 'ADDED' | 'REMOVED', name: string): string {
  return wire({ name: `PROCESS_GROUP_${change}`, payload: `groupname:${name}\n`, serial });
}
