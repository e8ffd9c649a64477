"""``eve-agent run`` and ``check`` as processes: started, asked, ended."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from eve_agent.config import Config

from tests.agent import pki

AGENT = (sys.executable, "-m", "eve_agent.cli")


@dataclass
class Host:
    folder: Path
    authority: pki.Authority
    eve: pki.Leaf

    @property
    def config(self) -> Path:
        return self.folder / "agent.toml"


@pytest.fixture
def host(tmp_path: Path) -> Host:
    authority = pki.Authority.make()
    eve = authority.client()
    pki.write_identity(tmp_path / "keys" / "current", authority, authority.issue(), (eve.fingerprint,))
    host = Host(tmp_path, authority, eve)
    Config(listen="127.0.0.1:0", key_dir=str(tmp_path / "keys")).save(host.config)
    return host


def start(*arguments: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*AGENT, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": "agent/src"} | environment,
    )


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    process = start(*arguments)
    output, errors = process.communicate(timeout=30)
    return subprocess.CompletedProcess(process.args, process.returncode, output, errors)


def started(process: subprocess.Popen[str]) -> dict[str, Any]:
    """The log line that says where it listens."""
    assert process.stderr is not None
    for line in process.stderr:
        entry: dict[str, Any] = json.loads(line)
        if entry["event"] == "started":
            return entry
    raise AssertionError(f"it ended with {process.wait()}")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_until_a_signal_and_ends_quickly(host: Host, number: signal.Signals):
    notify = host.folder / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(notify))
        sock.settimeout(10)
        process = start("run", "--config", str(host.config), "--driver", "fake", NOTIFY_SOCKET=str(notify))
        try:
            entry = started(process)
            assert sock.recv(100) == b"READY=1"
            assert entry["name"] == pki.NAME
            port = int(entry["listening_on"][0].rpartition(":")[2])
            context = pki.client_context(host.folder, host.authority, host.eve)
            context.check_hostname = False
            connection = http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=10)
            connection.request("GET", "/libvirt/domains", headers={"Eve-Contract": "1"})
            response = connection.getresponse()
            assert response.status == 200
            assert json.loads(response.read())
            process.send_signal(number)
            ended_at = time.monotonic()
            assert process.wait(10) == 0
            assert time.monotonic() - ended_at < 5
            assert sock.recv(100) == b"STOPPING=1"
            connection.close()
        finally:
            process.kill()
            _, errors = process.communicate()
    assert [json.loads(line)["event"] for line in errors.splitlines()][-1] == "stopped"


def test_the_fake_console_is_connected_to(host: Host):
    with socket.create_server(("127.0.0.1", 0)) as display:
        display.settimeout(10)
        where = f"tcp:127.0.0.1:{display.getsockname()[1]}"
        made_up = ("--driver", "fake", "--fake-console", where, "--fake-domains", "7")
        process = start("run", "--config", str(host.config), *made_up, "--listen", "[::1]:0")
        try:
            entry = started(process)
            assert entry["listening_on"][0].startswith("[::1]:")
            port = int(entry["listening_on"][0].rpartition(":")[2])
            context = pki.client_context(host.folder, host.authority, host.eve)
            context.check_hostname = False
            connection = http.client.HTTPSConnection("::1", port, context=context, timeout=10)
            connection.request("GET", "/libvirt/domains", headers={"Eve-Contract": "1"})
            domains = json.loads(connection.getresponse().read())
            assert len(domains) == 7
            running = next(domain for domain in domains if domain["state"] == "running")
            connection.request(
                "GET",
                f"/libvirt/domains/{running['uuid']}/console?session={running['uuid']}",
                headers={
                    "Eve-Contract": "1",
                    "Connection": "Upgrade",
                    "Upgrade": "websocket",
                    "Sec-WebSocket-Version": "13",
                    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
                },
            )
            peer, _ = display.accept()
            assert connection.getresponse().status == 101
            peer.close()
            connection.close()
        finally:
            process.terminate()
            process.communicate(timeout=10)


def test_a_taken_port_is_one_clear_sentence(host: Host):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        where = f"127.0.0.1:{taken.getsockname()[1]}"
        result = run("run", "--config", str(host.config), "--driver", "fake", "--listen", where)
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1] == f"eve-agent: cannot listen on {where}: Address already in use"
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--config", "/nonexistent.toml"), "enrol this host first"),
        (("--listen", "nonsense"), "is no HOST:PORT"),
        (("--driver", "libvirt", "--fake-console", "tcp:127.0.0.1:1"), "go with --driver fake only"),
        (("--driver", "libvirt", "--fake-domains", "1000"), "go with --driver fake only"),
        (("--driver", "fake", "--fake-console", "127.0.0.1:1"), "is no tcp:HOST:PORT"),
    ],
)
def test_mistakes_on_the_command_line(host: Host, arguments: tuple[str, ...], words: str):
    result = run("run", "--config", str(host.config), *arguments)
    assert result.returncode == 1
    assert result.stderr.startswith("eve-agent: ")
    assert words in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_host_that_is_not_enrolled(host: Host):
    (host.folder / "keys" / "current" / "identity.pem").unlink()
    for command in ("run", "check"):
        result = run(command, "--config", str(host.config))
        assert result.returncode == 1
        assert "enrol this host first" in result.stderr
        assert "Traceback" not in result.stderr


def test_check_says_what_is_fine_and_what_is_not(host: Host):
    config = Config.load(host.config)
    Config(listen=config.listen, key_dir=config.key_dir, libvirt_uri="test:///default").save(host.config)
    result = run("check", "--config", str(host.config))
    assert "certificate    fine" in result.stdout
    Config(listen=config.listen, key_dir=config.key_dir, libvirt_uri="qemu+unix:///system?socket=/none").save(
        host.config
    )
    result = run("check", "--config", str(host.config))
    assert result.returncode == 1
    assert result.stderr.startswith("eve-agent: ")
    assert "Traceback" not in result.stderr


def test_help_names_every_command():
    result = run("--help")
    for command in ("enrol", "run", "check"):
        assert command in result.stdout


def test_help_tells_the_defaults():
    told = "".join(run("enrol", "--help").stdout.split())  # however its lines are broken
    assert "Folderforkeyandcertificates.[default:/var/lib/eve-agent]" in told
    assert "[default:/etc/eve-agent/agent.toml]" in told
