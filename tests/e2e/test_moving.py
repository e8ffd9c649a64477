"""A machine goes to one of very many projects: searched for, asked about, moved; on a phone, too."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from .house import ADMIN, House

MANY = """
from accounts.models import Project, User
from vms.models import DiscoveredDomain
from vms.services import vm_adopt
Project.objects.bulk_create(Project(name=f"{look} {number:04}") for number in range(500))
found = DiscoveredDomain.objects.order_by("name").first()
print(vm_adopt(discovered=found, project=User.objects.get(email="{admin}").personal_project, user=None).pk)
"""


@pytest.mark.parametrize("look", ["light", "dark", "phone"])
def test_one_of_many_projects(
    made_up_home: House,
    open_as: Callable[..., Page],
    picture: Callable[[Page, str], None],
    accessibility_faults: Callable[[Page], list[str]],
    look: str,
) -> None:
    said = made_up_home.shell(MANY.replace("{look}", look).replace("{admin}", ADMIN))
    page = open_as(ADMIN, look)
    page.goto(f"{made_up_home.url}/vms/{said.strip().splitlines()[-1]}/settings/")
    page.get_by_role("link", name="Move it to another project").click()
    destinations = page.locator("#destinations")
    expect(destinations.locator("tbody tr")).to_have_count(25)
    assert accessibility_faults(page) == []
    picture(page, f"move-{look}")
    page.locator("main").get_by_role("searchbox").fill("0477")
    page.keyboard.press("Enter")
    expect(destinations.locator(f"tbody tr:has-text('{look} 0477')")).to_be_visible()
    page.get_by_role("button", name=f"Move to {look} 0477").click()
    expect(page.locator("#confirm h2")).to_contain_text(f"to {look} 0477?")
    picture(page, f"move-ask-{look}")
    page.locator("#confirm [data-yes]").click()
    expect(page.get_by_text(f"belongs to project {look} 0477 now")).to_be_visible()
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    picture(page, f"move-settings-{look}")
