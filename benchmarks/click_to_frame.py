"""From the click on "Console" to the first frame of the guest's screen, in Chromium.

Against a running ``make run``:   .venv/bin/python -m benchmarks.click_to_frame

Each time a fresh page of the VM is opened and its Console link clicked; the clock stops when noVNC's canvas has a pixel that is
not black. The first click, with an empty browser cache, is reported by itself. The aim is a median of at most 500 ms.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from .figures import row
from .session import arguments, sign_in

CHROMIUM = "/usr/bin/chromium-headless-shell"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
FIRST_FRAME = """() => new Promise(resolve => {
    const look = () => {
        const canvas = document.querySelector("#screen canvas");
        if (canvas && canvas.width && canvas.height) {
            const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
            for (let i = 0; i < pixels.length; i += 4)
                if (pixels[i] | pixels[i + 1] | pixels[i + 2])
                    return resolve(performance.timeOrigin + performance.now());
        }
        requestAnimationFrame(look);
    };
    look();
})"""
CLICK = """link => { const at = performance.timeOrigin + performance.now(); link.click(); return at; }"""


def click_to_frame(page: Page, vm_url: str) -> float:
    """Milliseconds, on the browser's own clock."""
    page.goto(vm_url)
    link = page.locator('a[href$="/console/"]:visible').first
    link.evaluate("link => link.removeAttribute('target')")
    clicked_at = link.evaluate(CLICK)
    page.wait_for_url("**/console/", wait_until="commit")
    drawn_at = page.evaluate(FIRST_FRAME)
    return float(drawn_at - clicked_at)


def measure(options: argparse.Namespace) -> None:
    """Signs in, clicks, prints."""
    target = sign_in(options)
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as profile:
        context = playwright.chromium.launch_persistent_context(
            Path(profile), executable_path=CHROMIUM, headless=True, args=FLAGS
        )
        page = context.new_page()
        page.goto(f"{target.url}/login/")
        page.fill("input[name=email]", target.email)
        page.fill("input[name=password]", target.password)
        page.click("form button[type=submit]")
        page.wait_for_url(f"{target.url}/")
        vm_url = f"{target.url}/vms/{target.vm_id}/"
        first = click_to_frame(page, vm_url)
        times = [click_to_frame(page, vm_url) for _ in range(options.count)]
        context.close()
    print(row("click to first frame, empty cache", [first]))
    print(row("click to first frame", times))


if __name__ == "__main__":
    measure(arguments(__doc__).parse_args())
