"""What the bar over the screen offers to whom."""

from __future__ import annotations

import pytest

from consoles.models import ConsoleMode
from tests.cast import Cast
from vms.models import Vm

from .test_guests import entered, made


@pytest.mark.parametrize("is_made_by_eve", [True, False])
@pytest.mark.parametrize(
    ("who", "may_change"), [("owner", True), ("operator", True), ("viewer", False), ("staff_here", True)]
)
def test_the_disc_is_changed_by_those_who_may(cast: Cast, who: str, may_change: bool, is_made_by_eve: bool) -> None:
    Vm.objects.update(is_made_by_eve=is_made_by_eve)
    page = cast.pages(getattr(cast, who)).get(f"/vms/{cast.acme_vm.pk}/console/").content.decode()
    has_menu = may_change and is_made_by_eve
    assert ('id="disc-menu"' in page, "data-disc-url" in page) == (has_menu, has_menu)
    assert 'data-do="screenshot"' in page


@pytest.mark.parametrize(("who", "may_control"), [("operator", True), ("viewer", False)])
def test_the_serial_line_has_what_makes_sense_there(cast: Cast, who: str, may_control: bool) -> None:
    Vm.objects.update(is_made_by_eve=True)
    page = cast.pages(getattr(cast, who)).get(f"/vms/{cast.acme_vm.pk}/console/serial/").content.decode()
    for part in ('id="power-menu"', 'id="phone-power"', 'id="disc-menu"', "data-disc-url", 'data-do="size"'):
        assert (part in page) == may_control, part
    for part in ('id="help"', f"/vms/{cast.acme_vm.pk}/doctor/", 'data-do="save-text"', 'data-do="own-window"'):
        assert part in page, part
    for part in ('data-do="screenshot"', 'data-do="ctrl-alt-del"', 'id="quality-menu"', 'data-do="view-only"'):
        assert part not in page, part


def test_guests_have_neither_disc_nor_picture(cast: Cast) -> None:
    Vm.objects.update(is_made_by_eve=True)
    secret, link = made(cast, ConsoleMode.CONTROL)
    page = entered(cast, secret, link).get(f"/guest/{link.pk}/").content.decode()
    assert 'data-do="full-screen"' in page
    for part in ('data-do="screenshot"', "data-screenshot-url", 'id="disc-menu"', "data-disc-url"):
        assert part not in page
