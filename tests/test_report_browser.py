"""The report in a browser, from a file: nothing fetched, nothing to complain of, readable on a phone and by ear."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from mimetic.calls import found_store
from mimetic.datasets import open_dataset
from mimetic.report import Beside, write_report
from mimetic.runs import runs_of
from served import Place

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
QUIET = ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
PHONE = {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def report(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a report with all that the data set adds to it."""
    dataset = open_dataset(place.data)
    beside = Beside(dataset=dataset, store=found_store(dataset, None))
    out = tmp_path_factory.mktemp("report") / "report.html"
    return write_report(runs_of([place.runs]), out, beside=beside, resamples=300)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    sync = pytest.importorskip("playwright.sync_api")
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine")
    with sync.sync_playwright() as driver:
        arguments = ["--no-sandbox", "--disable-gpu", *QUIET]
        opened = driver.chromium.launch(executable_path=CHROMIUM, headless=True, args=arguments)
        yield opened
        opened.close()


@pytest.fixture(params=["light", "dark", "phone"])
def page(request: pytest.FixtureRequest, browser: Browser, report: Path) -> Iterator[Page]:
    """Open the report, offline, and complain of any word of the console and of any request but for the file."""
    scheme: Any = "dark" if request.param == "dark" else "light"
    viewport: Any = PHONE if request.param == "phone" else {"width": 1200, "height": 900}
    context = browser.new_context(color_scheme=scheme, viewport=viewport, offline=True)
    faults: list[str] = []
    page = context.new_page()
    page.on("console", lambda message: faults.append(message.text))
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("request", lambda asked: None if asked.url == report.as_uri() else faults.append(asked.url))
    page.goto(report.as_uri())
    yield page
    context.close()
    assert faults == []


def test_axe_finds_no_violation(page: Page) -> None:
    axe = pytest.importorskip("axe_playwright_python")
    page.evaluate("() => document.querySelectorAll('details').forEach(one => { one.open = true })")
    page.evaluate(files(axe).joinpath("axe.min.js").read_text("utf-8"))
    found = page.evaluate("rules => axe.run({runOnly: rules})", RULES)
    assert [(one["id"], one["nodes"][0]["html"]) for one in found["violations"]] == []


def test_the_page_itself_never_scrolls_sideways(page: Page) -> None:
    page.evaluate("() => document.querySelectorAll('details').forEach(one => { one.open = true })")
    assert page.evaluate("() => document.documentElement.scrollWidth <= window.innerWidth")


def test_every_picture_has_words_in_its_place(page: Page) -> None:
    pictures = page.locator("svg:not([aria-hidden])")
    assert pictures.count() > 10
    assert all((picture.get_attribute("aria-label") or "").strip() for picture in pictures.all())


def test_every_entry_of_the_list_leads_to_its_section(page: Page) -> None:
    for link in page.locator("nav a").all():
        link.click()
        assert page.locator(f"{page.evaluate('() => location.hash')} h2").is_visible()


def test_faces_are_shown_only_to_those_who_ask(place: Place, report: Path, tmp_path: Path) -> None:
    assert "<img" not in report.read_text("utf-8")
    dataset = open_dataset(place.data)
    beside = Beside(dataset=dataset, store=found_store(dataset, None), stills=True)
    wanted = write_report(runs_of([place.runs]), tmp_path / "stills.html", beside=beside, resamples=50)
    assert wanted.read_text("utf-8").count('<img class="still" src="data:image/jpeg;base64,/9j/') > 3
