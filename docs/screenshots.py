"""Take the pictures of the report for the documents: `make screenshots`."""

import io
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page

from tests.browser import chromium

ROOT = Path(__file__).parents[1]
IMAGES = ROOT / "docs" / "images"
VERSIONS = ROOT / "agents" / "support" / "versions"
WIDE, NARROW = 1120, 400
COLOURS = 96  # enough for text and charts, and a quarter of the size


def main() -> None:
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        report = run(Path(place))
        with chromium.browser(chromium.unpack()) as browser:  # the same one on every machine
            page = opened(browser, report, WIDE, 800, "light")
            save(page, "report-light", 0, 720)
            save(page, "report-metrics", top(page, "#metrics"), 980)
            open_case(page)
            save(page, "report-case", top(page, "#cases"), 720)
            save(opened(browser, report, WIDE, 800, "dark"), "report-dark", 0, 720)
            save(opened(browser, report, NARROW, 800, "light"), "report-narrow", 0, 1000)


def run(place: Path) -> Path:
    """Make the report of the demo's story: the balance service moved to currency units."""
    command = [
        *(sys.executable, "-c", "from driftgate.cli.main import main; main()"),
        *("--home", place / "home", "run", "--local", "--output", place),
        *("--agent", VERSIONS / "2.0.0.yaml", "--baseline", VERSIONS / "1.0.0.yaml"),
        *("--dataset", ROOT / "datasets" / "support"),
    ]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    if done.returncode != 1:  # it is to be blocked
        raise SystemExit(done.stderr)
    verdict = json.loads((place / "report.json").read_text())["verdict"]
    print(f"{verdict['outcome']}, {len(verdict['broken'])} broken cases")
    return place / "report.html"


def opened(browser: Browser, report: Path, width: int, height: int, theme: str) -> Page:
    page: Page = browser.new_page(
        viewport={"width": width, "height": height},
        color_scheme="dark" if theme == "dark" else "light",
    )
    page.goto(report.as_uri())
    page.locator("#chart-parts svg").wait_for()
    return page


def open_case(page: Page) -> None:
    page.locator("details.story summary").first.click()
    page.locator(".steps").first.wait_for()


def top(page: Page, selector: str) -> float:
    return float(page.evaluate(f"document.querySelector('{selector}').offsetTop")) - 20


def save(page: Page, name: str, start: float, height: int) -> None:
    """A part of the page, as PNG of few colours."""
    width = page.viewport_size["width"]
    clip = {"x": 0, "y": start, "width": width, "height": height}
    picture = Image.open(io.BytesIO(page.screenshot(full_page=True, clip=clip)))
    few = picture.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    path = IMAGES / f"{name}.png"
    few.save(path, optimize=True)
    print(f"{path.relative_to(ROOT)}: {path.stat().st_size // 1024} kB")


if __name__ == "__main__":
    main()
