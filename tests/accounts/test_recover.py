"""``manage.py admin_recover``."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from accounts.models import AuditEvent, User
from accounts.services import password_set_by_link
from accounts.tokens import token_resolve
from tests.accounts.conftest import NEW_PASSWORD, link_in
from tests.cast import Cast
from tests.factories import PASSWORD


def recover(*arguments: str) -> tuple[str, str]:
    out, err = StringIO(), StringIO()
    call_command("admin_recover", *arguments, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


@pytest.mark.django_db
def test_the_first_superuser_gets_a_link() -> None:
    out, _ = recover("Root@Eve.Example")
    assert "There was no root@eve.example: a superuser was made." in out
    assert "There was no" not in recover("root@eve.example")[0]
    user = User.objects.get()
    assert (user.email, user.is_staff, user.is_superuser) == ("root@eve.example", True, True)
    assert user.personal_project.name == "Administrator"
    assert password_set_by_link(link=link_in(out), password=NEW_PASSWORD) == user


def test_somebody_disabled_comes_back_as_superuser(cast: Cast) -> None:
    User.objects.filter(pk=cast.staff_here.pk).update(is_active=False)
    recover("HERA@eve.example")
    cast.staff_here.refresh_from_db()
    assert (cast.staff_here.is_active, cast.staff_here.is_superuser) == (True, True)
    assert set(AuditEvent.objects.values_list("action", flat=True)) == {"user.enable", "user.update", "password.link"}


def test_a_password_from_a_file_is_set_once(cast: Cast, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text(f"{NEW_PASSWORD}\n")
    recover("sue@eve.example", "--password-file", str(file))
    cast.superuser.refresh_from_db()
    assert cast.superuser.check_password(NEW_PASSWORD)
    text = cast.token(cast.superuser)
    out, err = recover("sue@eve.example", "--password-file", str(file))
    assert "already" in out
    assert token_resolve(text) is not None, "nobody is signed out for nothing"
    assert NEW_PASSWORD not in out + err


def test_a_weak_one_is_said_and_taken(cast: Cast, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("admin")
    _, err = recover("sue@eve.example", "--password-file", str(file))
    assert "weak" in err
    cast.superuser.refresh_from_db()
    assert cast.superuser.check_password("admin")


@pytest.mark.parametrize("content", [None, b"", b"\n", b"\xff\xfe"])
def test_a_file_that_holds_none(cast: Cast, tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "password"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(CommandError):
        recover("new@eve.example", "--password-file", str(file))
    assert not User.objects.filter(email="new@eve.example").exists()
    cast.superuser.refresh_from_db()
    assert cast.superuser.check_password(PASSWORD)


@pytest.mark.django_db
def test_no_address() -> None:
    with pytest.raises(CommandError, match="valid email"):
        recover("nonsense")
