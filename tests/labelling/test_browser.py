"""The labelling page in a real browser: the system's Chromium, driven by playwright."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
HOSTILE = [
    "<script>document.title = 'taken'</script><img src=x onerror=\"document.title = 'taken'\">",
    "</article><h1>not a heading</h1> &lt;b&gt; {{7*7}} ${alert(1)}",
    "the order \u202eis reversed\u202c and \x07 rings",
    "long" * 50_000,
]
Served = Callable[..., Any]


@pytest.fixture
def browser() -> Iterator[Any]:
    """A browser without a window."""
    playwright = pytest.importorskip("playwright.sync_api", reason="browser tests need playwright")
    if CHROMIUM is None:
        pytest.skip("browser tests need Chromium")
    with playwright.sync_playwright() as started:
        found = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield found
        found.close()


class Page:
    """The page of one person; `problems` are errors of its script and what its policy refused."""

    def __init__(self, browser: Any, served: Any, who: str = "anna", **settings: Any) -> None:
        self.page = browser.new_context(**settings).new_page()
        self.page.set_default_timeout(100_000)
        self.problems: list[str] = []
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("console", lambda message: self.problems.append(message.text))
        self.page.goto(served.address.replace("who=me", f"who={who}"))
        self.count()

    def text(self) -> str:
        """The text that is shown."""
        return str(self.page.text_content("#text"))

    def count(self) -> str:
        """How much is labelled."""
        return str(self.page.wait_for_selector("#count:not(:empty)").text_content())

    def press(self, key: str, count: str = "") -> None:
        """Press a key, and wait until the count is the one that follows."""
        self.page.keyboard.press(key)
        if count:
            self.page.wait_for_function(
                "count => document.getElementById('count').textContent === count", arg=count
            )


def test_ten_texts_and_a_kill(data: Path, tmp_path: Path, served: Served, browser: Any) -> None:
    """Ten keys label ten texts; undo and skip work; after kill -9 and a new start nothing is lost."""
    arguments = (data, "--class", "good", "--class", "bad", "-o", tmp_path / "out.csv")
    seen = []
    with served(*arguments) as server:
        page = Page(browser, server)
        for i in range(10):
            seen.append(page.text())
            page.press("12"[i % 2], f"{i + 1} of 40 labelled")
        page.press("z", "9 of 40 labelled")
        assert page.text() == seen[-1]
        page.press("s", "9 of 40 labelled, 1 skipped")
        page.press("u", "9 of 40 labelled")
        page.press("/")
        page.page.keyboard.type("ba")
        page.press("Enter", "10 of 40 labelled")
        assert page.problems == []
        server.process.kill()
        server.process.wait()
        page.press("1")
        page.page.wait_for_selector("#notice:has-text('The server does not answer')")
    with served(*arguments) as server:
        page = Page(browser, server)
        assert page.count() == "10 of 40 labelled"
        assert page.text() not in seen
    with (tmp_path / "out.csv").open(newline="", encoding="utf-8") as file:
        labels = {row["text"]: row["label"] for row in csv.DictReader(file) if row["label"]}
    assert labels == {text: ("good", "bad")[i % 2] for i, text in enumerate(seen)}


def test_hostile_texts_are_shown_as_text(tmp_path: Path, served: Served, browser: Any) -> None:
    """Markup, scripts, changes of the writing direction and one endless word: all are characters, and labelled."""
    data = tmp_path / "data.csv"
    with data.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["text"], *([text] for text in HOSTILE)])
    with served(data, "--class", "<b>", "--class", "b", "-o", tmp_path / "out.csv") as server:
        page = Page(browser, server, viewport={"width": 390, "height": 780})
        shown = []
        for i in range(len(HOSTILE)):
            shown.append(page.text())
            assert page.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
            assert page.page.title() == "Label data.csv"
            page.press("1", f"{i + 1} of {len(HOSTILE)} labelled")
        assert page.problems == []
    assert {HOSTILE[0], HOSTILE[1], "the order \\u202eis reversed\\u202c and \\x07 rings"} < set(shown)
    assert any(text.startswith("longlong") and "150,000 more characters" in text for text in shown)


def test_two_people_and_a_new_class(data: Path, tmp_path: Path, served: Served, browser: Any) -> None:
    """Two people see different texts; a class that one of them adds by typing is there for both."""
    with served(data, "-o", tmp_path / "out.csv") as server:
        anna, ben = Page(browser, server, "anna"), Page(browser, server, "ben")
        assert anna.text() != ben.text()
        anna.page.keyboard.type("new one")  # without any class the box for one is open
        anna.press("Enter", "1 of 40 labelled")
        ben.page.keyboard.type("other")
        ben.press("Enter", "2 of 40 labelled")
        assert ben.page.locator("#classes .name").all_text_contents() == ["new one", "other"]
        ben.press("1", "3 of 40 labelled")
        assert anna.problems == ben.problems == []


def test_keyboard_and_screen_reader(data: Path, tmp_path: Path, served: Served, browser: Any) -> None:
    """Everything has a name; the help opens and closes by keys; what was done is announced."""
    with served(data, "--class", "good", "--class", "bad", "-o", tmp_path / "out.csv") as server:
        page = Page(browser, server)
        page.press("?")
        assert page.page.locator("dialog[open] h2").first.text_content() == "Keys"
        page.press("1")  # of the page below the help: nothing happens
        page.press("Escape")
        page.press("2", "1 of 40 labelled")
        assert page.page.text_content("#said") == "Labelled bad. The next text:"
        assert page.page.evaluate("document.activeElement.id") == "text"
        names = page.page.eval_on_selector_all("button", "all => all.map(one => one.textContent.trim())")
        assert all(names)
