"""The page of the server in a real browser: texts, files, and what is hostile in them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

sync_api = pytest.importorskip("playwright.sync_api", reason="browser tests need playwright")
pytest.importorskip("fastapi", reason="the server needs fastapi: pip install 'ulmus[serve]'")
pytest.importorskip("onnxruntime", reason="an exported model needs onnxruntime")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="browser tests need Chromium"),
    pytest.mark.allow_hosts(["127.0.0.1"]),
]
HOSTILE = (
    "<script>document.title='owned'</script> <img src=x onerror='document.title=1'> \u202eevil\u202c \x1b[31m"
)
SERVER = "-m", "ulmus", "serve", "--port", "0", "--json", "--quiet", "--max-characters", "200000"


@contextmanager
def serving(exported: Path, **environment: str) -> Iterator[str]:
    """The address of a server with an exported model."""
    command = [sys.executable, *SERVER, str(exported)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | environment)
    assert process.stdout is not None
    line = process.stdout.readline()
    yield str(json.loads(line)["url"])
    process.terminate()
    process.communicate()


@pytest.fixture(scope="module")
def url(exported: Path) -> Iterator[str]:
    """The address of a server that asks for no token."""
    with serving(exported) as address:
        yield address


@contextmanager
def opened() -> Iterator[Any]:
    """A page in a browser of its own."""
    with sync_api.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        tab = browser.new_page()
        tab.set_default_timeout(120_000)
        yield tab
        browser.close()


@pytest.fixture
def page(url: str) -> Iterator[Any]:
    """The page, open; afterwards nothing may have gone wrong in it, and nothing may have been asked of elsewhere."""
    wrong: list[str] = []
    with opened() as tab:
        tab.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
        tab.on("pageerror", lambda error: wrong.append(str(error)))
        tab.on("request", lambda request: wrong.append(request.url) if url not in request.url else None)
        tab.goto(url)
        tab.wait_for_selector("#about:has-text('3 classes')")
        yield tab
    assert [message for message in wrong if not message.startswith(("data:", "blob:"))] == []


def test_a_typed_text_gets_a_prediction_and_its_words_light_up(page: Any) -> None:
    """By the keyboard alone; what speaks for and against differs by more than colour."""
    page.keyboard.press("Tab")
    page.keyboard.type("a film of the sea, a GOOD book")
    page.keyboard.press("Control+Enter")
    page.wait_for_selector("#words:not([hidden])")
    assert page.inner_text("#label").startswith("class ")
    assert page.text_content("#told") == f"Prediction: {page.inner_text('#label')}"  # for screen readers
    assert page.locator("#classes tbody tr").count() == 3
    assert page.inner_text("#shown") == "a film of the sea, a GOOD book"
    assert page.locator("#shown span.for, #shown span.against").count() > 2
    line = "getComputedStyle(document.querySelector('#shown .{}')).textDecorationStyle"
    assert [page.evaluate(line.format(kind)) for kind in ("for", "against")] == ["solid", "dotted"]
    before = page.inner_text("#strongest")
    page.select_option("#class", index=2)
    assert page.inner_text("#strongest") != before


def test_hostile_text_is_shown_as_text(page: Any) -> None:
    """Markup is not run, the writing direction is not turned round; a megabyte is refused with a sentence."""
    page.fill("#text", HOSTILE)
    page.click("#go")
    page.wait_for_selector("#words:not([hidden])")
    shown = page.inner_text("#shown")
    assert shown.startswith(HOSTILE[:50])
    assert "\\u202eevil\\u202c \\u001b[31m" in shown
    assert page.locator("#shown script, #shown img").count() == 0
    assert page.title() == "Predictions · Ulmus"
    page.evaluate("document.getElementById('text').value = 'x'.repeat(1_000_000)")
    page.click("#go")
    page.wait_for_selector("#status.bad")
    assert "at most 200,000 characters, got 1,000,000" in page.inner_text("#status")


def test_a_dropped_file_gives_a_file_of_predictions(page: Any, tmp_path: Path) -> None:
    """The download has a row for each text; a file that cannot be used gets a sentence."""
    file = tmp_path / "new.csv"
    file.write_text('text\n"a film, good"\n<script>\n"a\nb"\n', encoding="utf-8")
    page.evaluate(
        """(content) => {
            const data = new DataTransfer();
            data.items.add(new File([content], "new.csv"));
            document.getElementById("drop").dispatchEvent(
                new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }));
        }""",
        file.read_text(encoding="utf-8"),
    )
    page.wait_for_selector("#download:not([hidden])")
    with page.expect_download() as waiting:
        page.click("#download")
    assert waiting.value.suggested_filename == "new-predictions.csv"
    waiting.value.save_as(tmp_path / "saved.csv")
    lines = (tmp_path / "saved.csv").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "row,label,class 0,class 1,class 2"
    assert [line.partition(",")[0] for line in lines[1:]] == ["0", "1", "2"]
    (tmp_path / "bad.exe").write_bytes(b"a")
    page.set_input_files("#file", tmp_path / "bad.exe")
    page.click("#send")
    page.wait_for_selector("#file-status.bad")
    assert ".csv" in page.inner_text("#file-status")


def test_a_token_is_asked_for_where_one_is_needed(exported: Path) -> None:
    """A wrong one is refused with a sentence; with the right one the page works."""
    with serving(exported, ULMUS_TOKEN="a-token-of-some-length") as address, opened() as tab:
        tab.goto(address)
        for token, said in (("wrong", "not the server's token"), ("a-token-of-some-length", "3 classes")):
            tab.fill("#token", token)
            tab.press("#token", "Enter")
            tab.wait_for_selector(f'#about:has-text("{said}")')
        assert not tab.is_visible("#entry")
        tab.fill("#text", "a film")
        tab.click("#go")
        tab.wait_for_selector("#words:not([hidden])")
