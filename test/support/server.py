"""Opens 20 files, starts 4 threads, burns 0.3 s and waits, as a server might."""

import threading
import time

files = [open('/dev/null', 'rb') for _ in range(20)]
for _ in range(4):
    threading.Thread(target=time.sleep, args=(3600,), daemon=True).start()
while time.process_time() < 0.3:
    pass
time.sleep(3600)
