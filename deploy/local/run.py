"""``make run`` from the virtual environment on: libvirt, database, Eve, agent, demo guest; then watch over them."""

from __future__ import annotations

import getpass
import hashlib
import json
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from deploy.local import environment, hypervisor, state
from deploy.local.config import LocalConfig
from deploy.local.management import CommandFailedError, Management, NoManagementError
from deploy.local.steps import Console, Step, StepError, last_line, run_steps, stamp_matches
from deploy.local.supervisor import Child, StoppedError, Supervisor, last_lines

HYPERVISOR_NAME = "local"
SITE_NAME = "local"
START_SECONDS = 60
ONLINE_SECONDS = 60


def run(config: LocalConfig, *, console: Console, first: int) -> int:
    """Set up the rest, start everything, watch over it. Returns 0 when told to stop, 1 when something died.

    Raises:
        StepError: a step failed; what was started has been ended.
    """
    lock = state.state_lock(config)
    house = House(config, console)
    house.supervisor.catch_signals()
    try:
        _check_port_is_free("Eve", config.bind, config.port, "EVE_PORT")
        _check_port_is_free("the agent", "127.0.0.1", config.agent_port, "EVE_AGENT_PORT")
        house.set_up(first=first)
        for line in house.ready_message():
            console.line(line)
        return house.watch()
    except StoppedError as error:
        console.line(f"{error}: stopping. Running VMs live on.")
        return 0
    finally:
        house.close()
        os.close(lock)


def django_environment(config: LocalConfig) -> dict[str, str]:
    """What Eve's settings read, for the Eve in this state directory."""
    return {
        "DJANGO_SETTINGS_MODULE": "eve_site.settings",
        "EVE_STATE_DIR": str(config.state_dir),
        "EVE_SECRET_KEY_FILE": str(config.state_dir / "secret-key"),
        "EVE_BIND": config.bind,
        "EVE_PORT": str(config.port),
        "EVE_PUBLIC_URL": config.public_url,
        # Who types localhost, here or at the end of an ssh tunnel, is at the same Eve.
        "EVE_ALLOWED_ORIGINS": os.environ.get("EVE_ALLOWED_ORIGINS", f"http://localhost:{config.port}"),
    }


def manage(config: LocalConfig, words: list[str]) -> None:
    """Become ``manage.py`` with the settings of ``make run``. Does not return. Raises StepError before the first run."""
    if not (config.state_dir / "secret-key").exists():
        raise StepError(f"there is no Eve in {config.state_dir} yet", remedy="Run `make run` first")
    os.chdir(config.root)
    os.execve(config.python, [config.python, "manage.py", *words], {**os.environ, **django_environment(config)})


class House:
    """All that one ``make run`` starts and knows."""

    def __init__(self, config: LocalConfig, console: Console) -> None:
        self._config, self._console = config, console
        self.supervisor = Supervisor()
        self._libvirt = hypervisor.Libvirt(config)
        self._management = Management(
            python=config.python,
            root=config.root,
            environment={**os.environ, **django_environment(config)},
            log=config.log_dir / "manage.log",
        )
        self._agent_config = config.state_dir / "agent" / "agent.toml"
        self._enrolment: dict[str, Any] = {}
        self._agent: Child | None = None

    def set_up(self, *, first: int) -> None:
        """Do what is left to do, in order; the steps are numbered from `first`. Raises StepError."""
        steps = [
            Step("secrets", lambda: state.secrets_exist(self._config), lambda: state.secrets_make(self._config)),
            Step("database, certificate authority, administrator", _never, self._prepare_eve),
            Step("Eve", _never, self._start_eve),
            Step("agent", _never, self._start_agent),
        ]
        if self._config.driver == "libvirt":
            steps.insert(0, Step("libvirt", self._libvirt.is_up, lambda: self._libvirt.ensure_up(self._console)))
            steps.append(Step("demo guest", _never, self._start_guest))
        run_steps(steps, console=self._console, first=first, total=first + len(steps) - 1)
        self._management.close()

    def ready_message(self) -> list[str]:
        """What the person who typed ``make run`` needs next."""
        config = self._config
        password = (config.state_dir / "admin-password").read_text().strip()
        host = socket.gethostname()
        return [
            "",
            f"Eve is ready: {config.public_url}",
            f"  log in as    {config.admin_email}",
            f"  password     {password}    (kept in {config.state_dir / 'admin-password'})",
            f"  from afar    ssh -L {config.tunnel} {getpass.getuser()}@{host}    then open the same address there",
            f"  logs         {config.log_dir}",
            "Ctrl-C stops Eve. Running VMs live on.",
        ]

    def watch(self) -> int:
        """Return 1 when something has died, after saying what and why."""
        while True:
            child = self.supervisor.dead()
            if child is not None:
                self._obituary(child.name, child.log, child.process.returncode)
                return 1
            daemon = self._libvirt.died()
            if daemon is not None:
                self._obituary(daemon, self._libvirt.log(daemon), None)
                return 1
            time.sleep(0.2)

    def close(self) -> None:
        """End everything that was started, the last first."""
        self._management.close()
        self.supervisor.stop_all()
        self._libvirt.close()

    def _prepare_eve(self) -> str:
        config = self._config
        is_new = not (config.state_dir / "db.sqlite3").exists() and "DATABASE_URL" not in os.environ
        self._manage("migrate", "--no-input", "--verbosity=0")
        self._manage("ca_init")
        password_file = config.state_dir / "admin-password"
        admin_stamp = config.state_dir / "admin-stamp"
        admin = f"{config.admin_email}\n{password_file.read_text()}\n{os.environ.get('DATABASE_URL', '')}"
        admin_digest = hashlib.sha256(admin.encode()).hexdigest()
        # Once only: a password changed on the pages is not reset at the next start.
        if is_new or not stamp_matches(admin_stamp, admin_digest):
            self._manage("admin_recover", config.admin_email, "--password-file", str(password_file))
            admin_stamp.write_text(admin_digest)
        static_stamp = config.state_dir / "static-stamp"
        locks = environment.digest(config.root, environment.BASE_LOCKS)
        static_digest = f"{locks} {environment.static_signature(config.root)}"
        if not stamp_matches(static_stamp, static_digest) or not (config.state_dir / "static").is_dir():
            self._manage("collectstatic", "--no-input", "--clear", "--verbosity=0")
            static_stamp.write_text(static_digest)
        address = f"127.0.0.1:{config.agent_port}"
        again = [] if self._agent_config.exists() else ["--re-enrol"]
        added = self._manage(
            "hypervisor_add", HYPERVISOR_NAME, "--address", address, "--site", SITE_NAME, "--json", *again
        )
        self._enrolment = json.loads(added)
        return "ready"

    def _start_eve(self) -> str:
        config = self._config
        child = self.supervisor.start(
            "Eve",
            [config.python, "manage.py", "serve"],
            log=config.log_dir / "eve.log",
            environment=django_environment(self._config),
            cwd=config.root,
        )
        if not self._enrolment.get("token"):
            self._agent = (
                self._run_agent()
            )  # enrolled already: it loads while Eve does, and is there when Eve looks for it
        self._wait("Eve to answer", child, lambda: _answers(f"{config.local_url}/healthz"))
        return f"answers at {config.local_url}"

    def _start_agent(self) -> str:
        if token := self._enrolment.get("token"):
            self._enrol(str(token))
        child = self._agent or self._run_agent()
        self._wait("the agent to listen", child, lambda: _listens(self._config.agent_port))
        self._manage("hypervisor_wait", HYPERVISOR_NAME, "--seconds", str(ONLINE_SECONDS))
        return "is online"

    def _run_agent(self) -> Child:
        config = self._config
        command = [
            str(config.venv / "bin" / "eve-agent"),
            "run",
            "--config",
            str(self._agent_config),
            "--driver",
            config.driver,
        ]
        log = config.log_dir / "agent.log"
        if self._libvirt.needs_root:
            return self.supervisor.start_as_root("the agent", command, log=log)
        return self.supervisor.start("the agent", command, log=log, environment={}, cwd=config.root)

    def _enrol(self, token: str) -> None:
        config = self._config
        folder = self._agent_config.parent
        folder.mkdir(mode=0o700, exist_ok=True)
        log = config.log_dir / "agent.log"
        command = [
            str(config.venv / "bin" / "eve-agent"),
            "enrol",
            config.local_url,
            "--config",
            str(self._agent_config),
        ]
        command += ["--key-dir", str(folder / "keys"), "--listen", f"127.0.0.1:{config.agent_port}", "--force"]
        # In its environment, since everybody on this machine can read command lines.
        with log.open("ab") as output:
            done = subprocess.run(
                command,
                stdout=output,
                stderr=output,
                env={**os.environ, "EVE_ENROL_TOKEN": token},
                timeout=60,
                check=False,
            )
        if done.returncode != 0:
            raise StepError(
                f"the agent could not enrol: {last_line(log)}", remedy="Run make again for a fresh token", log=log
            )

    def _start_guest(self) -> str:
        uuid = hypervisor.guest_start(self._config, as_root=self._libvirt.needs_root, console=self._console)
        self._console.progress("waiting for Eve to see it")
        self._manage("vm_adopt", uuid, "--user", self._config.admin_email)
        return f"{self._config.demo_name} is running"

    def _manage(self, *words: str) -> str:
        """What a management command printed. Raises StepError."""
        log = self._config.log_dir / "manage.log"
        try:
            return self._management.run(*words)
        except NoManagementError:
            raise StepError(
                f"Django did not start: {last_line(log)}", remedy="Look at the log, then run make again", log=log
            ) from None
        except CommandFailedError as error:
            if error.command == "check":
                raise StepError(
                    f"the settings hold mistakes: {error}", remedy="Mend them, then run make again"
                ) from error
            raise StepError(
                f"`manage.py {error.command}` failed: {error}", remedy="Mend that, then run make again", log=log
            ) from error

    def _wait(self, what: str, child: Child, is_ready: Callable[[], bool]) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not is_ready():
            self._console.progress(f"waiting for {what}")
            if child.process.poll() is not None:
                raise StepError(
                    f"{child.name} ended at once: {last_line(child.log)}",
                    remedy="Mend what it says, then run make again",
                    log=child.log,
                )
            if time.monotonic() > deadline:
                raise StepError(f"waited {START_SECONDS} s in vain for {what}", remedy="Look at the log", log=child.log)
            time.sleep(0.1)

    def _obituary(self, name: str, log: Path, code: int | None) -> None:
        how = "" if code is None else f" with code {code}" if code >= 0 else f", killed by signal {-code}"
        self._console.line(f"{name} ended unexpectedly{how}. The end of {log}:")
        for line in last_lines(log):
            self._console.line(f"    {line}")
        self._console.line("Stopping the rest. `make run` starts everything again; running VMs live on.")


def _never() -> bool:
    return False


def _answers(url: str) -> bool:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(2)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _check_port_is_free(name: str, bind: str, port: int, variable: str) -> None:
    family = socket.AF_INET6 if ":" in bind else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((bind, port))
        except OSError as error:
            raise StepError(
                f"{name} cannot listen on {bind} port {port}: {error.strerror}",
                remedy=f"See who does with `ss -ltnp 'sport = :{port}'`, or name another: {variable}={port + 1} make run",
            ) from None
