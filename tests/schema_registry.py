"""A small stand-in for a schema registry: the worker's two verbs, with the ids and errors of the real one."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote


class Registry(ThreadingHTTPServer):
    """Schemas by subject; `credentials` are asked for if they are set, `answer` replaces every answer, and
    `location` is the header of that name in them; `asked` are the methods and credentials that arrived."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.subjects: dict[str, list[str]] = {}
        self.ids: dict[str, int] = {}
        self.credentials: tuple[str, str] | None = None
        self.answer: tuple[int, bytes] | None = None
        self.location: str | None = None
        self.asked: list[tuple[str, str | None]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/api"

    def answered(self, path: str, body: dict[str, str]) -> tuple[int, dict[str, object]]:
        parts = [unquote(part) for part in path.removeprefix("/api/").split("/")]
        if not path.startswith("/api/subjects/"):
            return 404, {"message": "no such page"}
        subject, schema = parts[1], body["schema"]
        versions = self.subjects.get(subject, [])
        if parts[2:] == ["versions"]:
            if schema not in versions:
                self.subjects.setdefault(subject, []).append(schema)
            return 200, {"id": self.ids.setdefault(schema, len(self.ids) + 1)}
        if not versions:
            return 404, {"error_code": 40401, "message": f"Subject '{subject}' not found."}
        if schema not in versions:
            return 404, {"error_code": 40403, "message": "Schema not found"}
        return 200, {"id": self.ids[schema]}


class _Handler(BaseHTTPRequestHandler):
    server: Registry

    def do_GET(self) -> None:
        """No verb of the worker's."""
        self.server.asked.append((self.command, self.headers["authorization"]))
        self.send_error(405)

    def do_POST(self) -> None:
        self.server.asked.append((self.command, self.headers["authorization"]))
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        assert body["schemaType"] == "JSON"
        credentials = self.server.credentials
        token = "" if credentials is None else base64.b64encode(":".join(credentials).encode()).decode()
        if credentials is not None and self.headers["authorization"] != f"Basic {token}":
            status, answer = 401, json.dumps({"error_code": 401, "message": "Unauthorized"}).encode()
        elif self.server.answer is not None:
            status, answer = self.server.answer
        else:
            status, told = self.server.answered(self.path, body)
            answer = json.dumps(told).encode()
        self.send_response(status)
        if self.server.location is not None:
            self.send_header("location", self.server.location)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *arguments: object) -> None:
        """Nobody reads it."""


@contextmanager
def registry() -> Iterator[Registry]:
    with Registry() as listening:
        thread = threading.Thread(target=listening.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield listening
        finally:
            listening.shutdown()
            thread.join()
