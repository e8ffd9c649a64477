"""What cloud-init is told at a first boot (source: cloudinit.readthedocs.io, NoCloud)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from typing import Any

import yaml
from eve_agent.wire.checks import MAX_NETWORK_CONFIG_BYTES, MAX_USER_DATA_BYTES
from passlib.hash import sha512_crypt

from accounts.ssh_keys import NoSshKey, ssh_key_parse
from common.errors import Invalid
from common.sentences import gettext as _

from .network_config import NoNetworkConfig, network_config_check

MAX_KEYS = 50
MAX_VALUES = 10_000
"""In a text, each counted as often as it is named by an alias: without that, a few lines grow beyond every memory."""
MAX_DEPTH = 100
"""Of values in values: libyaml follows them on the stack, and looks at all open ones at each word."""
_Loader = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader
_Dumper = yaml.CSafeDumper if yaml.__with_libyaml__ else yaml.SafeDumper
_NO_YAML = (RecursionError, ValueError, KeyError, IndexError, TypeError, AttributeError, OverflowError)
"""What PyYAML lets through where a value is not what its tag says."""
_crypt = sha512_crypt.using(rounds=100_000)
"""Twenty times as many as a guest's own ``passwd`` takes; what passlib would take costs a core a second."""
_CONFIG, _SCRIPT = "#cloud-config", "#!"
_LATER = {"preserve_hostname": True}
_EACH_BOOT = ("growpart", "resize_rootfs")
"""What cloud-init looks at whenever it boots, and what has no secrets: whether the first disk's file system grows with the disk."""
_JOINED = ("ssh_authorized_keys", "bootcmd")
"""Lists that hold what Eve says, and then what the customer says."""
_NEW_MACHINE_ID = """\
set -- /var/lib/cloud/instances/*/
[ $# -gt 1 ] && command -v systemd-machine-id-setup >/dev/null || exit 0
: >/etc/machine-id
[ ! -d /var/lib/dbus ] || ln -sf /etc/machine-id /var/lib/dbus/machine-id
systemd-machine-id-setup
systemctl --no-block try-restart systemd-networkd
"""
"""For a disk that was another machine's: an id that two guests have makes a DHCP server take them for one (machine-id(5))."""
_AT_FIRST = {"bootcmd": [["cloud-init-per", "instance", "machine-id", "sh", "-c", _NEW_MACHINE_ID]]}


@dataclass(frozen=True, slots=True)
class SeedTexts:
    """What a seed says."""

    user_data: str
    """At the first boot."""
    later_user_data: str
    """At every other one: no secrets, and nothing that a guest would do again."""
    network_config: str = ""
    """At the first boot: cloud-init sets networks up once for each instance."""


def seed_make(
    *, host_name: str, ssh_keys: Sequence[str] = (), password: str = "", user_data: str = "", network_config: str = ""
) -> SeedTexts:
    """What a VM called `host_name` is told. The password is for the image's default user and leaves as its hash only.

    `user_data` is a ``#cloud-config`` or a ``#!`` script of the customer's; what it says of the host name or keys holds.

    Raises:
        InvalidSeed: a text is not what it has to be; says which and why.
    """
    keys = keys_check(ssh_keys)
    config: dict[str, Any] = {"hostname": host_name, "preserve_hostname": False, **_AT_FIRST}
    if keys:
        config["ssh_authorized_keys"] = keys
    if password:
        config |= {"password": _crypt.hash(password), "chpasswd": {"expire": False}}
    own = user_data.replace("\r\n", "\n").strip()
    _check_size("user_data", own, MAX_USER_DATA_BYTES - 8192)
    network = network_config.replace("\r\n", "\n").strip()
    if network:
        _check_size("network_config", network, MAX_NETWORK_CONFIG_BYTES)
        try:
            network_config_check(_mapping("network_config", network))
        except NoNetworkConfig as error:
            raise InvalidSeed("network_config", str(error)) from None
    theirs = _mapping("user_data", own) if own.startswith(_CONFIG) else {}
    return SeedTexts(
        user_data=_joined(config, own, theirs),
        later_user_data=_dump(_LATER | {key: theirs[key] for key in _EACH_BOOT if key in theirs}),
        network_config=f"{network}\n" if network else "",
    )


def meta_data(*, instance: str, host_name: str) -> str:
    """NoCloud's meta-data."""
    return str(yaml.safe_dump({"instance-id": instance, "local-hostname": host_name}))


def keys_check(keys: Sequence[str]) -> list[str]:
    """The public SSH keys, trimmed, each once. Raises InvalidSeed."""
    found = list(dict.fromkeys(key.strip() for key in keys if key.strip()))
    if len(found) > MAX_KEYS:
        raise InvalidSeed("ssh_keys", _("%(most)d SSH keys at most.") % {"most": MAX_KEYS})
    try:
        return [ssh_key_parse(key).line for key in found]
    except NoSshKey as error:
        raise InvalidSeed("ssh_keys", str(error)) from None


class InvalidSeed(Invalid):
    """A text for the first boot is not what it has to be."""

    def __init__(self, field: str, detail: str) -> None:
        super().__init__(detail, errors={field: [detail]})


def _joined(config: dict[str, Any], own: str, theirs: dict[str, Any]) -> str:
    if not own:
        return _dump(config)
    if own.startswith(_CONFIG):
        merged = {**config, **theirs}
        for name in _JOINED:
            if name in config and isinstance(theirs.get(name), list):
                merged[name] = config[name] + [each for each in theirs[name] if each not in config[name]]
        try:
            return _dump(merged)
        except ValueError:
            raise InvalidSeed("user_data", _("It holds a number that is too long.")) from None
    if own.startswith(_SCRIPT):
        parts = MIMEMultipart()
        parts.attach(MIMEText(_dump(config), "cloud-config"))
        parts.attach(MIMEText(own + "\n", "x-shellscript"))
        return parts.as_string()
    raise InvalidSeed("user_data", _("User-data begins with #cloud-config, or with #! if it is a script."))


def _mapping(field: str, text: str) -> dict[str, Any]:
    try:
        _check_shape(field, text)
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is not None and _values(node, {}) > MAX_VALUES:
            raise _too_many(field)
        found = loader.construct_document(node) if node is not None else None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = _(" (line %(line)d)") % {"line": mark.line + 1} if mark else ""
        raise InvalidSeed(field, _("This is no valid YAML%(where)s.") % {"where": where}) from None
    except _NO_YAML:
        raise InvalidSeed(field, _("This is no valid YAML.")) from None
    if not isinstance(found, dict):
        raise InvalidSeed(field, _("This has to be a YAML mapping: lines of “name: value”."))
    return found


def _check_shape(field: str, text: str) -> None:
    """That it is neither too deep nor too long to be read in one go. Stops where it finds out."""
    depth = values = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        values += isinstance(event, yaml.NodeEvent)
        if depth > MAX_DEPTH:
            raise InvalidSeed(
                field, _("Its values lie in one another too deeply: %(most)d times at most.") % {"most": MAX_DEPTH}
            )
        if values > MAX_VALUES:
            raise _too_many(field)


def _too_many(field: str) -> InvalidSeed:
    return InvalidSeed(
        field,
        _("It has too many values, each counted as often as an alias (*name) repeats it: %(most)d at most.")
        % {"most": MAX_VALUES},
    )


def _values(node: yaml.Node, known: dict[int, int]) -> int:
    """How many values a node comes to, with each alias written out. One that holds itself has no end."""
    if id(node) not in known:
        known[id(node)] = MAX_VALUES + 1
        children = node.value if isinstance(node, yaml.CollectionNode) else ()
        parts = (part for child in children for part in (child if isinstance(child, tuple) else (child,)))
        known[id(node)] = 1 + sum(_values(part, known) for part in parts)
    return known[id(node)]


def _dump(config: dict[str, Any]) -> str:
    return f"{_CONFIG}\n{yaml.dump(config, Dumper=_Dumper, sort_keys=False, allow_unicode=True)}"


def _check_size(field: str, text: str, most: int) -> None:
    if len(text.encode()) > most:
        raise InvalidSeed(field, _("%(most)d KiB at most.") % {"most": most // 1024})
