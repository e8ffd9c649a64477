"""One certificate replaces another, with a restart in every gap."""

from __future__ import annotations

import datetime as dt
import os
import time
from pathlib import Path

import pytest
from eve_agent import files
from eve_agent.errors import BadRequest
from eve_agent.service.certificates import BadCertificate, load_certificate
from eve_agent.service.identity import CONFIRM_SECONDS, Identity, IdentityError

from tests.agent import pki


class Host:
    """A folder, and the identity that a restart would find in it."""

    def __init__(self, folder: Path) -> None:
        self.authority = pki.Authority.make()
        self.eve = self.authority.client()
        self.leaf = self.authority.issue()
        self.folder = pki.write_identity(folder, self.authority, self.leaf, (self.eve.fingerprint,))
        self.identity = Identity(self.folder)

    def restart(self) -> Identity:
        self.identity = Identity(self.folder)
        return self.identity

    def certificate(self, **changes) -> pki.Leaf:
        return pki.certify(self.authority, self.identity.new_signing_request("host"), **changes)


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.mark.parametrize("restarts", range(16))
def test_a_renewal_with_restarts_at_any_point(host: Host, restarts: int):
    def maybe_restart(step: int) -> None:
        if restarts >> step & 1:
            host.restart()

    old = host.leaf.fingerprint
    csr = host.identity.new_signing_request("host")
    maybe_restart(0)
    new = pki.certify(host.authority, csr)
    assert host.identity.serving.fingerprint == old
    status = host.identity.install(new.pem)
    assert (status.fingerprint, status.pending_fingerprint) == (old, new.fingerprint)
    maybe_restart(1)
    assert host.identity.serving.fingerprint == new.fingerprint
    assert host.identity.install(new.pem).pending_fingerprint == new.fingerprint  # Eve did not hear the answer
    assert not host.identity.confirm(old)
    maybe_restart(2)
    assert host.identity.confirm(new.fingerprint)
    assert not host.identity.confirm(new.fingerprint)
    maybe_restart(3)
    status = host.identity.status()
    assert (status.fingerprint, status.pending_fingerprint) == (new.fingerprint, "")
    assert host.identity.serving.certificate == load_certificate(new.pem)
    assert host.identity.install(new.pem) == status
    assert names(host.folder) == {"identity.pem", "ca.pem", "pins.json"}


def install_and_confirm(identity: Identity, new: pki.Leaf) -> None:
    identity.install(new.pem)
    identity.confirm(new.fingerprint)


@pytest.mark.parametrize("failing", ["write_atomically", "move"])
def test_a_crash_inside_a_step_leaves_the_state_before_it(host: Host, monkeypatch: pytest.MonkeyPatch, failing: str):
    new = host.certificate()

    def crash(*_args, **_kwargs):
        raise OSError("the power is gone")

    monkeypatch.setattr(files, failing, crash)
    with pytest.raises(OSError, match="power"):
        install_and_confirm(host.identity, new)
    monkeypatch.undo()
    host.restart()
    host.identity.install(new.pem)
    assert host.identity.confirm(new.fingerprint)
    assert host.restart().status().fingerprint == new.fingerprint


def test_a_crash_between_install_and_the_removal_of_the_pending_key(host: Host):
    csr = host.identity.new_signing_request("host")
    pending = (host.folder / "pending.key").read_bytes()
    new = pki.certify(host.authority, csr)
    host.identity.install(new.pem)
    (host.folder / "pending.key").write_bytes(pending)
    host.restart()
    assert host.identity.install(new.pem).pending_fingerprint == new.fingerprint
    assert host.identity.confirm(new.fingerprint)


def test_files_are_for_the_owner_only(host: Host):
    host.identity.install(host.certificate().pem)
    host.identity.new_signing_request("host")
    for name in ("next.pem", "pending.key"):
        assert (host.folder / name).stat().st_mode & 0o777 == 0o600
    host.identity.replace_pins([host.eve.fingerprint], speaker=host.eve.fingerprint)
    assert (host.folder / "pins.json").stat().st_mode & 0o777 == 0o600


def test_each_request_has_a_new_key_and_only_the_last_counts(host: Host):
    first, second = host.certificate(), host.certificate()
    with pytest.raises(BadCertificate, match="another key"):
        host.identity.install(first.pem)
    assert host.identity.install(second.pem).pending_fingerprint == second.fingerprint


def test_what_is_not_installed(host: Host):
    with pytest.raises(BadCertificate, match="no signing request"):
        host.identity.install(host.authority.issue().pem)
    for changes, words in (
        ({"usage": pki.CLIENT}, "for servers"),
        ({"names": ("other.agent.eve.internal",)}, "does not name"),
        ({"ends": dt.timedelta(seconds=-1)}, "ended"),
        ({"starts": dt.timedelta(days=1)}, "valid from"),
    ):
        with pytest.raises(BadCertificate, match=words):
            host.identity.install(host.certificate(**changes).pem)
    for authority in (pki.Authority.make("Another"), pki.Authority.make("Eve")):
        leaf = pki.certify(authority, host.identity.new_signing_request("host"))
        with pytest.raises(BadCertificate, match="not signed by"):
            host.identity.install(leaf.pem)
    for text in ("", "certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"):
        with pytest.raises(BadCertificate, match="no PEM"):
            host.identity.install(text)
    assert host.restart().serving.fingerprint == host.leaf.fingerprint


def test_nobody_came_over_the_new_one(host: Host, monkeypatch: pytest.MonkeyPatch):
    new = host.certificate()
    host.identity.install(new.pem)
    assert not host.identity.drop_unconfirmed()
    long_ago = time.time() - CONFIRM_SECONDS - 1
    os.utime(host.folder / "next.pem", (long_ago, long_ago))
    host.restart()
    assert host.identity.serving.fingerprint == host.leaf.fingerprint
    assert "next.pem" not in names(host.folder)


def test_an_old_certificate_that_ended_is_not_gone_back_to(host: Host):
    new = host.certificate(ends=dt.timedelta(days=200))
    host.identity.install(new.pem)
    long_ago = time.time() - CONFIRM_SECONDS - 1
    os.utime(host.folder / "next.pem", (long_ago, long_ago))
    later = Identity(host.folder, now=lambda: pki.now() + dt.timedelta(days=100))
    assert later.serving.fingerprint == new.fingerprint


def test_pins_survive_a_restart(host: Host):
    following = host.authority.client()
    both = [host.eve.fingerprint, following.fingerprint]
    host.identity.replace_pins(both, speaker=host.eve.fingerprint)
    assert host.restart().pins == set(both)
    host.identity.replace_pins(both[1:], speaker=following.fingerprint)
    assert host.restart().pins == {following.fingerprint}


@pytest.mark.parametrize("pins", [[], ["x"], ["A" * 64], ["0" * 63], [f"{number:064x}" for number in range(5)]])
def test_bad_pins(host: Host, pins: list[str]):
    with pytest.raises(BadRequest):
        host.identity.replace_pins(pins, speaker=host.eve.fingerprint)
    assert host.restart().pins == {host.eve.fingerprint}


@pytest.mark.parametrize("name", ["identity.pem", "ca.pem", "pins.json"])
def test_what_is_missing_or_broken_is_named(host: Host, name: str):
    (host.folder / name).write_bytes(b"\xff broken")
    with pytest.raises(IdentityError, match=name):
        host.restart()
    (host.folder / name).unlink()
    with pytest.raises(IdentityError, match=name):
        host.restart()


def test_a_key_of_another_certificate(host: Host):
    pki.Leaf(pki.Authority.make().key, host.leaf.certificate).write(host.folder / "identity.pem")
    with pytest.raises(IdentityError, match="another key"):
        host.restart()


def test_a_broken_next_certificate_does_not_keep_the_agent_down(host: Host):
    (host.folder / "next.pem").write_text("half a fi")
    assert host.restart().serving.fingerprint == host.leaf.fingerprint
    assert "next.pem" not in names(host.folder)
