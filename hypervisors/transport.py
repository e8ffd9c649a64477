"""HTTP to one agent, on requests: verified before a byte is sent, bounded in bytes and time, nothing followed.

requests reads environment variables, follows redirects, and keeps on reading as long as a peer drips a byte now and
then. Here none of that holds: the session ignores the environment, its adapter knows one peer and one TLS context, the
connection checks pin and deny-list as soon as the handshake is over, and the socket has a deadline and a budget of
bytes for each exchange.
"""

from __future__ import annotations

import http.cookiejar
import ssl
import threading
import time
import uuid
import weakref
from collections.abc import Iterable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, BinaryIO

import requests
import requests.adapters
from django.conf import settings
from django.dispatch import receiver
from urllib3 import HTTPSConnectionPool
from urllib3.connection import HTTPSConnection
from urllib3.exceptions import HTTPError

from common.sentences import gettext as _

from .errors import BadAnswer
from .failures import BudgetSpentError, as_agent_error
from .signals import hypervisor_removed
from .tls import AgentTls

MAX_SCREENSHOT_BYTES = 32 * 1024 * 1024
MAX_LIST_BYTES = 16 * 1024 * 1024
MAX_BODY_BYTES = 1024 * 1024
_OVERHEAD_BYTES = 1024 * 1024
"""What headers and framing may take beside the longest body."""
_CHUNK_BYTES = 64 * 1024
_IDLE_CONNECTIONS = 4
_seconds: ContextVar[float | None] = ContextVar("eve_exchange_seconds", default=None)
"""How long the present exchange may take, from the session to its connection, through requests and urllib3."""


Body = bytes | BinaryIO | Iterable[bytes] | None
"""What a request carries. An open file or an iterable is sent as it is read, never held as a whole, and cannot be sent again."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What an agent answered."""

    status: int
    headers: requests.structures.CaseInsensitiveDict[str]
    body: bytes
    peer_fingerprint: str
    """Of the certificate that the connection was verified by."""


class BoundedSocket(ssl.SSLSocket):
    """A TLS socket that gives up at a deadline and after a budget of bytes, however its peer drips."""

    deadline: float | None = None
    """By the monotonic clock; None for none."""
    budget_bytes = 0

    def begin(self, *, seconds: float, budget_bytes: int) -> None:
        """An exchange begins."""
        self.deadline, self.budget_bytes = time.monotonic() + seconds, budget_bytes

    def recv_into(self, buffer: Any, nbytes: int | None = None, flags: int = 0) -> int:
        """As ssl.SSLSocket. Raises TimeoutError and BudgetSpentError too."""
        self._keep_time()
        count = super().recv_into(buffer, nbytes, flags)
        if self.deadline is not None:
            self.budget_bytes -= count
            if self.budget_bytes < 0:
                raise BudgetSpentError("the answer is too long")
        return count

    def send(self, data: Any, flags: int = 0) -> int:
        """As ssl.SSLSocket; sendall calls it. Raises TimeoutError and BrokenPipeError too.

        A peer that refuses Eve's certificate closes while Eve already sends (TLS 1.3). After BrokenPipeError urllib3
        still reads, and so learns why.
        """
        self._keep_time()
        try:
            return super().send(data, flags)
        except ssl.SSLEOFError as error:
            raise BrokenPipeError("the peer has closed the connection") from error

    def _keep_time(self) -> None:
        if self.deadline is not None:
            left = self.deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError("the answer takes too long")
            self.settimeout(left)


class PinnedConnection(HTTPSConnection):
    """Checks its peer after the handshake, and bounds each exchange."""

    def __init__(self, *args: Any, trust: AgentTls, open_connections: weakref.WeakSet[Any], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._trust = trust
        self._open_connections = open_connections
        self.peer_fingerprint = ""

    def connect(self) -> None:
        """TCP, TLS, pin. Raises NotTrusted, with nothing sent."""
        self._open_connections.add(self)
        super().connect()
        try:
            self.peer_fingerprint = self._trust.check(self.bounded_socket)
        except BaseException:
            self.close()
            raise

    def request(self, *args: Any, **kwargs: Any) -> None:
        """Sends a request."""
        if self.sock is None:
            self.connect()
        self.bounded_socket.begin(
            seconds=_seconds.get() or settings.AGENT_REQUEST_TIMEOUT_SECONDS,
            budget_bytes=MAX_SCREENSHOT_BYTES + _OVERHEAD_BYTES,
        )
        super().request(*args, **kwargs)

    def cut(self) -> None:
        """Ends the connection under whoever uses it, from any thread."""
        sock = self.sock
        if isinstance(sock, ssl.SSLSocket):
            try:
                super(ssl.SSLSocket, sock).shutdown(2)
            except OSError:
                return

    @property
    def bounded_socket(self) -> BoundedSocket:
        """The socket, after :meth:`connect`."""
        assert isinstance(self.sock, BoundedSocket)
        return self.sock


class PinnedAdapter(requests.adapters.HTTPAdapter):
    """Sends every request to one agent, whatever the request's address or the session's settings say."""

    def __init__(self, trust: AgentTls) -> None:
        super().__init__()
        trust.context.sslsocket_class = BoundedSocket
        self.open_connections: weakref.WeakSet[PinnedConnection] = weakref.WeakSet()
        self._pool = HTTPSConnectionPool(
            f"[{trust.host}]" if ":" in trust.host else trust.host,
            trust.port,
            maxsize=_IDLE_CONNECTIONS,
            ssl_context=trust.context,
            server_hostname=trust.server_name,
            trust=trust,
            open_connections=self.open_connections,
        )
        self._pool.ConnectionCls = PinnedConnection

    def get_connection_with_tls_context(self, *_args: Any, **_kwargs: Any) -> HTTPSConnectionPool:
        """The agent's pool."""
        return self._pool

    def cert_verify(self, *_args: Any, **_kwargs: Any) -> None:
        """Nothing: the context verifies, and no argument can change it."""

    def close(self) -> None:
        """Closes idle connections; busy ones end with their exchange."""
        self._pool.close()

    def cut(self) -> None:
        """Closes idle connections and cuts busy ones."""
        self.close()
        for connection in list(self.open_connections):
            connection.cut()


class AgentSession:
    """Requests to one agent over kept connections; may be used from several threads."""

    def __init__(self, trust: AgentTls) -> None:
        self.trust = trust
        self._adapter = PinnedAdapter(trust)
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.cookies.set_policy(http.cookiejar.DefaultCookiePolicy(allowed_domains=[]))
        self._session.adapters.clear()
        self._session.mount("https://", self._adapter)

    def exchange(
        self,
        method: str,
        path: str,
        *,
        headers: dict[str, str],
        body: Body,
        limit: int,
        seconds: float | None = None,
    ) -> Answer:
        """One request and its answer, whose body has at most `limit` bytes. Raises AgentError.

        It takes at most `seconds` (by default settings.AGENT_REQUEST_TIMEOUT_SECONDS) once it is connected.

        A kept connection that the agent closed in the meantime is replaced once: every request of the contract may be
        repeated without harm. Only a `body` that is sent as it is read cannot be: its caller asks how far it came.
        """
        mark = _seconds.set(seconds)
        try:
            return self._exchange(method, path, headers, body, limit)
        except requests.ConnectionError as error:
            if not _was_closed(error) or not isinstance(body, bytes | None):
                raise as_agent_error(error, self.trust) from error
            return self._exchange_again(method, path, headers, body, limit)
        except (requests.RequestException, HTTPError, OSError) as error:
            raise as_agent_error(error, self.trust) from error
        finally:
            _seconds.reset(mark)

    def close(self) -> None:
        """Ends connections once they are idle."""
        self._adapter.close()

    def cut(self) -> None:
        """Ends all connections, busy ones too."""
        self._adapter.cut()

    def _exchange_again(self, method: str, path: str, headers: dict[str, str], body: Body, limit: int) -> Answer:
        try:
            return self._exchange(method, path, headers, body, limit)
        except (requests.RequestException, HTTPError, OSError) as error:
            raise as_agent_error(error, self.trust) from error

    def _exchange(self, method: str, path: str, headers: dict[str, str], body: Body, limit: int) -> Answer:
        response = self._session.request(
            method,
            f"https://{self.trust.server_name}{path}",
            headers={"Accept-Encoding": "identity", **headers},
            data=body,
            allow_redirects=False,
            stream=True,
            timeout=(settings.AGENT_CONNECT_TIMEOUT_SECONDS, settings.AGENT_REQUEST_TIMEOUT_SECONDS),
        )
        with response:
            connection = response.raw.connection
            peer = connection.peer_fingerprint if isinstance(connection, PinnedConnection) else ""
            if "Content-Encoding" in response.headers:
                raise BadAnswer(_("%(name)s compressed its answer, unasked.") % {"name": self.trust.name})
            return Answer(response.status_code, response.headers, self._read(response, limit), peer)

    def _read(self, response: requests.Response, limit: int) -> bytes:
        parts, size = [], 0
        for part in response.raw.stream(_CHUNK_BYTES, decode_content=False):
            size += len(part)
            if size > limit:
                raise BadAnswer(
                    _("%(name)s answered more than the %(limit)d MiB that Eve takes.")
                    % {"name": self.trust.name, "limit": limit // 2**20}
                )
            parts.append(part)
        return b"".join(parts)


def _was_closed(error: requests.ConnectionError) -> bool:
    """Whether the connection ended before a byte of the answer came, as one that was kept too long does."""
    cause: object = error.args[0] if error.args else None
    inner = cause.args[-1] if isinstance(cause, HTTPError) and cause.args else cause
    return isinstance(inner, ConnectionResetError | BrokenPipeError | ssl.SSLEOFError)


_sessions: dict[uuid.UUID, AgentSession] = {}
_lock = threading.Lock()


def session_for(hypervisor_id: uuid.UUID, trust: AgentTls) -> AgentSession:
    """The kept session to that agent if nothing has changed, else a new one; the former ends with what it is doing."""
    with _lock:
        former = _sessions.get(hypervisor_id)
        if former is not None and former.trust == trust:
            return former
        session = _sessions[hypervisor_id] = AgentSession(trust)
    if former is not None:
        former.close()
    return session


def drop_idle(hypervisor_id: uuid.UUID) -> None:
    """The next request to that agent goes over a new connection; others end in peace."""
    with _lock:
        former = _sessions.pop(hypervisor_id, None)
    if former is not None:
        former.close()


def drop_session(hypervisor_id: uuid.UUID) -> None:
    """Cuts what connects this process to that agent."""
    with _lock:
        former = _sessions.pop(hypervisor_id, None)
    if former is not None:
        former.cut()


@receiver(hypervisor_removed)
def _on_removed(*, hypervisor_id: uuid.UUID, **_kwargs: Any) -> None:
    drop_session(hypervisor_id)
