"""Public SSH keys: what is one, whose they are, and what becomes of them."""

from __future__ import annotations

import base64
import struct

import pytest

from accounts.models import AuditEvent, SshKey
from accounts.ssh_keys import NoSshKey, ssh_key_parse
from tests.cast import Cast

PRIVATE = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXkt\n-----END OPENSSH PRIVATE KEY-----"


def blob(kind: str, content: bytes = b"x" * 32) -> str:
    """A key of `kind` as its bytes say."""
    inner = struct.pack(">I", len(kind)) + kind.encode() + struct.pack(">I", len(content)) + content
    return base64.b64encode(inner).decode()


LINE = f"ssh-ed25519 {blob('ssh-ed25519')} olivia@desk"


def test_a_key_and_its_fingerprint_as_openssh_shows_it() -> None:
    line = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGZ8mJk0Yl0Xl2o9K1V0o3b7Yw2a1cQ1c2d3e4f5g6h7 olivia@desk"
    key = ssh_key_parse(f"  {line}\n")
    assert (key.kind, key.comment, key.line) == ("ssh-ed25519", "olivia@desk", line)
    assert key.fingerprint == "SHA256:8LRAe9QG3+RFtoyBewMCE9tRYHNbz09YbecjcyjAGtc"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ssh-ed25519",
        f"ssh-rsa {blob('ssh-ed25519')} another kind inside",
        f"ssh-dss {blob('ssh-dss')} out of use",
        f'command="sh" {LINE}',
        f"{LINE}\nssh-ed25519 {blob('ssh-ed25519', b'y' * 32)}",
        f"ssh-ed25519 {blob('ssh-ed25519')[:-2]}",
        "ssh-ed25519 " + "A" * 60,
    ],
)
def test_what_is_no_key(text: str) -> None:
    with pytest.raises(NoSshKey):
        ssh_key_parse(text)


def test_a_private_key_is_told_apart_and_not_repeated() -> None:
    with pytest.raises(NoSshKey, match="private key") as refusal:
        ssh_key_parse(PRIVATE)
    assert "b3Blb" not in str(refusal.value)


def test_keys_are_ones_own(cast: Cast) -> None:
    api = cast.api(cast.owner)
    answer = api.post("/api/v1/ssh-keys", {"line": LINE}, format="json")
    assert answer.status_code == 201, answer.content
    key = answer.json()
    assert (key["name"], key["line"]) == ("olivia@desk", LINE)
    assert [each["id"] for each in api.get("/api/v1/ssh-keys").json()["results"]] == [key["id"]]
    stranger = cast.api(cast.outsider)
    assert stranger.get("/api/v1/ssh-keys").json()["results"] == []
    assert stranger.delete(f"/api/v1/ssh-keys/{key['id']}").status_code == 404
    assert api.delete(f"/api/v1/ssh-keys/{key['id']}").status_code == 204
    assert not SshKey.objects.exists()
    told = AuditEvent.objects.filter(action__startswith="ssh_key.").values_list("action", flat=True)
    assert sorted(told) == ["ssh_key.add", "ssh_key.remove"]


def test_the_same_key_twice_and_what_is_none(cast: Cast) -> None:
    api = cast.api(cast.owner)
    api.post("/api/v1/ssh-keys", {"line": LINE}, format="json")
    again = api.post("/api/v1/ssh-keys", {"line": f"{LINE}-2", "name": "other"}, format="json")
    assert (again.status_code, again.json()["code"]) == (409, "key_known")
    none = api.post("/api/v1/ssh-keys", {"line": "nonsense"}, format="json")
    assert none.status_code == 400
    assert list(none.json()["errors"]) == ["line"]


def test_there_is_an_end_to_keys(cast: Cast) -> None:
    SshKey.objects.bulk_create(SshKey(user=cast.owner, name=str(n), line="", fingerprint=str(n)) for n in range(50))
    answer = cast.api(cast.owner).post("/api/v1/ssh-keys", {"line": LINE}, format="json")
    assert (answer.status_code, answer.json()["code"]) == (429, "limit_reached")


def test_the_profile_keeps_and_removes_them(cast: Cast) -> None:
    client = cast.pages(cast.owner)
    assert client.post("/profile/ssh-keys/", {"line": LINE, "name": "Desk"}).status_code == 302
    key = SshKey.objects.get()
    html = client.get("/profile/").content.decode()
    assert "Desk" in html
    assert key.fingerprint in html
    refused = client.post("/profile/ssh-keys/", {"line": PRIVATE})
    assert refused.status_code == 400
    assert "private key" in refused.content.decode()
    assert cast.pages(cast.outsider).post(f"/profile/ssh-keys/{key.pk}/remove/").status_code == 302
    assert SshKey.objects.exists()
    assert client.post(f"/profile/ssh-keys/{key.pk}/remove/").status_code == 302
    assert not SshKey.objects.exists()
