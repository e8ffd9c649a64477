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


def test_guests_have_neither_disc_nor_picture(cast: Cast) -> None:
    Vm.objects.update(is_made_by_eve=True)
    secret, link = made(cast, ConsoleMode.CONTROL)
    page = entered(cast, secret, link).get(f"/guest/{link.pk}/").content.decode()
    assert 'data-do="full-screen"' in page
    for part in ('data-do="screenshot"', "data-screenshot-url", 'id="disc-menu"', "data-disc-url"):
        assert part not in page
