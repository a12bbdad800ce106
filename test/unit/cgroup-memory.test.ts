import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { openCgroupMemory } from '../../src/resources/cgroup-memory.ts';

const cgroup = suite('memory of the cgroup');

const V2 = '30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate';
const V1 = '35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory';
const V1_OF_CONTAINER =
  '35 31 0:32 /docker/abc /sys/fs/cgroup/memory ro,relatime master:9 - cgroup cgroup rw,memory';
const HYBRID_V2 = '41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw';
const NO_LIMIT = '9223372036854771712';

type Files = Readonly<Record<string, string>>;

const CASES: ReadonlyArray<readonly [title: string, files: Files, expected: unknown]> = [
  [
    'v2 in a container with a limit',
    {
      'proc/self/cgroup': '0::/',
      'proc/self/mountinfo': V2,
      'sys/fs/cgroup/memory.current': '1000',
      'sys/fs/cgroup/memory.max': '4096',
    },
    { usageBytes: 1_000, limitBytes: 4_096 },
  ],
  [
    'v2 in a service whose slice has the limit',
    {
      'proc/self/cgroup': '0::/system.slice/supervisor.service',
      'proc/self/mountinfo': V2,
      'sys/fs/cgroup/system.slice/supervisor.service/memory.current': '1000',
      'sys/fs/cgroup/system.slice/supervisor.service/memory.max': 'max',
      'sys/fs/cgroup/system.slice/memory.max': '8192',
    },
    { usageBytes: 1_000, limitBytes: 8_192 },
  ],
  [
    'v2 without any limit',
    {
      'proc/self/cgroup': '0::/a',
      'proc/self/mountinfo': V2,
      'sys/fs/cgroup/a/memory.current': '1000',
      'sys/fs/cgroup/a/memory.max': 'max',
    },
    { usageBytes: 1_000, limitBytes: undefined },
  ],
  [
    'the root group of v2, which has no usage',
    { 'proc/self/cgroup': '0::/', 'proc/self/mountinfo': V2 },
    undefined,
  ],
  [
    'v1 beside a v2 without the memory controller',
    {
      'proc/self/cgroup': '9:name=systemd:/\n4:memory:/jobs/one\n0::/',
      'proc/self/mountinfo': `${HYBRID_V2}\n${V1}`,
      'sys/fs/cgroup/memory/jobs/one/memory.usage_in_bytes': '1000',
      'sys/fs/cgroup/memory/jobs/one/memory.limit_in_bytes': '4096',
      'sys/fs/cgroup/memory/jobs/memory.limit_in_bytes': '2048',
      'sys/fs/cgroup/memory/memory.limit_in_bytes': NO_LIMIT,
    },
    { usageBytes: 1_000, limitBytes: 2_048 },
  ],
  [
    'v1 in a container that sees the path of its host',
    {
      'proc/self/cgroup': '4:cpu,memory:/docker/abc',
      'proc/self/mountinfo': V1_OF_CONTAINER,
      'sys/fs/cgroup/memory/memory.usage_in_bytes': '1000',
      'sys/fs/cgroup/memory/memory.limit_in_bytes': NO_LIMIT,
    },
    { usageBytes: 1_000, limitBytes: undefined },
  ],
  ['no cgroup', { 'proc/self/mountinfo': '1 1 0:1 / / rw - ext4 /dev/sda rw' }, undefined],
  ['no procfs', {}, undefined],
];

for (const [title, files, expected] of CASES) {
  cgroup(title, () => {
    const root = mkdtempSync(join(tmpdir(), 'supervisor-exporter-cgroup-'));
    try {
      for (const [file, text] of Object.entries(files)) {
        mkdirSync(dirname(join(root, file)), { recursive: true });
        writeFileSync(join(root, file), `${text}\n`);
      }
      assert.equal(openCgroupMemory(root)?.(), expected);
    } finally {
      rmSync(root, { recursive: true });
    }
  });
}

cgroup('this machine', () => {
  const memory = openCgroupMemory()?.();
  assert.ok(memory === undefined || (memory.usageBytes ?? 0) > 0);
});

cgroup.run();
