"""The first paint of the dashboard of somebody who has many VMs, in Chromium.

    .venv/bin/python -m benchmarks.dashboard_paint                # 200 VMs
    .venv/bin/python -m benchmarks.dashboard_paint --vms 1000

A whole Eve on SQLite, with an agent whose hypervisor is made up and runs that many guests; all of them are adopted by one customer. The page
shows 48 cards and leads to the others. The browser's cache is empty, or has what an earlier page left; the clock is the browser's own, from the
request to the first contentful paint, and to the moment at which the last card of the page is laid out. The aim is 1 s for 200 VMs.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from tests.e2e.house import ADMIN, PASSWORD, House

from .click_to_frame import CHROMIUM, FLAGS
from .figures import row

ADOPT = """
from accounts.models import User
from vms.models import DiscoveredDomain
from vms.services import vm_adopt
project = User.objects.get(email="{email}").personal_project
for found in DiscoveredDomain.objects.select_related("hypervisor__site"):
    vm_adopt(discovered=found, project=project, user=None)
print("adopted", project.vms.count())
"""
PAINT = """() => new Promise(resolve => {
    new PerformanceObserver((list, observer) => {
        for (const entry of list.getEntriesByName("first-contentful-paint")) {
            observer.disconnect();
            resolve(entry.startTime);
        }
    }).observe({ type: "paint", buffered: true });
})"""
WHOLE = "() => performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd"


def sign_in(browser: Browser, home: House) -> Page:
    """A fresh browser, signed in."""
    page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
    page.goto(f"{home.url}/login/")
    page.fill("input[name=email]", ADMIN)
    page.fill("input[name=password]", PASSWORD)
    page.click("main button[type=submit]")
    page.wait_for_url(f"{home.url}/")
    return page


def paints(page: Page, url: str, count: int, *, is_cache_empty: bool) -> tuple[list[float], list[float]]:
    """Milliseconds to the first paint, and until all is laid out; of each visit."""
    session = page.context.new_cdp_session(page)
    first, whole = [], []
    for _ in range(count):
        page.goto("about:blank")
        if is_cache_empty:
            session.send("Network.clearBrowserCache")
        page.goto(url)
        first.append(float(page.evaluate(PAINT)))
        whole.append(float(page.evaluate(WHOLE)))
        assert page.locator("article.vm").count() > 0
    return first, whole


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vms", type=int, default=200, help="how many the customer has (%(default)s)")
    parser.add_argument("--count", type=int, default=15, help="how often the page is opened (%(default)s)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="eve-bench-") as folder, sync_playwright() as playwright:
        home = House(Path(folder), fake_console="tcp:127.0.0.1:1", fake_domains=options.vms)
        try:
            home.set_up()
            home.start_eve()
            home.enrol()
            home.start_agent()
            print(home.shell(ADOPT.format(email=ADMIN)).strip().splitlines()[-1])
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
            page = sign_in(browser, home)
            for words, is_empty in (("empty cache", True), ("cache filled", False)):
                first, whole = paints(page, f"{home.url}/", options.count, is_cache_empty=is_empty)
                print(row(f"first paint, {options.vms} VMs, {words}", first))
                print(row(f"laid out, {options.vms} VMs, {words}", whole))
            browser.close()
        finally:
            home.close()


if __name__ == "__main__":
    main()
