"""An image from a file in the browser to a real pool: over a lost connection and a reload of the page."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, Route, expect

from common.pieces import PIECE_BYTES

from .conftest import World

MIB = 2**20


def test_an_upload_goes_on_after_a_lost_connection_and_a_reload(
    world: World, browse: Callable[..., Page], picture: Callable[[Page, str], None], tmp_path: Path
) -> None:
    file = tmp_path / "rescue.iso"
    data = b"".join(hashlib.sha256(str(number).encode()).digest() * (MIB // 32) for number in range(40))
    file.write_bytes(data)
    page = browse("olivia@acme.example")
    sent: list[int] = []
    stops_at = [2, 5]
    """After so many pieces the connection is lost once; then nothing goes through until the page is loaded anew."""

    def handle(route: Route) -> None:
        if route.request.method != "PUT":
            route.continue_()
        elif len(sent) == stops_at[0] or len(sent) >= stops_at[1]:
            stops_at[0] = -1
            route.abort()
        else:
            sent.append(len(route.request.post_data_buffer or b""))
            route.continue_()

    page.route("**/data?offset=*", handle)
    page.goto(f"{world.house.url}/images/new/")
    page.set_input_files("input[name=file]", file)
    expect(page.locator("[name=name]")).to_have_value("rescue")
    expect(page.locator("[name=kind]")).to_have_value("iso")
    page.select_option("[name=project]", world.acme)
    page.fill("[name=sha256]", hashlib.sha256(data).hexdigest())
    page.click("main form button[type=submit]")
    expect(page.locator("[data-upload-words]")).to_contain_text("The connection is lost; it goes on by itself.")
    picture(page, "image-upload-lost")
    expect(page.locator("[data-upload-words]")).not_to_contain_text("lost", timeout=20_000)
    expect(page.locator("[data-upload-words]")).to_contain_text("lost", timeout=20_000)
    assert len(sent) == 5
    here = page.url
    assert "/images/new/" not in here

    page.on("dialog", lambda dialog: dialog.accept())
    page.unroute("**/data?offset=*")
    page.goto(here)
    expect(page.locator("main")).to_contain_text("Choose the same file to go on")
    other = tmp_path / "other.iso"
    other.write_bytes(b"x")
    page.set_input_files("input[name=file]", other)
    page.click("[data-upload] button[type=submit]")
    expect(page.locator("[data-upload-error]")).to_contain_text("another length")
    page.set_input_files("input[name=file]", file)
    page.click("[data-upload] button[type=submit]")
    expect(page.locator("#image-state")).to_contain_text("Ready", timeout=30_000)
    expect(page.locator("#image-state")).to_contain_text(hashlib.sha256(data).hexdigest())
    picture(page, "image-ready")


def test_an_upload_that_is_refused_in_the_middle_leads_on(
    world: World, browse: Callable[..., Page], picture: Callable[[Page, str], None], tmp_path: Path
) -> None:
    file = tmp_path / "half.iso"
    file.write_bytes(bytes(PIECE_BYTES + 1))
    page = browse("olivia@acme.example")

    def somebody_deletes_it(route: Route) -> None:
        image = route.request.url.split("/images/")[1].split("/")[0]
        assert world.house.api("DELETE", f"/images/{image}", token=world.house.token()).status_code == 202
        route.continue_()

    page.route("**/data?offset=*", somebody_deletes_it)
    page.goto(f"{world.house.url}/images/new/")
    page.set_input_files("input[name=file]", file)
    page.select_option("[name=project]", world.acme)
    page.click("main form button[type=submit]")
    onward = page.get_by_role("link", name="Open the image, to go on or to delete it")
    expect(onward).to_be_visible()
    picture(page, "image-upload-refused")
    assert onward.get_attribute("href") in page.url


def test_a_long_file_takes_no_memory_in_eve_or_agent(world: World) -> None:
    token, size = world.house.token(), 256 * MIB
    wanted = {"name": "long", "kind": "iso", "project": world.acme, "size_bytes": size}
    image = world.house.api("POST", "/images", token=token, json=wanted).json()["image"]["id"]
    piece, before = bytes(PIECE_BYTES), peak_bytes(world)
    for offset in range(0, size, PIECE_BYTES):
        answer = world.house.api(
            "PUT",
            f"/images/{image}/data?offset={offset}",
            token=token,
            data=piece,
        )
        assert answer.json()["received_bytes"] == offset + PIECE_BYTES, answer.text
    assert peak_bytes(world) - before < 48 * MIB
    assert world.house.api("DELETE", f"/images/{image}", token=token).status_code == 202


def peak_bytes(world: World) -> int:
    """The most memory that Eve and the agent have had."""
    total = 0
    for process in (world.house.eve, world.house.agent):
        assert process is not None
        status = Path(f"/proc/{process.pid}/status").read_text()
        total += int(status.split("VmHWM:")[1].split()[0]) * 1024
    return total
