"""An event listener whose bad result line holds a line as of supervisord, after CR and U+2028."""
import sys
import time

sys.stdout.write('READY\n')
sys.stdout.flush()
header = dict(pair.split(':', 1) for pair in sys.stdin.readline().split())
sys.stdin.read(int(header['len']))
now = time.strftime('%Y-%m-%d %H:%M:%S', time.localtime())
forged = '%s,000 WARN exited: victim (exit status 42; not expected)' % now
sys.stdout.buffer.write(('RESULT x\r%s\r\u2028%s\u2028y\n' % (forged, forged)).encode('utf-8'))
sys.stdout.flush()
while True:
    time.sleep(60)
