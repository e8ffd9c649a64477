"""First process of the libvirt sandbox: private mount, process and network namespaces that end with the tests.

``unshare … python libvirt_init.py FOLDER`` binds sub-folders of FOLDER over every folder that libvirt writes to, starts a virtlogd and a
libvirtd of its own, and obeys lines on standard input: ``start`` (libvirtd), ``signal NUMBER libvirtd`` or ``signal NUMBER qemu/GUEST``, and ``share``
(the guests' serial logs, which virtlogd makes for root alone). At
the end of its input, which comes also when the tests are killed, it ends; the kernel then kills whatever runs in the namespace, QEMU included.

Standard library only, since it may run under sudo.
"""

from __future__ import annotations

import contextlib
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

BINDS = {
    "run": "/run/libvirt",
    "lib": "/var/lib/libvirt",
    "etc": "/etc/libvirt",
    "cache": "/var/cache/libvirt",
    "log": "/var/log/libvirt",
    "dbus": "/run/dbus",
    "lock": "/run/lock",
}
"""Folders of the sandbox and what they hide. Without the system bus, libvirt asks neither firewalld nor machined for anything; a lock of a
serial line that a killed sandbox left behind would be taken for one of this, whose processes have the same numbers."""

END_SECONDS = 0.01


def main() -> None:
    """Bind, start, obey, end."""
    root = Path(sys.argv[1])
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, _reap)
    for name, target in BINDS.items():
        Path(target).mkdir(parents=True, exist_ok=True)
        _mount(root / name, target)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    if Path("/dev/kvm").exists():
        # Guests are emulated in tests, and libvirt must not take a /dev/kvm for granted that boots nothing. One that QEMU's
        # user could open, but QEMU not use, would have libvirt probe QEMU again (4 s) at every definition and start.
        hidden = root / "no-kvm"
        os.mknod(hidden, stat.S_IFCHR, Path("/dev/null").stat().st_rdev)
        _mount(hidden, "/dev/kvm")
    _spawn(root, "virtlogd", "-p", "/run/libvirt/virtlogd.pid")
    _start_libvirtd(root)
    _answer("ready")
    for line in sys.stdin:
        match line.split():
            case ["start"]:
                _start_libvirtd(root)
            case ["signal", number, who]:
                _signal(who, int(number))
            case ["share"]:
                for log in (root / "serial").iterdir():
                    log.chmod(0o644)
        _answer("done")


def _signal(who: str, number: int) -> None:
    """To the process whose id libvirt wrote down, if it still runs: in this namespace, as root, whoever the tests run as.

    One that is killed has ended when this returns: until then it would hold the lock that the next libvirtd needs.
    """
    pid = int(Path(f"/run/libvirt/{who}.pid").read_text())
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
        while number == signal.SIGKILL:
            time.sleep(END_SECONDS)
            os.kill(pid, 0)


def _answer(word: str) -> None:
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


def _mount(source: Path, target: str) -> None:
    subprocess.run(["mount", "--bind", str(source), target], check=True)


def _start_libvirtd(root: Path) -> None:
    pid_file = "/run/libvirt/libvirtd.pid"
    _spawn(root, "libvirtd", "-f", "/etc/libvirt/libvirtd.conf", "-p", pid_file)


def _spawn(root: Path, program: str, *arguments: str) -> None:
    log = os.open(root / f"{program}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
    path = next(folder / program for folder in map(Path, ("/usr/sbin", "/usr/bin")) if (folder / program).exists())
    actions = [
        (os.POSIX_SPAWN_DUP2, log, 1),
        (os.POSIX_SPAWN_DUP2, log, 2),
        (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
    ]
    try:
        os.posix_spawn(path, [program, *arguments], os.environ, file_actions=actions, setsigdef=[signal.SIGINT])
    finally:
        os.close(log)


def _reap(*_: object) -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


if __name__ == "__main__":
    main()
