"""Console set-up on the server's side: from the websocket's request to the display's first bytes.

Against a running ``make run``:   .venv/bin/python -m benchmarks.console_setup

In turn, on the same VM: through Eve with a login token (authenticated, authorised, audited, mutual TLS to the agent, display
opened by libvirt), through Eve with a ticket that was fetched before, and a websocket to Eve that is refused (what the
server alone takes). The aim for the first two is a median of at most 20 ms.
"""

from __future__ import annotations

import asyncio
import contextlib
import time

import requests
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from .figures import row
from .session import Target, arguments, sign_in


async def to_banner(url: str, headers: dict[str, str]) -> float:
    """Milliseconds to the RFB banner."""
    started = time.perf_counter()
    async with connect(url, additional_headers=headers, compression=None) as socket:
        banner = await socket.recv(decode=False)
        elapsed = (time.perf_counter() - started) * 1000
    if not banner.startswith(b"RFB "):
        raise SystemExit(f"no RFB banner but {banner!r}")
    return elapsed


async def to_refusal(url: str) -> float:
    """Milliseconds to a refused handshake."""
    started = time.perf_counter()
    with contextlib.suppress(InvalidStatus):
        async with connect(url, compression=None):
            raise SystemExit("a wrong ticket opened a console")
    return (time.perf_counter() - started) * 1000


def ticket_url(target: Target, base: str) -> str:
    """The address that a fresh ticket opens."""
    answer = requests.post(
        f"{target.url}/api/v1/vms/{target.vm_id}/console",
        headers={"Authorization": f"Bearer {target.token}"},
        timeout=10,
    )
    answer.raise_for_status()
    return f"{base}{answer.json()['url']}"


async def measure(target: Target, count: int) -> None:
    """Takes turns, and prints a row for each way."""
    base = target.url.replace("http", "ws", 1)
    address = f"{base}/ws/vms/{target.vm_id}/console"
    bearer = {"Authorization": f"Bearer {target.token}"}
    by_token, by_ticket, refused = [], [], []
    await to_banner(address, bearer)
    for _ in range(count):
        by_token.append(await to_banner(address, bearer))
        by_ticket.append(await to_banner(await asyncio.to_thread(ticket_url, target, base), {}))
        refused.append(await to_refusal(f"{address}?ticket=wrong"))
    print(row("websocket to RFB banner, login token", by_token))
    print(row("websocket to RFB banner, ticket", by_ticket))
    print(row("refused handshake, for comparison", refused))


def main() -> None:
    """The command line."""
    options = arguments(__doc__).parse_args()
    asyncio.run(measure(sign_in(options), options.count))


if __name__ == "__main__":
    main()
