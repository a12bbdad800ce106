"""Takes the part of supervisord: sends events to listeners one at a time and measures round trips.

Its only argument is a plan in JSON:

    listeners   the command of each listener, as a list of arguments
    processes   how many processes the events are about
    children    how many processes to start and report to each listener once, as RUNNING
    childCommand  the command of each child, as a list of arguments
    blocks      how many blocks of events each listener gets; the listeners alternate
    events      the number of events in a block
    warmUp      the number of unmeasured events that each listener gets first
    pauseMs     mean pause before an event, exponentially distributed; 0 for none

Prints in JSON, per listener, the nanoseconds that each event took.
The listeners inherit stderr.
"""

import gc
import itertools
import json
import os
import random
import select
import signal
import subprocess
import sys
import time

# Linux assigns no pid from here on.
FIRST_PID = 1 << 22
ACKNOWLEDGEMENT = b'RESULT 2\nOKREADY\n'
LONGEST_WAIT_MS = 10_000

# The repeated transitions of each process: the new state and the rest of the payload.
TRANSITIONS = [
    ('STARTING', 'from_state:STOPPED tries:0'),
    ('RUNNING', 'from_state:STARTING pid:{pid}'),
    ('EXITED', 'from_state:RUNNING expected:0 pid:{pid}'),
    ('STARTING', 'from_state:EXITED tries:0'),
    ('RUNNING', 'from_state:STARTING pid:{pid}'),
    ('STOPPING', 'from_state:RUNNING pid:{pid}'),
    ('STOPPED', 'from_state:STOPPING pid:{pid}'),
]


def transitions(processes, running):
    """Each process makes one transition before the first process makes its next."""
    for pid in running:
        yield f'r{pid}', 'RUNNING', f'from_state:STARTING pid:{pid}'
    for step in itertools.count():
        state, rest = TRANSITIONS[step % len(TRANSITIONS)]
        for number in range(processes):
            yield f'p{number}', state, rest.format(pid=FIRST_PID + number)


def events(processes, running):
    for serial, (name, state, rest) in enumerate(transitions(processes, running)):
        payload = f'processname:{name} groupname:{name} {rest}'
        yield (
            f'ver:3.0 server:supervisor serial:{serial} pool:exporter poolserial:{serial} '
            f'eventname:PROCESS_STATE_{state} len:{len(payload)}\n{payload}'
        ).encode()


class Listener:
    def __init__(self, command, processes, running):
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            env={'PATH': os.environ['PATH']},
        )
        self.events = events(processes, running)
        self.stdin = self.process.stdin.fileno()
        self.stdout = self.process.stdout.fileno()
        os.set_blocking(self.stdin, False)
        os.set_blocking(self.stdout, False)
        self.poller = select.poll()
        self.poller.register(self.stdout, select.POLLIN | select.POLLPRI | select.POLLHUP)

    def expect(self, wanted):
        answer = b''
        while answer != wanted:
            if not self.poller.poll(LONGEST_WAIT_MS):
                raise RuntimeError(f'no answer from {self.process.args}')
            data = os.read(self.stdout, 1 << 17)
            answer += data
            if not data or not wanted.startswith(answer):
                raise RuntimeError(f'{answer!r} from {self.process.args}')

    def round_trips(self, count, pause_ms):
        """Sends `count` events and returns the nanoseconds to each acknowledgement."""
        block = list(itertools.islice(self.events, count))
        pauses = [random.expovariate(1000 / pause_ms) if pause_ms else 0 for _ in block]
        taken = []
        for event, pause in zip(block, pauses):
            if pause:
                time.sleep(pause)
            began = time.perf_counter_ns()
            os.write(self.stdin, event)
            self.expect(ACKNOWLEDGEMENT)
            taken.append(time.perf_counter_ns() - began)
        return taken

    def end(self):
        self.process.kill()
        self.process.wait()


def measure(plan):
    listeners = []
    children = [
        subprocess.Popen(plan['childCommand'], stdin=subprocess.DEVNULL, start_new_session=True)
        for _ in range(plan.get('children', 0))
    ]
    try:
        running = [child.pid for child in children]
        for command in plan['listeners']:
            listeners.append(Listener(command, plan['processes'], running))
        for listener in listeners:
            listener.expect(b'READY\n')
            listener.round_trips(plan['warmUp'], 0)
        gc.collect()
        gc.disable()
        taken = [[] for _ in listeners]
        for _ in range(plan['blocks']):
            for listener, so_far in zip(listeners, taken):
                so_far += listener.round_trips(plan['events'], plan['pauseMs'])
        return taken
    finally:
        for listener in listeners:
            listener.end()
        for child in children:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()


json.dump(measure(json.loads(sys.argv[1])), sys.stdout)
