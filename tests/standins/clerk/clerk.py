"""An agent that does what its request says, so that a test sees what reaches it and what returns.

Signs between a test and the agent are files: `sign` in the request is a folder.
"""

import json
import os
import select
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from driftgate.agentkit.serve import ToolFailed, Tools

if os.environ["CLERK"] == "broken":
    sys.exit("the clerk lost the keys")


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.answer(200, {"status": "Healthy"})

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        getattr(self, asked["do"])(asked)

    def tell(self, asked):
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.answer(200, {"version": os.environ["CLERK"], "pid": os.getpid(), "headers": headers})

    def reply_bytes(self, asked):
        self.answer_bytes(200, "application/json; charset=utf-8", asked["text"].encode())

    def use_tool(self, asked):
        session = self.headers["x-amzn-bedrock-agentcore-runtime-session-id"]
        tools = Tools(os.environ["DRIFTGATE_TOOLS_URL"], session)
        try:
            self.answer(200, {"got": tools.call(asked["tool"], **asked["arguments"])})
        except ToolFailed as failed:
            self.answer(200, {"failed": str(failed)})

    def greet(self, asked):
        self.answer(200, {"answer": "good day"})

    def hang(self, asked):
        """Never answer."""
        select.select([self.connection], [], [], 30)

    def fail(self, asked):
        sys.stderr.write("the clerk fainted\n")
        self.answer(500, {"error": "no clerk today"})

    def die(self, asked):
        sys.stderr.write("the clerk left the building\n")
        os._exit(7)

    def stream(self, asked):
        """Three events; each but the first waits for a sign that the one before was read."""
        self.start(200, "text/event-stream")
        for number in range(3):
            self.wait_for(asked, f"read-{number - 1}" if number else None)
            self.wfile.write(f"data: {number}\n\n".encode())

    def stream_and_die(self, asked):
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("content-length", "1000")
        self.end_headers()
        self.wfile.write(b"data: 0\n\n")
        os._exit(7)

    def wait(self, asked):
        """Never answer; leave a sign when the caller is gone."""
        sign = Path(asked["sign"])
        (sign / "asked").touch()
        readable, _, _ = select.select([self.connection], [], [], 30)
        if readable and not self.connection.recv(1):
            (sign / "dropped").touch()

    def wait_for(self, asked, name):
        deadline = time.monotonic() + 30
        while name and not (Path(asked["sign"]) / name).exists():
            assert time.monotonic() < deadline, f"no sign {name}"
            time.sleep(0.005)

    def start(self, status, kind):
        self.send_response(status)
        self.send_header("content-type", kind)
        self.end_headers()

    def answer(self, status, value):
        self.answer_bytes(status, "application/json", json.dumps(value).encode())

    def answer_bytes(self, status, kind, data):
        self.start(status, kind)
        self.wfile.write(data)

    def log_message(self, format, *values):
        pass


ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
