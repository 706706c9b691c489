"""The form's server (uvicorn): one local process behind a proxy that holds the certificate."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

from retention_kit.errors import ReportError, SettingsError
from retention_kit.survey.store import Store

_MAX_REQUESTS = 2_000  # concurrent ones; others get status 503


def serve(
    path: Path,
    host: str = "127.0.0.1",
    port: int = 8000,
    *,
    company: str = "",
    public_url: str = "",
    root_path: str = "",
    ready: Callable[[str], None] = lambda _: None,
) -> None:
    """Serve the form of a store until the process is stopped; `ready` is called with its address.

    Requests are not logged: their paths contain the tokens. Raises SettingsError if the extra `survey` is not
    installed, ReportError if the address cannot be used.
    """
    try:
        import uvicorn

        from retention_kit.survey.app import make_app
    except ModuleNotFoundError as error:
        template = "The form cannot be served ({error}): pip install 'retention-kit[survey]'."
        raise SettingsError(template, error=error) from None
    store = Store(path)
    listener = _listen(host, port)
    try:
        config = uvicorn.Config(
            make_app(store, company, public_url, root_path),
            access_log=False,
            date_header=True,
            lifespan="off",
            limit_concurrency=_MAX_REQUESTS,
            log_level="error",
            server_header=False,
            timeout_graceful_shutdown=5,
            ws="none",
        )
        address, number = listener.getsockname()[:2]
        ready(f"http://{f'[{address}]' if ':' in address else address}:{number}{root_path}")
        uvicorn.Server(config).run([listener])
    finally:
        listener.close()
        store.close()


def _listen(host: str, port: int) -> socket.socket:
    listener = None
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(_MAX_REQUESTS)  # from here on connections are accepted
    except OSError as error:
        if listener:
            listener.close()
        template = "The form cannot be served at {host}:{port}: {reason}."
        raise ReportError(template, host=host, port=port, reason=error.strerror) from None
    return listener
