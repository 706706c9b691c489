"""The form's server (uvicorn): one process on this machine, behind a proxy that has the certificate."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

from retention_kit.errors import ReportError, SettingsError
from retention_kit.survey.store import Store

_AT_ONCE = 2_000  # requests; more are told to come again


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
    """Serve the form of a store until the process is told to end; `ready` is told where, once it is.

    Requests are logged nowhere: their paths hold the tokens. Raises SettingsError where the extra `survey` is not
    installed, ReportError where the address cannot be had.
    """
    try:
        import uvicorn

        from retention_kit.survey.app import make_app
    except ModuleNotFoundError as error:
        raise SettingsError(
            "The form cannot be served ({error}): pip install 'retention-kit[survey]'.", error=error
        ) from None
    store = Store(path)
    listening = _listen(host, port)
    try:
        config = uvicorn.Config(
            make_app(store, company, public_url, root_path),
            access_log=False,
            date_header=True,
            lifespan="off",
            limit_concurrency=_AT_ONCE,
            log_level="error",
            server_header=False,
            timeout_graceful_shutdown=5,
            ws="none",
        )
        at, number = listening.getsockname()[:2]
        ready(f"http://{f'[{at}]' if ':' in at else at}:{number}{root_path}")
        uvicorn.Server(config).run([listening])
    finally:
        listening.close()
        store.close()


def _listen(host: str, port: int) -> socket.socket:
    listening = None
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, kind, protocol)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(_AT_ONCE)  # from here on nobody is turned away
    except OSError as error:
        if listening:
            listening.close()
        raise ReportError(
            "The form cannot be served at {host}:{port}: {reason}.", host=host, port=port, reason=error.strerror
        ) from None
    return listening
