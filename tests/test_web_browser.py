"""The page in a browser: Debian's Chromium, driven; every request is watched, and none may leave the machine."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from clips import write_clip
from mimetic.datasets import open_dataset
from mimetic.live import EVERY, WINDOW
from mimetic.plots import number
from mimetic.prediction import margins_of
from mimetic.web.shelf import name_of
from mimetic.web.site import Site
from served import Place, listening

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
QUIET = ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
FAKE = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
PAGES = ["/", "/clip?id=00003", "/clips", "/clips?missing=audio", "/scatter", "/audit", "/runs", "/docs"]


@pytest.fixture(scope="module")
def address(place: Place) -> Iterator[str]:
    with Site([place.runs], open_dataset(place.data)) as site:
        job = site.submit_clip("00003", None)  # the decoder's process starts once, and takes its time
        while job.state != "done":
            time.sleep(0.1)
        with listening(site) as found:
            yield found


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    sync = pytest.importorskip("playwright.sync_api")
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine")
    with sync.sync_playwright() as driver:
        arguments = ["--no-sandbox", "--disable-gpu", *QUIET, *FAKE]
        opened = driver.chromium.launch(executable_path=CHROMIUM, headless=True, args=arguments)
        yield opened
        opened.close()


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    """Open a page that complains: of the console's errors, a script's exceptions, and requests to anywhere else."""
    context = browser.new_context(base_url=address, permissions=["camera", "microphone"])
    faults: list[str] = []
    page = context.new_page()
    page.set_default_timeout(60_000)
    page.on("console", lambda message: faults.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("request", lambda request: None if _is_ours(request.url, address) else faults.append(request.url))
    yield page
    context.close()
    assert faults == []


def _is_ours(url: str, address: str) -> bool:
    return url.startswith((address, "blob:", "data:"))


def drop(page: Page, path: Path) -> None:
    """Drop a file on the field, as a hand would."""
    data = page.evaluate_handle("() => new DataTransfer()")
    content = list(path.read_bytes())
    page.evaluate(
        "([data, name, bytes]) => data.items.add(new File([new Uint8Array(bytes)], name))", [data, path.name, content]
    )
    page.dispatch_event('[data-part="drop"]', "drop", {"dataTransfer": data})


def visit(page: Page, path: str) -> None:
    """Go to a page, and wait until it is what it will be: a clip scored, findings there (that page loads anew)."""
    page.goto(path, timeout=60_000)
    if path.startswith("/clip?"):
        page.wait_for_selector("[data-done]", timeout=60_000)
    if path == "/audit":
        page.wait_for_selector("table", timeout=60_000)


def shown_scores(page: Page) -> dict[str, str]:
    rows = page.locator('[data-part="scores"] tr')
    return {
        row.locator("th").inner_text(): row.locator(".number").evaluate("cell => cell.firstChild.textContent")
        for row in rows.all()
    }


def test_a_real_clip_is_dropped_scored_and_followed(page: Page, shared_data: Path, place: Place) -> None:
    page.goto("/")
    page.evaluate(
        """() => { window.seen = new Set(); new MutationObserver(() => window.seen.add(
            document.querySelector('[data-part="status"]').textContent)).observe(document.body,
            {subtree: true, childList: true, characterData: true}); }"""
    )
    drop(page, shared_data / "video_faces" / "liveportrait_d0.mp4")
    page.wait_for_selector("[data-done]")
    seen = set(page.evaluate("() => [...window.seen]"))
    assert "Sending the file" in seen
    assert seen & {"Looking at the file", "Reading picture and sound", "Looking at it window by window"}
    job = page.get_attribute("[data-done]", "data-done")
    told = page.evaluate("job => fetch(`/api/jobs/${job}`).then((answer) => answer.json())", job)["result"]
    assert shown_scores(page) == {target: number(value) for target, value in told["scores"].items()}
    assert page.locator('[data-part="scores"] rect.value').count() == len(place.run.targets)
    assert "no sound track" in page.inner_text('[data-part="modalities"]')
    assert page.locator('[data-part="face"]').is_visible()
    margins = margins_of(place.run)
    assert margins is not None
    assert f"{100 * margins.level:g} % interval" in page.inner_text('[data-part="caption"]')
    assert page.locator('[data-part="scores"] .interval').count() == len(place.run.targets)


def test_the_timeline_moves_with_the_player_and_moves_it(page: Page, tmp_path: Path) -> None:
    page.goto("/")
    page.set_input_files('[data-part="file"]', write_clip(tmp_path / "one.mp4", seconds=4.0))
    page.wait_for_selector("[data-done]")
    timeline = page.locator('[data-part="timeline"]')
    page.evaluate("() => document.querySelector('video').play()")
    page.wait_for_function("() => Number(document.querySelector('.timeline').dataset.at) > 0.3")
    page.evaluate("() => document.querySelector('.player video').pause()")
    slider = timeline.get_by_label("Moment in the clip")
    slider.focus()
    slider.fill("3")
    assert page.evaluate("() => document.querySelector('.player video').currentTime") == pytest.approx(3.0, abs=0.05)
    assert (slider.get_attribute("aria-valuetext") or "").startswith("3.0 s of 4.")
    picture = timeline.locator(".picture").first.bounding_box()
    assert picture is not None
    page.mouse.click(picture["x"] + picture["width"] / 4, picture["y"] + picture["height"] / 2)
    assert page.evaluate("() => document.querySelector('.player video').currentTime") == pytest.approx(1.0, abs=0.1)
    assert "Sliding windows of 2" in timeline.inner_text()


def test_a_modality_is_switched_off_and_on(page: Page, tmp_path: Path) -> None:
    page.goto("/")
    page.set_input_files('[data-part="file"]', write_clip(tmp_path / "one.mp4", seconds=2.0))
    page.wait_for_selector("[data-done]")
    before = shown_scores(page)
    page.get_by_label("audio", exact=True).uncheck()
    page.wait_for_function("() => document.querySelector('[data-part=\"off-note\"]').textContent.includes('audio')")
    assert shown_scores(page) != before
    page.get_by_label("audio", exact=True).check()
    page.wait_for_function("() => document.querySelector('[data-part=\"off-note\"]').textContent === ''")
    assert shown_scores(page) == before


def test_a_clip_without_a_picture_and_a_file_that_is_none_say_why(page: Page, tmp_path: Path) -> None:
    page.goto("/")
    page.set_input_files('[data-part="file"]', write_clip(tmp_path / "voice.mp4", seconds=2.0, picture=False))
    page.wait_for_selector("[data-done]")
    told = page.inner_text('[data-part="modalities"]')
    assert "vision, missing: no picture" in told
    assert "text, missing: no transcript" in told
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no clip" * 100)
    page.get_by_role("button", name="Take another clip").click()
    page.set_input_files('[data-part="file"]', broken)
    alert = page.get_by_role("alert")
    alert.wait_for()
    assert "broken.mp4" in alert.inner_text()
    assert "cannot be opened" in alert.inner_text()


def test_a_clip_without_a_face_says_so(page: Page, shared_data: Path, place: Place) -> None:
    page.goto("/")
    page.set_input_files('[data-part="file"]', shared_data / "video_faces" / "pyfeat_no_face.mp4")
    page.wait_for_selector("[data-done]")
    detector = place.run.features[2].view_options["detector"]
    if detector == "centre":  # which takes the middle of the picture for the face, and never misses
        assert "used" not in page.inner_text('[data-part="modalities"]').replace("vision", "")
    else:
        assert "no face found" in page.inner_text('[data-part="modalities"]')


def test_two_clips_stand_side_by_side(page: Page) -> None:
    page.set_viewport_size({"width": 1400, "height": 900})
    page.goto("/clip?id=00003&beside=00004")
    page.wait_for_function("() => document.querySelectorAll('[data-done]').length === 2")
    first, second = (view.bounding_box() for view in page.locator(".view").all())
    assert first is not None
    assert second is not None
    assert first["y"] == second["y"]
    assert page.locator(".truth").count() == 4  # two targets each: the labels of both


def test_the_table_is_filtered_and_opens_a_clip(page: Page) -> None:
    page.goto("/clips")
    page.get_by_label("Missing").select_option("audio")
    page.get_by_role("button", name="Show").click()
    assert page.inner_text("#found") == "1 of 16 clips"
    page.get_by_role("link", name="00001").click()
    page.wait_for_selector("[data-done]")
    assert page.inner_text("h1") == "00001"
    assert "no sound track" in page.inner_text('[data-part="modalities"]')


def test_a_filter_that_means_nothing_says_so(browser: Browser, address: str) -> None:
    page = browser.new_page(base_url=address)
    page.goto("/clips?least=much&emotion=Joy")
    assert "valid number" in page.get_by_role("alert").inner_text()


def test_a_point_of_the_scatter_opens_its_clip(page: Page) -> None:
    page.goto("/scatter?part=valid")
    assert page.locator("figure").count() == 2
    point = page.locator("figure a").first
    name = (point.get_attribute("aria-label") or "").partition(":")[0]
    point.click(force=True)
    page.wait_for_selector("[data-done]")
    assert page.inner_text("h1") == name


def test_two_runs_are_compared(page: Page, place: Place) -> None:
    page.goto("/runs")
    page.wait_for_function(
        "() => [...document.querySelectorAll('#systems [data-part]')].every(c => c.textContent !== '…')"
    )
    page.wait_for_function("() => document.querySelectorAll('#curves figure').length === 10")
    page.get_by_role("button", name="Compare").click()
    assert "to" in page.inner_text("#difference")
    assert "no difference can be told" in page.inner_text("#verdict").lower() or "better" in page.inner_text("#verdict")
    page.goto(f"/report?run={name_of(place.run)}")
    assert page.locator("h1").count() == 1


def test_a_training_that_goes_on_is_seen_learning(page: Page, place: Place) -> None:
    from mimetic.journal import Journal

    journal = Journal(place.runs)
    page.goto("/runs")
    lines = [{"epoch": e, "loss": 1.0 / e, "rate": 0.1, "mean_pearson": 0.1 * e, "pearson": {}} for e in (1, 2, 3)]
    for line in lines:
        journal.note(place.run.recipe, 7, line)
    page.locator("#training figcaption", has_text="epoch 3 of 2, now .300").wait_for()
    journal.close()
    page.locator("#training figure").wait_for(state="detached")


def test_the_camera_is_opened_after_consent_alone_and_scored_live(page: Page) -> None:
    page.goto("/")
    page.get_by_role("button", name="Watch live").click()
    opens = page.get_by_role("button", name="Open the camera")
    assert opens.is_disabled()
    page.get_by_label("Everybody who can be seen").check()
    opens.click()
    page.wait_for_function("() => Number(document.getElementById('live-view').dataset.scored) >= 2")
    assert "windows scored" in page.inner_text("#live-state")
    told = page.locator("#live").evaluate("place => [place.dataset.window, place.dataset.every]")
    assert [float(value) / 1000 for value in told] == [WINDOW, EVERY]  # the terminal's
    page.get_by_role("button", name="Stop").click()
    assert page.evaluate("() => document.getElementById('camera').srcObject") is None


def test_a_recording_is_scored_and_kept_only_if_saved(page: Page, tmp_path: Path) -> None:
    page.goto("/")
    page.get_by_role("button", name="Record a clip").click()
    page.get_by_label("Everybody who can be seen").check()
    page.get_by_role("button", name="Open the camera").click()
    page.wait_for_timeout(2500)
    page.get_by_role("button", name="Stop").click()
    page.wait_for_selector("[data-done]")
    with page.expect_download() as download:
        page.get_by_role("link", name="Save the recording").click()
    download.value.save_as(tmp_path / "saved.webm")
    assert (tmp_path / "saved.webm").read_bytes()[:4] == b"\x1aE\xdf\xa3"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", PAGES)
def test_axe_finds_no_violation(browser: Browser, address: str, path: str, scheme: Any) -> None:
    axe = pytest.importorskip("axe_playwright_python")
    context = browser.new_context(base_url=address, color_scheme=scheme, viewport={"width": 1000, "height": 800})
    page = context.new_page()
    visit(page, path)
    page.evaluate(files(axe).joinpath("axe.min.js").read_text("utf-8"))
    found = page.evaluate("rules => axe.run(document, {runOnly: rules})", RULES)["violations"]
    told = [(fault["id"], [node["html"][:200] for node in fault["nodes"][:3]]) for fault in found]
    context.close()
    assert told == [], json.dumps(told, indent=1)


@pytest.mark.parametrize("path", PAGES)
def test_nothing_is_wider_than_a_phone(page: Page, path: str) -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    visit(page, path)
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 360


def test_a_clip_can_be_scored_by_keyboard_alone(page: Page, tmp_path: Path) -> None:
    page.goto("/clips")
    page.keyboard.press("Tab")
    assert page.evaluate("() => document.activeElement.textContent") == "To the content"
    page.get_by_role("link", name="00003").focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("[data-done]")
    slider = page.get_by_label("Moment in the clip")
    slider.focus()
    for _ in range(4):
        page.keyboard.press("ArrowRight")
    assert float(slider.input_value()) == pytest.approx(0.2, abs=0.01)
    page.get_by_label("audio", exact=True).focus()
    page.keyboard.press("Space")
    page.wait_for_function("() => document.querySelector('[data-part=\"off-note\"]').textContent.includes('audio')")
