"""``make pictures``: the pictures of README and docs, taken anew from a running ``make run`` with a real guest.

It needs the tests' environment (``make setup``). It reads the variables of ``make run``, types into the demo guest, pulls its plug once
and starts it again, makes a machine, a guest link and a hypervisor, and deletes them afterwards. Best on a fresh EVE_STATE_DIR, so that nothing private is shown.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, Error, Page, sync_playwright

from deploy.local.config import ROOT, ConfigError, LocalConfig

FOLDER = ROOT / "docs" / "pictures"
CHROMIUM = "/usr/bin/chromium-headless-shell"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
DESKTOP, PHONE = (1280, 800), (390, 844)
SETTLE_MS = 900
NEWS_MS = 6000
"""Longer than a message such as "Connected" stays over the screen."""
SCREEN_SECONDS = 40
MOST_BYTES = 200 * 1024
LIT_PIXELS = """() => {
    const canvas = document.querySelector("#screen canvas");
    if (!canvas || !canvas.width || !canvas.height) return 0;
    const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
    let lit = 0;
    for (let i = 0; i < pixels.length; i += 4) if (pixels[i] + pixels[i + 1] + pixels[i + 2] > 120) lit += 1;
    return lit;
}"""
SAMPLE_HOST = "hv-example"
SAMPLE_VM = "shop-01"
CHANGE_MS = 120_000


class PictureError(Exception):
    """A picture could not be taken; the text says why."""


class Photographer:
    """Somebody who is signed in, with a folder to put pictures into."""

    def __init__(self, browser: Browser, config: LocalConfig, folder: Path) -> None:
        self._browser, self._url, self._folder = browser, config.local_url, folder
        self._email = config.admin_email
        self._password = (config.state_dir / "admin-password").read_text().strip()
        self._vm_name = config.demo_name
        self._vm_path = ""

    def take(self, page: Page, name: str, path: str | None = None) -> None:
        """One picture, of `path` or of what is there. Raises PictureError if it is too large for a repository."""
        if path is not None:
            page.goto(self._url + path)
        page.mouse.move(1, page.viewport_size["height"] - 1 if page.viewport_size else 1)
        page.wait_for_timeout(SETTLE_MS)
        target = self._folder / f"{name}.png"
        page.screenshot(path=target)
        if target.stat().st_size > MOST_BYTES:
            raise PictureError(f"{target.name} has {target.stat().st_size} bytes, more than {MOST_BYTES}")
        sys.stdout.write(f"{target.relative_to(ROOT)}\n")

    def all(self) -> None:
        """Every picture, in an order in which the later ones show nothing of the earlier ones' making."""
        with self._visitor("light", DESKTOP) as context:
            self.take(context.new_page(), "sign-in", "/login/")
        self._scene("light", DESKTOP, self._main_job)
        self._scene("dark", DESKTOP, lambda page: self._overview(page, "-dark"))
        self._scene("light", PHONE, self._on_a_phone)
        self._scene("light", DESKTOP, self._around_the_console)
        self._scene("light", DESKTOP, self._own_machine)
        self._scene("light", DESKTOP, self._staff)
        self._scene("light", DESKTOP, self._switched_off)

    def _main_job(self, page: Page) -> None:
        self._overview(page, "")
        self._open_console(page)
        self._type(page, "clear")
        for command in ("cat /proc/version", "free -m", "date"):
            self._type(page, command)
        page.wait_for_timeout(NEWS_MS)
        self.take(page, "console")
        page.locator("#keys-menu > summary").click()
        self.take(page, "console-keys")
        self.take(page, "screenshots", f"{self._vm_path}screenshots/")
        page.goto(f"{self._url}{self._vm_path}doctor/")
        page.wait_for_timeout(NEWS_MS)
        self.take(page, "doctor")
        self.take(page, "notification-choices", "/notifications/choices/")
        self.take(page, "profile", "/profile/")
        page.locator("main a[href^='/projects/']:not([href='/projects/new/'])").first.click()
        self.take(page, "project")

    def _around_the_console(self, page: Page) -> None:
        self._open_console(page)
        page.locator("#bar [data-dialog='type-text']").click()
        page.fill("#type-words", "sudo systemctl restart nginx")
        self.take(page, "console-type-text")
        page.keyboard.press("Escape")
        page.goto(f"{self._url}{self._vm_path}console/serial/")
        page.locator("body[data-phase='connected']").wait_for(timeout=20_000)
        page.keyboard.type("uname -a\n")
        page.wait_for_timeout(NEWS_MS)
        self.take(page, "console-serial")
        page.goto(f"{self._url}{self._vm_path}links/")
        page.fill("#link-label", "Zoë of the supplier")
        page.locator("aside button[type=submit]").click()
        page.locator("#made-link").wait_for()
        self.take(page, "guest-links", f"{self._vm_path}links/")  # without the secret
        page.locator("tbody tr", has_text="Zoë").first.locator("button").click()
        page.locator("#confirm [data-yes]").click()

    def _own_machine(self, page: Page) -> None:
        page.goto(f"{self._url}/vms/new/")
        page.fill("#id_name", SAMPLE_VM)
        page.locator("label.opt", has_text="Own numbers").click()
        page.fill("#id_memory_gib", "0.25")
        page.fill("#id_disk_gib", "2")
        self.take(page, "vm-new")
        page.get_by_role("button", name=f"Create {SAMPLE_VM}").click()
        page.get_by_text(f"{SAMPLE_VM} is there.").wait_for(timeout=CHANGE_MS)
        path = page.url.removeprefix(self._url)
        self.take(page, "vm-hardware", f"{path}hardware/")
        page.goto(f"{self._url}{path}snapshots/")
        page.fill("#snapshot-name", "before the update")
        page.get_by_role("button", name="Make a snapshot").click()
        page.get_by_text(f"The snapshot of {SAMPLE_VM} is there.").wait_for(timeout=CHANGE_MS)
        self.take(page, "vm-snapshots")
        self.take(page, "vm-settings", f"{path}settings/")
        page.get_by_role("button", name="Delete…").click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_role("textbox").fill(SAMPLE_VM)
        dialog.get_by_role("button", name=f"Delete {SAMPLE_VM}").click()
        page.wait_for_url(lambda url: "settings" not in url)

    def _on_a_phone(self, page: Page) -> None:
        self._overview(page, "-phone")
        self._open_console(page)
        page.wait_for_timeout(NEWS_MS)
        self.take(page, "console-phone")

    def _overview(self, page: Page, suffix: str) -> None:
        self.take(page, f"dashboard{suffix}", "/")
        self.take(page, f"vm{suffix}", self._vm_path)

    def _staff(self, page: Page) -> None:
        self.take(page, "manage", "/manage/")
        page.locator("main a[href^='/manage/hypervisors/']").first.click()
        self.take(page, "host")
        page.goto(f"{page.url}test/")
        page.get_by_role("button", name="Test now").click()
        page.get_by_role("button", name="Test again").wait_for(timeout=30_000)
        self.take(page, "connection-test")
        for name in ("drift", "vms", "users", "pools", "quotas"):
            self.take(page, name if name == "drift" else f"manage-{name}", f"/manage/{name}/")
        self.take(page, "audit", "/manage/audit/")
        page.goto(f"{self._url}/admin/hypervisors/hypervisor/add/")
        page.fill("input[name=name]", SAMPLE_HOST)
        page.select_option("select[name=site]", index=1)
        page.fill("input[name=address]", "hv-example.example.org:8443")
        page.click("input[name=_save]")
        self.take(page, "enrolment")
        page.locator("a[href^='/admin/hypervisors/hypervisor/']").first.click()
        page.click("a.deletelink")
        page.click("main input[type=submit], #content input[type=submit]")

    def _switched_off(self, page: Page) -> None:
        self._open_console(page)
        self._power(page, "stop")
        page.get_by_role("button", name=f"Stop {self._vm_name}").click()
        page.locator("#card").get_by_role("button", name=f"Start {self._vm_name}").wait_for(timeout=20_000)
        self.take(page, "console-off")
        page.locator("#card").get_by_role("button", name=f"Start {self._vm_name}").click()
        self._wait_for_screen(page)

    def _power(self, page: Page, action: str) -> None:
        page.locator("#power-menu > summary").click()
        page.locator(f"#power-menu [data-power={action}]").click()

    def _scene(self, scheme: str, size: tuple[int, int], play: Callable[[Page], None]) -> None:
        with self._visitor(scheme, size) as context:
            page = context.new_page()
            page.goto(f"{self._url}/login/")
            page.fill("input[name=email]", self._email)
            page.fill("input[name=password]", self._password)
            page.click("form button[type=submit]")
            page.wait_for_url(f"{self._url}/")
            link = page.locator("a.vm-n", has_text=self._vm_name).first
            self._vm_path = link.get_attribute("href") or ""
            play(page)

    def _visitor(self, scheme: str, size: tuple[int, int]) -> BrowserContext:
        return self._browser.new_context(
            color_scheme="dark" if scheme == "dark" else "light",
            viewport={"width": size[0], "height": size[1]},
            has_touch=size == PHONE,
            is_mobile=size == PHONE,
            reduced_motion="reduce",
        )

    def _open_console(self, page: Page) -> None:
        page.goto(f"{self._url}{self._vm_path}console/")
        self._wait_for_screen(page)

    def _wait_for_screen(self, page: Page) -> None:
        deadline = time.monotonic() + SCREEN_SECONDS
        while page.evaluate(LIT_PIXELS) <= 200 or page.locator("#card").is_visible():
            if time.monotonic() > deadline:
                raise PictureError(f"{self._vm_name} shows no screen. Is `make run` ready?")
            page.wait_for_timeout(100)

    def _type(self, page: Page, text: str) -> None:
        page.locator("#screen canvas").click()
        page.keyboard.type(text)
        page.keyboard.press("Enter")
        page.wait_for_timeout(400)


def main() -> int:
    """The command line."""
    try:
        config = LocalConfig.from_environment(os.environ)
        FOLDER.mkdir(parents=True, exist_ok=True)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
            Photographer(browser, config, FOLDER).all()
            browser.close()
    except (ConfigError, PictureError, FileNotFoundError) as error:
        sys.stderr.write(f"make pictures: {error}\n")
        return 1
    except Error as error:
        sys.stderr.write(
            f"make pictures: {error.message.splitlines()[0]} (is `make run` ready, in the same EVE_STATE_DIR?)\n"
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
