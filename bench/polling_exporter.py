"""An exporter that polls: calls getAllProcessInfo at each scrape and exports the states.

usage: polling_exporter.py XML-RPC-URL PORT
"""

import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from xmlrpc.client import ServerProxy

UP = (10, 20)  # STARTING, RUNNING


def render(processes):
    """A process that is down has no start time."""
    yield "# TYPE supervisord_up gauge"
    for process in processes:
        yield sample("supervisord_up", process, int(process["state"] in UP))
    yield "# TYPE supervisord_state gauge"
    for process in processes:
        yield sample("supervisord_state", process, process["state"])
    yield "# TYPE supervisord_exit_status gauge"
    for process in processes:
        yield sample("supervisord_exit_status", process, process["exitstatus"])
    yield "# TYPE supervisord_start_time_seconds gauge"
    for process in processes:
        if process["state"] in UP:
            yield sample("supervisord_start_time_seconds", process, process["start"])


def sample(metric, process, value):
    return f'{metric}{{name="{process["name"]}",group="{process["group"]}"}} {value}'


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        processes = ServerProxy(sys.argv[1]).supervisor.getAllProcessInfo()
        body = "".join(line + "\n" for line in render(processes)).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


HTTPServer(("127.0.0.1", int(sys.argv[2])), Handler).serve_forever()
