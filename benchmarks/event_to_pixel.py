"""From a change in libvirt to the browser's screen: the badge of a VM's page, in Chromium.

    .venv/bin/python -m benchmarks.event_to_pixel

Real libvirt and QEMU in a sandbox of their own (as for the tests: root), a whole Eve and agent, and Chromium with the page open.
A guest is suspended and resumed behind Eve's back, by libvirt itself; the clock starts before libvirt is asked, and stops when the
browser has painted the new word. The aim is 500 ms for 95 of 100.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import libvirt
from playwright.sync_api import Page, sync_playwright

from tests.e2e.house import ADMIN, PASSWORD, house
from tests.services.libvirt import libvirt_sandbox

from .click_to_frame import CHROMIUM, FLAGS
from .figures import row

PAINTED = """word => new Promise(resolve => {
    const look = () => {
        const badge = document.querySelector(".phead .st");
        if (badge && badge.textContent.trim() === word)
            return requestAnimationFrame(() => setTimeout(() => resolve(performance.timeOrigin + performance.now())));
        requestAnimationFrame(look);
    };
    look();
})"""
"""Looks once a frame; the frame after the one in which the word is there has been painted when the timer fires."""
BEGIN = f"word => {{ window.evePainted = ({PAINTED})(word); }}"


def change_to_pixel(page: Page, domain: libvirt.virDomain, *, is_suspending: bool) -> float:
    """Milliseconds, on the machine's one clock."""
    page.evaluate(BEGIN, "Paused" if is_suspending else "Running")
    begun_at = time.time() * 1000
    if is_suspending:
        domain.suspend()
    else:
        domain.resume()
    return float(page.evaluate("() => window.evePainted")) - begun_at


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=60, help="how many changes (%(default)s)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="eve-bench-") as folder, libvirt_sandbox() as sandbox:
        vm_id = sandbox.start_demo("bench")
        with house(Path(folder), libvirt_uri=sandbox.uri) as home, sync_playwright() as playwright:
            home.manage("vm_adopt", vm_id, "--user", ADMIN)
            domain = libvirt.open(sandbox.uri).lookupByUUIDString(vm_id)
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
            page = browser.new_page()
            page.goto(f"{home.url}/login/")
            page.fill("input[name=email]", ADMIN)
            page.fill("input[name=password]", PASSWORD)
            page.click("main button[type=submit]")
            page.wait_for_url(f"{home.url}/")
            page.goto(f"{home.url}/vms/{vm_id}/")
            page.wait_for_timeout(2000)
            times = []
            for number in range(options.count + 2):
                times.append(change_to_pixel(page, domain, is_suspending=number % 2 == 0))
                page.wait_for_timeout(300)
            browser.close()
    print(row("change in libvirt to pixel", times[2:]))


if __name__ == "__main__":
    main()
