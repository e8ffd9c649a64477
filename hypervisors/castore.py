"""The files of Eve's CA, in ``settings.CA_DIR`` (0700).

================  ==============================================================
``ca.key``        the CA's key (0600); written before its certificate
``ca.crt``        the CA's certificate
``eve.pem``       key, certificate and its CA's, with which Eve calls agents (0600), in one file: they can never disagree
``eve-next.pem``  those that follow, while they are announced to the agents
``lock``          held while any of these is made or replaced
================  ==============================================================

Each file is replaced as a whole (rename), so that a reader or a restart finds the state before or after. Readers look
at the file's time on every use, so that all processes follow a change without being told.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import fcntl
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from django.conf import settings

from common.sentences import gettext as _

from . import pki
from .errors import AuthorityError, CertificateRefused
from .pki import Authority

_Stamp = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Credential:
    """A certificate of Eve's own, with the file that holds it and its key."""

    path: Path
    stamp: _Stamp
    certificate: x509.Certificate

    @property
    def fingerprint(self) -> str:
        """Of the certificate: what agents pin."""
        return pki.fingerprint(self.certificate)

    def is_due(self, now: dt.datetime) -> bool:
        """Whether two thirds of its life are over."""
        begin, end = self.certificate.not_valid_before_utc, self.certificate.not_valid_after_utc
        return now >= begin + (end - begin) * 2 / 3

    def has_ended(self, now: dt.datetime) -> bool:
        """Whether it is valid no more."""
        return now >= self.certificate.not_valid_after_utc


_Reader = Callable[[Path, _Stamp], Authority | Credential]


class CaStore:
    """One folder. Methods may be called from any thread and process; they block on the disk."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._mutex = threading.Lock()
        self._cached: dict[str, tuple[_Stamp, Authority | Credential]] = {}

    @property
    def exists(self) -> bool:
        """Whether a CA was made here."""
        return (self.folder / "ca.crt").exists()

    def make(self, *, now: dt.datetime) -> bool:
        """Makes the CA and Eve's own certificate unless they are there. Returns whether a CA was made.

        Raises:
            AuthorityError: the folder cannot be written, or holds something that is no CA.
        """
        with self.locked():
            is_new = not self.exists
            if is_new:
                authority = pki.new_authority(now=now)
                self._write("ca.key", pki.key_pem(authority.key), 0o600)
                self._write("ca.crt", authority.pem.encode(), 0o644)
                (self.folder / "eve.pem").unlink(missing_ok=True)
                (self.folder / "eve-next.pem").unlink(missing_ok=True)
            if not (self.folder / "eve.pem").exists():
                self._write_credential("eve.pem", now)
        return is_new

    def authority(self) -> Authority:
        """The CA. Raises AuthorityError where there is none."""
        found = self._load("ca.crt", lambda _path, _stamp: self._read_authority())
        if not isinstance(found, Authority):
            raise AuthorityError(
                _("There is no CA in %(folder)s. Run `manage.py ca_init`, or put back the folder from a backup.")
                % {"folder": self.folder}
            )
        return found

    def current(self) -> Credential:
        """What Eve calls agents with. Raises AuthorityError where there is none."""
        found = self._load("eve.pem", self._read_credential)
        if not isinstance(found, Credential):
            raise AuthorityError(
                _("Eve's own certificate is missing in %(folder)s. Run `manage.py ca_init`.") % {"folder": self.folder}
            )
        return found

    def following(self) -> Credential | None:
        """What Eve will call agents with once they know it."""
        found = self._load("eve-next.pem", self._read_credential)
        return found if isinstance(found, Credential) else None

    def make_following(self, *, now: dt.datetime) -> Credential:
        """Makes the following certificate unless it is there."""
        with self.locked():
            if not (self.folder / "eve-next.pem").exists():
                self._write_credential("eve-next.pem", now)
        found = self.following()
        return found or self.current()  # another process may have promoted it in between

    def promote(self, credential: Credential) -> None:
        """`credential`, the following one, is the current one from now on; the key that it replaces is gone."""
        with self.locked():
            found = self.following()
            if found is not None and found.fingerprint == credential.fingerprint:
                (self.folder / "eve-next.pem").replace(self.folder / "eve.pem")
                self._sync_folder()

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Alone among all processes. Raises AuthorityError where the folder cannot be written."""
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise AuthorityError(
                _("The CA's folder %(folder)s cannot be written: %(why)s.")
                % {"folder": self.folder, "why": error.strerror}
            ) from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def _load(self, name: str, read: _Reader) -> Authority | Credential | None:
        path = self.folder / name
        try:
            status = path.stat()
            stamp = (status.st_mtime_ns, status.st_ino, status.st_size)
            with self._mutex:
                cached = self._cached.get(name)
                if cached is None or cached[0] != stamp:
                    cached = self._cached[name] = (stamp, read(path, stamp))
                return cached[1]
        except FileNotFoundError:
            return None
        except (OSError, ValueError, CertificateRefused) as error:
            raise AuthorityError(
                _("%(path)s cannot be used: %(why)s Put it back from a backup.")
                % {"path": path, "why": getattr(error, "detail", None) or f"{error}."}
            ) from error

    def _read_authority(self) -> Authority:
        certificate = pki.load_certificate((self.folder / "ca.crt").read_text())
        key = serialization.load_pem_private_key((self.folder / "ca.key").read_bytes(), password=None)
        if not isinstance(key, ec.EllipticCurvePrivateKey) or not pki.has_key(certificate, key):
            raise CertificateRefused(_("ca.key is not the key of ca.crt."))
        return Authority(key, certificate)

    @staticmethod
    def _read_credential(path: Path, stamp: _Stamp) -> Credential:
        return Credential(path, stamp, x509.load_pem_x509_certificate(path.read_bytes()))

    def _write_credential(self, name: str, now: dt.datetime) -> None:
        key, authority = pki.new_key(), self._read_authority()
        certificate = pki.sign(
            authority,
            key.public_key(),
            common_name="Eve",
            dns_names=(),
            usage=pki.Usage.CLIENT,
            life=pki.CLIENT_LIFE,
            now=now,
        )
        # With the CA's, or OpenSSL would look for it and verify its signature in every handshake.
        chain = pki.certificate_pem(certificate) + authority.pem
        self._write(name, pki.key_pem(key) + chain.encode(), 0o600)

    def _write(self, name: str, content: bytes, mode: int) -> None:
        target = self.folder / name
        temporary = self.folder / f".{name}.new"
        try:
            temporary.unlink(missing_ok=True)
            handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(handle)
            temporary.replace(target)
            self._sync_folder()
        except OSError as error:
            raise AuthorityError(
                _("%(path)s cannot be written: %(why)s.") % {"path": target, "why": error.strerror}
            ) from error

    def _sync_folder(self) -> None:
        handle = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


_stores: dict[Path, CaStore] = {}


def ca_store() -> CaStore:
    """The store in ``settings.CA_DIR``."""
    folder = Path(settings.CA_DIR)
    return _stores.setdefault(folder, CaStore(folder))
