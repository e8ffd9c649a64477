"""A whole Eve of one's own: server and agent as processes, started the way production starts them."""

from __future__ import annotations

import atexit
import functools
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import requests

from deploy.local.management import Management
from tests.services.root import service_root_create

ROOT = Path(__file__).resolve().parents[2]
ADMIN = "admin@eve.local"
PASSWORD = "correct horse battery 7"
START_SECONDS = 60
STOP_SECONDS = 15
PORTS = range(10_000, 32_768)


def free_port(host: str = "127.0.0.1") -> int:
    """A port of loopback that nobody listens on."""
    return free_ports(1, host=host)[0]


def free_ports(count: int, *, host: str = "127.0.0.1") -> list[int]:
    """So many of them, each another one, of those that the kernel gives to no connection meanwhile (ip(7), ``ip_local_port_range``)."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    found: list[int] = []
    with ExitStack() as stack:
        while len(found) < count:
            sock, port = stack.enter_context(socket.socket(family)), secrets.choice(PORTS)
            with suppress(OSError):
                sock.bind((host, port))
                found.append(port)
    return found


def allocator() -> dict[str, str]:
    """The memory allocator's variables, as Eve's unit sets them (deploy/systemd)."""
    lines = (ROOT / "deploy" / "systemd" / "eve.service").read_text().splitlines()
    words = " ".join(line.removeprefix("Environment=") for line in lines if line.startswith("Environment=MALLOC_"))
    return dict(word.split("=", 1) for word in words.split())


class House:
    """Eve and one agent, in processes of their own."""

    def __init__(
        self,
        folder: Path,
        *,
        libvirt_uri: str = "",
        fake_console: str = "",
        fake_domains: int = 3,
        settings: dict[str, str] | None = None,
        host: str = "127.0.0.1",
    ) -> None:
        """With `fake_console` (``tcp:HOST:PORT`` of an RFB server) the agent makes its hypervisor up, with so many guests."""
        self.folder = folder
        self.port = free_port(host)
        self.agent_port = free_port(host)
        self.host = f"[{host}]" if ":" in host else host
        """As addresses have it."""
        self.url = f"http://{self.host}:{self.port}"
        self.libvirt_uri = libvirt_uri
        made_up = ["--driver", "fake", "--fake-console", fake_console, "--fake-domains", str(fake_domains)]
        self.driver = made_up if fake_console else []
        self.log_dir = folder / "log"
        self.log_dir.mkdir()
        self.environment = {
            **{name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ},
            **allocator(),
            "EVE_STATE_DIR": str(folder / "eve"),
            "EVE_SECRET_KEY": secrets.token_urlsafe(48),
            "EVE_BIND": host,
            "EVE_PORT": str(self.port),
            "EVE_PUBLIC_URL": self.url,
            **(settings or {}),
        }
        self._management = _management(self.environment, self.log_dir / "manage.log")
        self.eve: subprocess.Popen[bytes] | None = None
        self.agent: subprocess.Popen[bytes] | None = None
        (folder / "eve").mkdir(mode=0o700)
        (folder / "password").write_text(PASSWORD)

    # ------------------------------------------------------------------------------------------ Eve

    def manage(self, *arguments: str) -> str:
        """What ``manage.py`` says."""
        return self._management.run(*arguments)

    def set_up(self) -> None:
        """Database, CA, administrator, static files."""
        shutil.copytree(_furnished(), self.folder / "eve", dirs_exist_ok=True)
        self.manage("ca_init")
        self.manage("admin_recover", ADMIN, "--password-file", str(self.folder / "password"))

    def start_eve(self) -> None:
        """Starts the server, and waits until it answers."""
        self.eve = self._start("eve", [sys.executable, "manage.py", "serve"])
        self.wait_until(lambda: requests.get(f"{self.url}/healthz", timeout=2).status_code == 200, "Eve to answer")

    def stop_eve(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Ends the server."""
        _stop(self.eve, how)

    # ------------------------------------------------------------------------------------------ the agent

    def enrol(
        self, name: str = "hv1", site: str = "here", *options: str, url: str = "", within: Sequence[str] = ()
    ) -> str:
        """Registers a hypervisor and enrols an agent for it, by the command `within`. Returns the token, which is spent."""
        address = f"{self.host}:{self.agent_port}"
        answer = json.loads(self.manage("hypervisor_add", name, "--address", address, "--site", site, "--json"))
        config = self.folder / "agent" / "agent.toml"
        done = subprocess.run(
            [
                *[
                    *within,
                    "env",
                    f"EVE_ENROL_TOKEN={answer['token']}",
                    *_agent(),
                    "enrol",
                    url or self.url,
                    "--config",
                    str(config),
                ],
                *["--key-dir", str(self.folder / "agent" / "keys"), *options],
            ],
            env=self.environment,
            check=False,
            timeout=60,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        text = config.read_text()
        libvirt_uri = json.dumps(self.libvirt_uri or "test:///default")
        assert '"qemu:///system"' in text or libvirt_uri in text
        config.write_text(text.replace('"qemu:///system"', libvirt_uri))
        return str(answer["token"])

    def start_agent(self, name: str = "hv1") -> None:
        """Starts the agent, and waits until Eve sees it."""
        config = self.folder / "agent" / "agent.toml"
        self.agent = self._start("agent", [*_unprivileged(), *_agent(), "run", "--config", str(config), *self.driver])
        self.manage("hypervisor_wait", name, "--seconds", str(START_SECONDS))

    def stop_agent(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Ends the agent."""
        _stop(self.agent, how)

    def mend(self) -> None:
        """Starts what was ended and not started again."""
        if self.eve is not None and self.eve.poll() is not None:
            self.start_eve()
        if self.agent is not None and self.agent.poll() is not None:
            self.start_agent()

    # ------------------------------------------------------------------------------------------ people and VMs

    def token(self, email: str = ADMIN, password: str = PASSWORD) -> str:
        """A login token."""
        answer = requests.post(f"{self.url}/api/v1/login", json={"email": email, "password": password}, timeout=10)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["token"])

    def api(self, method: str, path: str, *, token: str, **options: Any) -> requests.Response:
        """One request of the API."""
        return requests.request(
            method, f"{self.url}/api/v1{path}", headers={"Authorization": f"Bearer {token}"}, timeout=30, **options
        )

    def shell(self, code: str) -> str:
        """Runs Python beside Eve, on its database."""
        return self.manage("shell", "--no-imports", "-c", code)

    def vm_state(self, vm_id: str, token: str) -> str:
        """As the API says it."""
        return str(self.api("GET", f"/vms/{vm_id}/state", token=token).json()["state"])

    def wait_state(self, vm_id: str, state: str, token: str, *, seconds: float = 30) -> None:
        """Waits until the API says so."""
        self.wait_until(lambda: self.vm_state(vm_id, token) == state, f"the VM to be {state}", seconds=seconds)

    def wait_until(self, condition: Any, what: str, *, seconds: float = START_SECONDS) -> None:
        """Waits for `what`; while Eve does not answer, too."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                if condition():
                    return
            except requests.RequestException:
                pass
            time.sleep(0.1)
        raise AssertionError(f"waited {seconds:g} s for {what} in vain:\n{self.logs()[-4000:]}")

    def over(self, address: str, *, token: str, seconds: float) -> dict[str, Any]:
        """The operation at that address, once it is over, taken back if need be."""
        deadline = time.monotonic() + seconds
        while not (operation := self.api("GET", address.removeprefix("/api/v1"), token=token).json())["finished_at"]:
            assert time.monotonic() < deadline, operation
            time.sleep(0.2)
        return dict(operation)

    # ------------------------------------------------------------------------------------------ inside

    def close(self) -> None:
        """Ends everything."""
        self._management.close()
        for process in (self.agent, self.eve):
            _stop(process, signal.SIGTERM)

    def logs(self) -> str:
        """All that Eve and the agent logged."""
        return "".join(path.read_text() for path in sorted(self.log_dir.iterdir()))

    def _start(self, name: str, command: list[str]) -> subprocess.Popen[bytes]:
        with (self.log_dir / f"{name}.log").open("ab") as log:
            return subprocess.Popen(command, cwd=ROOT, env=self.environment, stdout=log, stderr=log)


@contextmanager
def house(folder: Path, **options: Any) -> Iterator[House]:
    """A running Eve with a running agent; `options` are those of a House."""
    home = House(folder, **options)
    try:
        home.set_up()
        home.start_eve()
        home.enrol()
        home.start_agent()
        yield home
    finally:
        home.close()


@functools.cache
def _furnished() -> Path:
    """The folder of an Eve with an empty database and its static files, made once a process: it is the same in every house."""
    root = service_root_create("furnished")
    atexit.register(root.close)
    folder = root.path / "eve"
    folder.mkdir(mode=0o700)
    environment = {
        **{name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ},
        "EVE_STATE_DIR": str(folder),
        "EVE_SECRET_KEY": secrets.token_urlsafe(48),
        "EVE_PUBLIC_URL": "http://127.0.0.1",
    }
    with closing(_management(environment, root.path / "manage.log")) as management:
        for command in ("migrate", "collectstatic"):
            management.run(command, "--no-input", "--verbosity=0")
    return folder


def _management(environment: dict[str, str], log: Path) -> Management:
    return Management(python=sys.executable, root=ROOT, environment=environment, log=log)


def _agent() -> list[str]:
    return [str(Path(sys.executable).with_name("eve-agent"))]


def _unprivileged() -> list[str]:
    """What starts a program without a single capability, as the agent's unit does (deploy/systemd): root may then touch its own files only."""
    return ["setpriv", "--no-new-privs", "--bounding-set=-all", "--inh-caps=-all"] if os.geteuid() == 0 else []


def _stop(process: subprocess.Popen[bytes] | None, how: signal.Signals) -> None:
    if process is None or process.poll() is not None:
        return
    process.send_signal(how)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
