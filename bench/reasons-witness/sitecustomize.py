"""Has supervisord write how each process really ended, and what each listener was sent.

Python imports this file at its start where PYTHONPATH names the folder.

The lines of $STORY_DIR/witness are JSON: an event with the wait status that the kernel reported, the
removal of a group, that an event was sent to the process of a listener, or that all processes were asked about.
"""

import fcntl
import functools
import itertools
import json
import os
import time

from supervisor import events, process, rpcinterface
from supervisor.states import getProcessStateDescription

# supervisord closes the low descriptors at its start, and the lowest one is taken for its log.
LOWEST_DESCRIPTOR = 900

numbers = itertools.count()


@functools.lru_cache(maxsize=None)
def witness():
    descriptor = os.open(f"{os.environ['STORY_DIR']}/witness", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    high = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, LOWEST_DESCRIPTOR)
    os.close(descriptor)
    return high


def write(**record):
    os.write(witness(), json.dumps({**record, "at": time.time()}).encode() + b"\n")


spawn = process.Subprocess.spawn
finish = process.Subprocess.finish
notify = events.notify
dispatch = process.EventListenerPool._dispatchEvent
snapshot = rpcinterface.SupervisorNamespaceRPCInterface.getAllProcessInfo


def witnessed_spawn(self):
    self.wait_status = None
    return spawn(self)


def witnessed_finish(self, pid, status):
    self.wait_status = status
    return finish(self, pid, status)


def witnessed_notify(event):
    if isinstance(event, events.ProcessStateEvent):
        of = event.process
        event.number = next(numbers)
        write(
            event=event.number,
            group=of.group.config.name,
            name=of.config.name,
            was=getProcessStateDescription(event.from_state),
            now=getProcessStateDescription(of.state),
            pid=of.pid,
            status=getattr(of, "wait_status", None),
            error=of.spawnerr,
            expected=event.expected,
        )
    elif isinstance(event, events.ProcessGroupRemovedEvent):
        event.number = next(numbers)
        write(event=event.number, group=event.group)
    notify(event)


def witnessed_dispatch(pool, event):
    is_sent = dispatch(pool, event)
    if is_sent and hasattr(event, "number"):
        listener = next(of for of in pool.processes.values() if of.event is event)
        write(sent=event.number, listener=listener.pid)
    return is_sent


def witnessed_snapshot(self):
    write(snapshot=True)
    return snapshot(self)


process.Subprocess.spawn = witnessed_spawn
process.Subprocess.finish = witnessed_finish
events.notify = witnessed_notify
process.EventListenerPool._dispatchEvent = witnessed_dispatch
rpcinterface.SupervisorNamespaceRPCInterface.getAllProcessInfo = witnessed_snapshot
