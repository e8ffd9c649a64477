"""Choosing what a new machine is made from: among many images, and of a project."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from .conftest import LOOKS
from .house import ADMIN, House
from .test_pages import WIDER

IMAGES = """
from accounts.models import Membership, Project, Role, User
from hypervisors.models import Site
from vms.models import Image, ImageState
site, admin = Site.objects.get(), User.objects.get(email=%(admin)r)
acme, _made = Project.objects.get_or_create(name="Acme")
Membership.objects.get_or_create(project=acme, user=admin, role=Role.OWNER)
for number in range(40):
    Image.objects.get_or_create(name=f"Debian {number}", site=site, state=ImageState.READY)
Image.objects.get_or_create(name="Own brew", site=site, state=ImageState.READY, project=acme)
"""


@pytest.mark.parametrize("look", LOOKS)
def test_an_image_of_a_project_among_many(
    made_up_home: House, open_as: Callable[..., Page], picture: Callable[[Page, str], None], look: str
) -> None:
    made_up_home.shell(IMAGES % {"admin": ADMIN})
    page = open_as(ADMIN, look)
    page.goto(f"{made_up_home.url}/vms/new/")
    project = page.locator("#id_project")
    personal = project.input_value()
    page.get_by_role("searchbox", name="Search images").fill("own BREW")
    expect(page.get_by_role("radio", name="Debian 7 ")).to_be_hidden()
    page.locator("label.opt", has_text="Own brew").click()
    expect(project.locator("option:checked")).to_have_text("Acme")
    expect(page.get_by_text("This image belongs to project Acme: so does what is made from it.")).to_be_visible()
    expect(page.locator("[data-of=image]")).to_have_text("Own brew")
    assert page.evaluate(WIDER) <= 0
    picture(page, f"vm-new-images-{look}")
    project.select_option(personal)
    expect(page.locator("[data-of=image]")).to_have_text("none: an empty disk")
    expect(page.get_by_text("This image belongs to project")).to_be_hidden()
