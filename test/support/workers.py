"""Keeps up to four workers that burn some CPU time and end, until the file in its argument is there."""

import os
import random
import sys
import time


def burn(seconds):
    end = time.process_time() + seconds
    while time.process_time() < end:
        os.getppid()


workers = set()
while not os.path.exists(sys.argv[1]):
    if len(workers) < 4:
        pid = os.fork()
        if pid == 0:
            # Half of it in a child of its own.
            grandchild = os.fork()
            burn(random.uniform(0, 0.03))
            if grandchild == 0:
                os._exit(0)
            os.waitpid(grandchild, 0)
            os._exit(0)
        workers.add(pid)
    pid, _ = os.waitpid(-1, os.WNOHANG)
    workers.discard(pid)
    time.sleep(0.002)
for pid in workers:
    os.waitpid(pid, 0)
time.sleep(3600)
