"""A server for webhooks that fails as it is told and remembers what it took."""

from __future__ import annotations

import json
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

import trustme

from retention_kit.delivery.webhooks import Webhook

SECRET = "T0KEN9x8y7z6"


class ReceivedRequest(NamedTuple):
    """A body that the server has, and what stood above it."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def payload(self) -> Any:
        return json.loads(self.body)


class HookServer:
    """What it says: `reply` gets how often it was asked before and returns status, headers and body.

    `after` is called when the body was taken and before it is answered; returning True, it hangs up.
    """

    def __init__(self, url: str, context: ssl.SSLContext | None):
        self.url, self.context = url, context
        self.received: list[ReceivedRequest] = []
        self.requests = 0
        self.reply: Callable[[int], tuple[int, dict[str, str], bytes]] = lambda _: (200, {}, b"ok")
        self.after: Callable[[int], bool] = lambda _: False

    def hook(self, kind: str = "webhook", name: str = "CRM", **changes: Any) -> Webhook:
        changes = {"timeout": 1, "deadline": 3, "context": self.context} | changes
        return Webhook(kind, name, self.url, **changes)


@contextmanager
def hook_server(tls: bool = False, name: str = "127.0.0.1", trusted: bool = True) -> Iterator[HookServer]:
    """A server on the loopback, over TLS with a certificate for `name`."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            number, server.requests = server.requests, server.requests + 1
            length = int(self.headers["Content-Length"])
            body = self.rfile.read(length)
            if len(body) < length:  # the sender ended between headers and body: nothing was said
                return
            server.received.append(ReceivedRequest(self.path, dict(self.headers.items()), body))
            if server.after(number):
                self.hang_up()
                return
            status, headers, content = server.reply(number)
            self.send_response(status)
            for key, value in headers.items():
                self.send_header(key, value)
            self.end_headers()
            self.wfile.write(content)

        def hang_up(self) -> None:
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.close_connection = True

        def log_message(self, *_: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: Any) -> None:
            pass

    serving = Server(("127.0.0.1", 0), Handler)
    outside = None
    if tls:
        authority, inside = trustme.CA(), ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert(name).configure_cert(inside)
        outside = ssl.create_default_context()
        if trusted:
            authority.configure_trust(outside)
        serving.socket = inside.wrap_socket(serving.socket, server_side=True)
    url = f"http{'s' * tls}://127.0.0.1:{serving.server_port}/services/{SECRET}?sig={SECRET}q"
    server = HookServer(url, outside)
    thread = threading.Thread(target=serving.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        serving.shutdown()
        serving.server_close()
