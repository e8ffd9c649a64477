"""A throw-away nginx before an Eve."""

from __future__ import annotations

import contextlib
import datetime as dt
import getpass
import ipaddress
import socket
import subprocess
import time
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

SHIPPED = Path(__file__).resolve().parents[2] / "deploy" / "nginx" / "eve.conf"
_TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


class Nginx:
    """nginx on `port` of loopback, with its files in `folder`."""

    def __init__(self, folder: Path, *, port: int) -> None:
        self.folder, self.port = folder, port
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, inside: str) -> None:
        """Starts it with `inside` as what stands in ``http {}``, in place of one that runs; returns once it listens."""
        self.close()
        user = "user root;" if getpass.getuser() == "root" else ""
        temporary = "".join(f"{kind}_temp_path {self.folder}/{kind};" for kind in _TEMPORARY)
        configuration = self.folder / "nginx.conf"
        configuration.write_text(
            f"{user} daemon off; pid {self.folder}/pid; error_log {self.folder}/main.log;\n"
            f"events {{}} http {{ access_log off; {temporary}\n{inside}\n}}\n"
        )
        self.process = subprocess.Popen(
            ["/usr/sbin/nginx", "-c", str(configuration), "-e", str(self.folder / "main.log")],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for _ in range(100):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return
            time.sleep(0.05)
        raise AssertionError((self.folder / "main.log").read_text())

    def logs(self) -> str:
        """All that it wrote."""
        return "".join(path.read_text(errors="replace") for path in sorted(self.folder.glob("*.log")))

    def close(self) -> None:
        """Ends it."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait(10)
            self.process = None


def shipped_configuration(folder: Path, *, upstream: int, port: int) -> str:
    """The shipped example with paths, ports and certificate (which is made) of a test."""
    write_certificate(folder / "fullchain.pem", folder / "privkey.pem")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        plain_port = free.getsockname()[1]
    shipped = SHIPPED.read_text()
    replaced = {
        "listen 443 ssl;": f"listen 127.0.0.1:{port} ssl;",
        "listen [::]:443 ssl;": "",
        "listen 80;": f"listen 127.0.0.1:{plain_port};",
        "listen [::]:80;": "",
        "eve.example.org": "127.0.0.1",
        "127.0.0.1:8000": f"127.0.0.1:{upstream}",
        "/etc/ssl/eve": str(folder),
        "/var/log/nginx": str(folder),
    }
    for old, new in replaced.items():
        assert old in shipped, f"{old} is not in the shipped example any more"
        shipped = shipped.replace(old, new)
    return shipped


def write_certificate(path: Path, key_path: Path) -> None:
    """For 127.0.0.1, by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(minutes=1))
        .not_valid_after(now + dt.timedelta(hours=2))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
