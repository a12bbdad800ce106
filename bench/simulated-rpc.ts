/**
 * Simulates supervisord's XML-RPC for processes that do not exist. It answers at once and as
 * fast as the client reads; supervisord is slower and sends 4 KiB per turn of its loop.
 */

import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { atEnd } from './clean-up.ts';

type XmlRpcValue =
  | string
  | number
  | boolean
  | readonly XmlRpcValue[]
  | { readonly [member: string]: XmlRpcValue };

/** A reply with the line breaks of Python's XML-RPC. */
function replyOf(value: XmlRpcValue): Buffer {
  const xml = `<?xml version='1.0'?>\n<methodResponse>\n<params>\n<param>\n${render(value)}</param>\n</params>\n</methodResponse>\n`;
  return Buffer.from(xml);
}

function render(value: XmlRpcValue): string {
  return `<value>${renderBare(value)}</value>\n`;
}

/** The strings of this bench contain nothing that XML must escape. */
function renderBare(value: XmlRpcValue): string {
  if (typeof value === 'string') return `<string>${value}</string>`;
  if (typeof value === 'number') return `<int>${value}</int>`;
  if (typeof value === 'boolean') return `<boolean>${value ? 1 : 0}</boolean>`;
  if (isList(value)) return `<array><data>\n${value.map(render).join('')}</data></array>`;
  const members = Object.entries(value).map(
    ([name, member]) => `<member>\n<name>${name}</name>\n${render(member)}</member>\n`,
  );
  return `<struct>\n${members.join('')}</struct>`;
}

function isList(value: XmlRpcValue): value is readonly XmlRpcValue[] {
  return Array.isArray(value);
}

/** RUNNING. */
const STATE = { state: 20, statename: 'RUNNING' };
/** supervisord's log is empty, and each question about a process is answered for the first one. */
const OTHER_RESULTS: Readonly<Record<string, XmlRpcValue>> = {
  'supervisor.getState': { statecode: 1, statename: 'RUNNING' },
  'supervisor.getSupervisorVersion': '4.2.5',
  'supervisor.getIdentification': 'supervisor',
  'supervisor.readLog': '',
};

export type Question = 'snapshot' | 'settings' | 'other';

export interface SimulatedRpcOptions {
  /** Running processes, `program-N` of the group `group-0`. */
  readonly processes: number;
  /** The pid of each process. */
  readonly pid: number;
  /** The exporter has called sendRemoteCommEvent. */
  readonly onRemoteCommEvent: (type: string, data: string) => void;
  /** Called right before the answer. */
  readonly onAsked: (question: Question) => void;
  /** Called when all of the answer has been passed to the kernel. */
  readonly onAnswered: (question: Question) => void;
}

export class SimulatedRpc {
  readonly #options: SimulatedRpcOptions;
  readonly #server: Server;
  readonly #snapshot: Buffer;
  readonly #settings: Buffer;

  private constructor(options: SimulatedRpcOptions) {
    this.#options = options;
    const numbers = Array.from({ length: options.processes }, (_, number) => number);
    const infos = numbers.map((number) => processInfo(number, options.pid));
    // Rendered in advance, so that the exporter does not wait for it.
    this.#snapshot = replyOf([true, infos, ...Object.values(OTHER_RESULTS).slice(0, 3)]);
    this.#settings = replyOf(numbers.map(configInfo));
    this.#server = createServer((request, response) => void this.#answer(request, response));
  }

  static async start(options: SimulatedRpcOptions): Promise<SimulatedRpc> {
    const rpc = new SimulatedRpc(options);
    await once(rpc.#server.listen(0, '127.0.0.1'), 'listening');
    atEnd(() => rpc.stop());
    return rpc;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  stop(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const call = await text(request);
    const [question, reply] = this.#replyTo(call);
    this.#options.onAsked(question);
    response.writeHead(200, { 'Content-Type': 'text/xml', 'Content-Length': reply.length });
    response.once('finish', () => this.#options.onAnswered(question));
    response.end(reply);
  }

  #replyTo(call: string): [Question, Buffer] {
    if (call.includes('supervisor.getAllConfigInfo')) return ['settings', this.#settings];
    if (call.includes('supervisor.getAllProcessInfo')) {
      const [, type = '', data = ''] =
        /sendRemoteCommEvent[\s\S]*?<string>([^<]*)<\/string>[\s\S]*?<string>([^<]*)<\/string>/.exec(
          call,
        ) ?? [];
      this.#options.onRemoteCommEvent(type, data);
      return ['snapshot', this.#snapshot];
    }
    const methods = Array.from(call.matchAll(/>(supervisor\.\w+)</g), ([, method = '']) => method);
    const results = methods.map(
      (method) => OTHER_RESULTS[method] ?? processInfo(0, this.#options.pid),
    );
    return ['other', replyOf(results)];
  }
}

/** The members of getAllProcessInfo of Supervisor 4.2.5. */
function processInfo(number: number, pid: number): XmlRpcValue {
  const now = Math.floor(Date.now() / 1000);
  return {
    name: `program-${number}`,
    group: 'group-0',
    start: now,
    stop: 0,
    now,
    ...STATE,
    spawnerr: '',
    exitstatus: 0,
    logfile: '',
    stdout_logfile: '',
    stderr_logfile: '',
    pid,
    description: `pid ${pid}, uptime 0:00:02`,
  };
}

/** The members of getAllConfigInfo of Supervisor 4.2.5. */
function configInfo(number: number): XmlRpcValue {
  const ofStream = (stream: string) => ({
    [`${stream}_capture_maxbytes`]: 0,
    [`${stream}_events_enabled`]: false,
    [`${stream}_logfile`]: 'none',
    [`${stream}_logfile_backups`]: 10,
    [`${stream}_logfile_maxbytes`]: 52_428_800,
    [`${stream}_syslog`]: false,
  });
  return {
    autostart: true,
    directory: 'none',
    uid: 'none',
    command: 'sleep 1h',
    exitcodes: [0],
    group: 'group-0',
    group_prio: 999,
    inuse: true,
    killasgroup: false,
    name: `program-${number}`,
    process_prio: 999,
    redirect_stderr: false,
    startretries: 3,
    startsecs: 0,
    ...ofStream('stdout'),
    stopsignal: 15,
    stopwaitsecs: 10,
    ...ofStream('stderr'),
    serverurl: 'none',
  };
}
