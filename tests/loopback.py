"""A server on loopback that misbehaves as it is told."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TAG = '"v1"'


class Server(ThreadingHTTPServer):
    """Serves one file; each request takes the next of the script's answers, then good ones.

    Attributes:
        data: the file.
        script: answers to come; dictionaries of what is told in `Handler.do_GET`.
        ranges: the `Range` of each request so far, None where it has none.
        released: stalled answers end when it is set.
    """

    daemon_threads = True

    def __init__(self, data, script):
        super().__init__(("127.0.0.1", 0), Handler)
        self.data, self.script, self.ranges = data, list(script), []
        self.released = threading.Event()
        self.url = f"http://127.0.0.1:{self.server_address[1]}/zips/file.zip"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        asked = self.headers.get("Range")
        self.server.ranges.append(asked)
        how = self.server.script.pop(0) if self.server.script else {}
        data, tag = how.get("data", self.server.data), how.get("tag", TAG)
        start = int(asked[6:-1]) if asked else 0
        if asked and (how.get("no ranges") or self.headers.get("If-Range") != tag):
            start = 0
        body = data[start:] if start < len(data) else b""
        status = how.get("status") or (416 if start and not body else 206 if start else 200)
        self.send_response(status)
        if status == 206:
            begin = start + how.get("shift", 0)
            self.send_header("Content-Range", f"bytes {begin}-{len(data) - 1}/{len(data)}")
        if tag:
            self.send_header("ETag", tag)
        if not how.get("no length"):
            self.send_header("Content-Length", str(len(body) + how.get("lie", 0)))
        if how.get("chunked"):
            self.send_header("Transfer-Encoding", "chunked")
        for name, value in how.get("headers", {}).items():
            self.send_header(name, value)
        self.end_headers()
        self._send(body if status in {200, 206} else b"", how)

    def _send(self, body, how):
        try:
            if how.get("chunked"):
                body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
            self.wfile.write(body[: how.get("until")])
            self.wfile.flush()
            if how.get("stall"):
                self.server.released.wait(10)
        except OSError:  # the client has left
            pass

    def log_message(self, *_):
        pass


@contextmanager
def serving(data: bytes, *script: dict) -> Iterator[Server]:
    server = Server(data, script)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.released.set()
        server.shutdown()
        thread.join()
        server.server_close()
