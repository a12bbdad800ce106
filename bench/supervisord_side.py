"""Takes supervisord's part: hands events to listeners one at a time, and measures each round trip.

Its only argument is a plan in JSON:

    listeners   one command each, as a list of arguments; they take turns
    programs    how many programs the events are about
    children    how many processes to start and report to each listener once, as RUNNING
    childCommand  the command of each child, as a list of arguments
    blocks      how many turns each of them has
    events      how many events a turn has
    warmUp      how many each of them gets unmeasured before the first turn
    pauseMs     mean pause before an event, exponentially distributed; 0: back to back

On stdout, in JSON: for each listener the nanoseconds that each event took.
What the listeners write to stderr goes to stderr.
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

# Linux gives no process a number from here on, so that these are nobody's.
FIRST_PID = 1 << 22
ACKNOWLEDGEMENT = b'RESULT 2\nOKREADY\n'
LONGEST_WAIT_MS = 10_000

# What becomes of each program, over and over: the state it enters and the rest of the payload.
LIFE = [
    ('STARTING', 'from_state:STOPPED tries:0'),
    ('RUNNING', 'from_state:STARTING pid:{pid}'),
    ('EXITED', 'from_state:RUNNING expected:0 pid:{pid}'),
    ('STARTING', 'from_state:EXITED tries:0'),
    ('RUNNING', 'from_state:STARTING pid:{pid}'),
    ('STOPPING', 'from_state:RUNNING pid:{pid}'),
    ('STOPPED', 'from_state:STOPPING pid:{pid}'),
]


def steps(programs, running):
    """Every program takes a step before the first one takes its next."""
    for pid in running:
        yield f'r{pid}', 'RUNNING', f'from_state:STARTING pid:{pid}'
    for step in itertools.count():
        state, rest = LIFE[step % len(LIFE)]
        for number in range(programs):
            yield f'p{number}', state, rest.format(pid=FIRST_PID + number)


def events(programs, running):
    for serial, (name, state, rest) in enumerate(steps(programs, running)):
        payload = f'processname:{name} groupname:{name} {rest}'
        yield (
            f'ver:3.0 server:supervisor serial:{serial} pool:exporter poolserial:{serial} '
            f'eventname:PROCESS_STATE_{state} len:{len(payload)}\n{payload}'
        ).encode()


class Listener:
    def __init__(self, command, programs, running):
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            env={'PATH': os.environ['PATH']},
        )
        self.events = events(programs, running)
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
        """Sends the next `count` events; returns how long each took to be acknowledged."""
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
            listeners.append(Listener(command, plan['programs'], running))
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
