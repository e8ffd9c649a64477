"""The demo guest: a VM to click on. Also used by the tests, which make variants of it in a libvirt of their own.

Everything goes through ``virsh``, so that the agent's driver stays the only importer of libvirt's bindings.
"""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

from deploy.local.domain_xml import GuestSpec, domain_kernel, domain_purpose, domain_uuid, domain_xml

VIRSH_TIMEOUT_SECONDS = 180
"""libvirt's first look at a QEMU, or a busy machine, can take a minute."""
DISK_BYTES = 64 * 1024 * 1024


class DemoGuestError(Exception):
    """The demo guest could not be defined or started; the text says why and what to do."""


def virsh(uri: str, *arguments: str) -> str:
    """Run one ``virsh`` command against ``uri`` and return what it printed.

    Raises:
        DemoGuestError: libvirt refused, does not answer within three minutes, or ``virsh`` is missing.
    """
    command = ["virsh", "--quiet", "--connect", uri, *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=VIRSH_TIMEOUT_SECONDS, check=False)
    except FileNotFoundError as error:
        raise DemoGuestError("virsh is missing: apt-get install libvirt-clients.") from error
    except subprocess.TimeoutExpired as error:
        raise DemoGuestError(
            f"libvirt at {uri} did not answer `virsh {' '.join(arguments)}` in {VIRSH_TIMEOUT_SECONDS} s."
        ) from error
    if done.returncode != 0:
        reason = done.stderr.strip().removeprefix("error: ").replace("\nerror: ", "; ")
        raise DemoGuestError(f"`virsh {' '.join(arguments)}` failed: {reason}.")
    return done.stdout.strip()


def guest_names(uri: str) -> list[str]:
    """Names of all domains, running or not, whoever made them."""
    return [name for name in virsh(uri, "list", "--all", "--name").splitlines() if name]


def guest_define(*, uri: str, spec: GuestSpec) -> str:
    """Define the guest without starting it; its disk is made when it names one. Returns its UUID.

    Defining it again changes it in place. A domain of the same name that is not ours is left alone.

    Raises:
        DemoGuestError: the name belongs to somebody else's VM, or libvirt refused.
    """
    if spec.name in guest_names(uri):
        present = virsh(uri, "dumpxml", spec.name)
        if domain_purpose(present) is None:
            raise DemoGuestError(
                f"A VM named {spec.name} exists that Eve did not make, and it stays untouched. "
                "Give the demo guest another name: EVE_DEMO_NAME=my-demo make run."
            )
        spec = replace(spec, uuid=spec.uuid or domain_uuid(present))
    if spec.disk is not None and not spec.disk.exists():
        _disk_create(spec.disk)
    # virsh reads definitions from files only; a pipe will do.
    command = ["virsh", "--quiet", "--connect", uri, "define", "/dev/stdin"]
    done = subprocess.run(
        command, input=domain_xml(spec), capture_output=True, text=True, timeout=VIRSH_TIMEOUT_SECONDS, check=False
    )
    if done.returncode != 0:
        raise DemoGuestError(f"libvirt refused the definition of {spec.name}: {done.stderr.strip()}.")
    return domain_uuid(virsh(uri, "dumpxml", spec.name))


def guest_ensure_running(*, uri: str, spec: GuestSpec) -> str:
    """Define the guest if it is absent (or boots a kernel that is gone), start it if it is off. Returns its UUID.

    Raises:
        DemoGuestError: as for ``guest_define``, or the guest does not start.
    """
    if spec.name not in guest_names(uri):
        uuid = guest_define(uri=uri, spec=spec)
    else:
        present = virsh(uri, "dumpxml", spec.name)
        uuid = domain_uuid(present)
        if domain_purpose(present) is None or not domain_kernel(present).is_file():
            uuid = guest_define(uri=uri, spec=spec)
    if virsh(uri, "domstate", uuid) in ("shut off", "crashed"):
        virsh(uri, "start", uuid)
    return uuid


def guest_remove(*, uri: str, name: str) -> None:
    """Pull the plug and forget the definition. Only for guests that this package made.

    Raises:
        DemoGuestError: the domain is somebody else's, or libvirt refused.
    """
    if domain_purpose(virsh(uri, "dumpxml", name)) is None:
        raise DemoGuestError(f"{name} was not made by Eve and stays untouched.")
    if virsh(uri, "domstate", name) not in ("shut off", "crashed"):
        virsh(uri, "destroy", name)
    if name in guest_names(uri):
        virsh(uri, "undefine", name, "--nvram", "--snapshots-metadata", "--managed-save")


def _disk_create(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    command = ["qemu-img", "create", "-q", "-f", "qcow2", str(path), str(DISK_BYTES)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode != 0:
        raise DemoGuestError(f"The demo disk {path} could not be made: {done.stderr.strip()}.")
