"""A server that serves the pages from api/page and answers what a test tells it to.

It sends the very Content-Security-Policy of api/routes/page_routes.cc, and keeps the requests that
came, so that a test sees both sides.
"""

import collections
import dataclasses
import http.server
import json
import pathlib
import re
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[3]
PAGE = ROOT / "api/page"
TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


def policy():
    source = (ROOT / "api/routes/page_routes.cc").read_text()
    literals = re.search(r"kPolicy =\s*((?:\"[^\"]*\"\s*)+);", source).group(1)
    return "".join(re.findall(r"\"([^\"]*)\"", literals))


@dataclasses.dataclass
class Answer:
    """What one request gets. A piece is text, a dictionary (a whole delta), or an Event to wait for."""

    pieces: list
    status: int = 200
    message: str = ""  # of an error; with status 200 it comes after the pieces, inside the stream
    retry_after: int = None
    delay: float = 0.0  # seconds before each piece
    cut_bytes: int = 0  # sends so many bytes at a time
    finish: str = "stop"
    breaks_off: bool = False  # the connection ends after the pieces
    left: threading.Event = dataclasses.field(default_factory=threading.Event)  # the client did


class ScriptedServer(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.capabilities = ["completion", "chat"]
        self.key = None
        self.policy = policy()
        self.requests = []  # (path, headers, body)
        self.metrics = ""  # of /metrics; None: 500
        self.num_scrapes = 0
        self.answers = collections.deque()
        self.url = f"http://127.0.0.1:{self.server_port}/"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def will(self, *answers):
        """The next requests get these; without any, a short greeting."""
        self.answers.extend(answers)
        return answers[-1]

    def handle_error(self, request, client_address):
        pass  # clients that leave are part of the tests


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def reply(self, status, content_type, body, headers=()):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def reply_error(self, status, message, headers=()):
        body = {"error": {"message": message, "type": "error", "param": None, "code": None}}
        self.reply(status, "application/json", json.dumps(body).encode(), headers)

    def do_GET(self):
        if self.path == "/v1/models":
            model = {"id": "scripted-model", "object": "model", "created": 0, "owned_by": "test",
                     "max_model_len": 32768, "capabilities": self.server.capabilities}
            body = json.dumps({"object": "list", "data": [model]}).encode()
            return self.reply(200, "application/json", body)
        if self.path == "/metrics":
            return self.reply_metrics()
        known = {"/": "index.html", "/dashboard": "dashboard.html", "/favicon.ico": "favicon.svg"}
        name = known.get(self.path, self.path.removeprefix("/assets/"))
        file = PAGE / name
        if "/" in name or not file.is_file():
            return self.reply_error(404, "there is no such file")
        headers = [("Content-Security-Policy", self.server.policy),
                   ("X-Content-Type-Options", "nosniff"), ("Cache-Control", "no-store")]
        self.reply(200, TYPES[file.suffix] + "; charset=utf-8", file.read_bytes(), headers)

    def reply_metrics(self):
        self.server.num_scrapes += 1
        key = self.server.key
        if key is not None and self.headers["Authorization"] != f"Bearer {key}":
            return self.reply_error(401, "the API key is missing or wrong")
        if self.server.metrics is None:
            return self.reply_error(500, "the metrics are out of order")
        self.reply(200, "text/plain; version=0.0.4", self.server.metrics.encode())

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.requests.append((self.path, dict(self.headers), body))
        key = self.server.key
        if key is not None and self.headers["Authorization"] != f"Bearer {key}":
            return self.reply_error(401, "the API key is missing or wrong")
        answers = self.server.answers
        answer = answers.popleft() if answers else Answer(["Hello", " there", "."])
        if answer.status != 200:
            wait = answer.retry_after
            headers = [] if wait is None else [("Retry-After", str(wait))]
            return self.reply_error(answer.status, answer.message, headers)
        try:
            self.stream(answer, is_chat=self.path == "/v1/chat/completions")
        except OSError:
            answer.left.set()

    def stream(self, answer, is_chat):
        self.close_connection = True
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.send_header("Connection", "close")
        self.end_headers()
        if is_chat:
            self.send_chunk(answer, {"delta": {"role": "assistant", "content": ""}})
        self.send_bytes(answer, b": keep-alive\n\n")
        num_pieces = 0
        for piece in answer.pieces:
            if isinstance(piece, threading.Event):
                piece.wait(10)
                continue
            time.sleep(answer.delay)
            num_pieces += 1
            delta = piece if isinstance(piece, dict) else {"content": piece}
            self.send_chunk(answer, {"delta": delta} if is_chat else {"text": piece})
        if answer.breaks_off:
            return
        if answer.message:
            error = {"message": answer.message, "type": "server_error", "param": None, "code": None}
            return self.send_event(answer, {"error": error})
        self.send_chunk(answer, {"delta": {}, "finish_reason": answer.finish} if is_chat
                        else {"text": "", "finish_reason": answer.finish})
        usage = {"prompt_tokens": 12, "completion_tokens": num_pieces,
                 "total_tokens": 12 + num_pieces, "prompt_tokens_details": {"cached_tokens": 8}}
        self.send_event(answer, {"choices": [], "usage": usage})
        self.send_bytes(answer, b"data: [DONE]\n\n")

    def send_chunk(self, answer, choice):
        choice = {"index": 0, "finish_reason": None, "logprobs": None, **choice}
        self.send_event(answer, {"choices": [choice], "usage": None})

    def send_event(self, answer, value):
        text = f"data: {json.dumps(value, ensure_ascii=False)}\n\n"
        self.send_bytes(answer, text.encode())

    def send_bytes(self, answer, data):
        step = answer.cut_bytes or len(data)
        for start in range(0, len(data), step):
            self.wfile.write(data[start:start + step])
            self.wfile.flush()
