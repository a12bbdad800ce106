/** Bytes that are almost events, or nothing like them, by a seed. */

import { group, remote, step, tick, wire } from './wire.ts';

/** A small generator of numbers that a seed repeats (mulberry32). */
export function random(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

/** Good events, most of the time; and payloads that are garbage, cut short or unknown. All can be framed. */
export function framed(pick: (below: number) => number, serial: number): string {
  const names = ['cat', 'wörker-é', '🚀', 'a.b-c_d'];
  const name = names[pick(names.length)] ?? 'cat';
  const good = [
    step(serial, `${name}:${name}`, 'STOPPED>STARTING', 'tries:0'),
    step(serial, `${name}:${name}`, 'RUNNING>EXITED', 'expected:0 pid:7'),
    tick(serial, 5, pick(1e9)),
    group(serial, pick(2) === 0 ? 'ADDED' : 'REMOVED', name),
    remote(serial, 'any', '\u0000\n len:7\n'),
    wire({ name: 'SUPERVISOR_STATE_CHANGE_RUNNING', serial }),
  ];
  const bad = [
    wire({ name: 'PROCESS_STATE_EXITED', serial, payload: garbage(pick) }),
    wire({ name: 'PROCESS_STATE_RUNNING', serial, payload: 'processname:cat groupname' }),
    wire({ name: garbageWord(pick), serial, payload: garbage(pick) }),
    wire({ name: 'TICK_60', serial, payload: '' }),
    'not a header at all len:0\n',
  ];
  const pool = pick(3) === 0 ? bad : good;
  return pool[pick(pool.length)] ?? tick(serial, 5, 5);
}

/** Bytes that cannot be framed, whatever follows them. */
export function unframeable(pick: (below: number) => number): Buffer {
  const kinds = [
    Buffer.from('no length here\n'),
    Buffer.from(`ver:3.0 len:-${1 + pick(99)}\n`),
    // No safe integer.
    Buffer.from(`ver:3.0 len:${'9'.repeat(17 + pick(300))}\n`),
    Buffer.from(Array.from({ length: 50 }, () => 128 + pick(128)).concat(10)),
    Buffer.from('\n'),
    Buffer.alloc(70_000, 'x'),
  ];
  return kinds[pick(kinds.length)] ?? Buffer.from('\n');
}

/** Cuts bytes anywhere. */
export function chop(pick: (below: number) => number, bytes: Buffer): Buffer[] {
  const chunks: Buffer[] = [];
  for (let start = 0; start < bytes.length; ) {
    const end = start + 1 + pick(pick(4) === 0 ? 2_000 : 40);
    chunks.push(bytes.subarray(start, end));
    start = end;
  }
  return chunks;
}

function garbage(pick: (below: number) => number): string {
  return Array.from({ length: pick(200) }, () =>
    String.fromCodePoint([pick(128), 32 + pick(900), 0x1f600 + pick(60)][pick(3)] ?? 63),
  ).join('');
}

function garbageWord(pick: (below: number) => number): string {
  return Array.from({ length: 1 + pick(20) }, () => String.fromCharCode(33 + pick(90))).join('');
}
