"""An event listener that rejects each event twice before it takes it."""

import sys

rejections = {}

while True:
    sys.stdout.write("READY\n")
    sys.stdout.flush()
    header = sys.stdin.readline()
    if not header:
        break
    fields = dict(field.split(":", 1) for field in header.split())
    sys.stdin.read(int(fields["len"]))
    serial = fields["serial"]
    rejections[serial] = rejections.get(serial, 0) + 1
    sys.stdout.write("RESULT 2\nOK" if rejections[serial] > 2 else "RESULT 4\nFAIL")
    sys.stdout.flush()
