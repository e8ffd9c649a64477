"""Further ways to Eve: over IPv6, and behind the shipped Caddyfile, whose certificate the system's roots vouch for."""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.e2e.house import House, free_port, house
from tests.services.caddy import Caddy, shipped_caddyfile
from tests.services.root import as_root

from .browser import Browser
from .conftest import OLIVIA, populate
from .rfb import Display, Viewer
from .test_leaks import Secrets

NOBODYS = "127.0.53.1"
"""An address of loopback that only a socket for all addresses answers on; tests beside this one may listen on 127.0.0.1 at the same port."""


def test_a_console_over_ipv6_all_the_way(tmp_path: Path, display: Display) -> None:
    with house(tmp_path, fake_console=display.address, host="::1") as home:
        estate = populate(home)
        assert home.url.startswith("http://[::1]:")
        viewer = estate.watch(OLIVIA, estate.vms[0])
        assert viewer.rings()
        viewer.close()
        browser = estate.browser(OLIVIA)
        ticket = browser.ticket(estate.vms[0])
        url = estate.socket_url(estate.vms[0], f"ticket={ticket}")
        page = Viewer(url, additional_headers={"Cookie": browser.cookie_header}, origin=home.url).greet()
        assert page.rings()
        page.close()
        for port in (home.port, home.agent_port):
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection((NOBODYS, port), timeout=5).close()


@pytest.fixture
def caddy(tmp_path: Path, display: Display) -> Iterator[tuple[House, Caddy]]:
    """An Eve that is set up and runs behind Caddy, without an agent."""
    port = free_port()
    settings = {"EVE_PUBLIC_URL": f"https://127.0.0.1:{port}", "EVE_TRUSTED_PROXIES": "127.0.0.1"}
    home = House(tmp_path, fake_console=display.address, settings=settings)
    home.set_up()
    (tmp_path / "caddy").mkdir()
    proxy = Caddy(tmp_path / "caddy", port=port)
    try:
        proxy.start(shipped_caddyfile(proxy.folder, upstream=home.port, port=port, plain_port=free_port()))
        home.start_eve()
        yield home, proxy
    finally:
        home.close()
        proxy.close()


def with_root(certificate: Path) -> list[str]:
    """What comes before a command, as this user, for which that certificate is the system's only root."""
    script = 'mount --bind "$0" "$1" && user="$2" group="$3" && shift 3 && exec setpriv --reuid="$user" --regid="$group" --clear-groups "$@"'
    roots = "/etc/ssl/certs/ca-certificates.crt"
    return [
        *as_root(),
        "unshare",
        "--mount",
        "sh",
        "-c",
        script,
        str(certificate),
        roots,
        str(os.geteuid()),
        str(os.getegid()),
    ]


def test_enrolment_and_a_console_behind_caddy(caddy: tuple[House, Caddy]) -> None:
    home, proxy = caddy
    url, known = home.environment["EVE_PUBLIC_URL"], Secrets()
    with pytest.raises(AssertionError, match="certificate"):
        home.enrol("unknown-ca", url=url)
    assert not (home.folder / "agent" / "agent.toml").exists()
    known.add("enrolment token", home.enrol(url=url, within=with_root(proxy.folder / "fullchain.pem")))
    home.start_agent()
    estate = populate(home)

    browser = Browser(url, verify=str(proxy.folder / "fullchain.pem")).sign_in(OLIVIA)
    trust = ssl.create_default_context(cafile=str(proxy.folder / "fullchain.pem"))
    ticket = known.add("ticket", browser.ticket(estate.vms[0]))
    address = f"{url.replace('https:', 'wss:')}/ws/vms/{estate.vms[0]}/console?ticket={ticket}"
    viewer = Viewer(address, ssl=trust, additional_headers={"Cookie": browser.cookie_header}, origin=url).greet()
    assert viewer.rings()
    body = {"email": OLIVIA, "password": "correct horse battery 7"}
    ask = {"verify": str(proxy.folder / "fullchain.pem"), "timeout": 10, "headers": {"Referer": f"{url}/?{ticket}"}}
    token = known.add("login token", requests.post(f"{url}/api/v1/login", json=body, **ask).json()["token"])
    assert requests.get(f"{url}/nothing/?token={token}", **ask).status_code == 404
    home.stop_eve()
    viewer.close()
    assert requests.get(f"{url}/away/?token={token}", **ask).status_code == 502

    proxy.close()
    logged = proxy.log.read_text()
    assert '"uri":"/nothing/?"' in logged
    assert f'"uri":"/ws/vms/{estate.vms[0]}/console?"' in logged
    assert known.leaked_into(logged) == []
