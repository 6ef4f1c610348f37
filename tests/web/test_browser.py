"""The real page in headless Chromium: `make test-web` runs these (and installs what they need)."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import polars as pl
import pytest

from spectype.mine.folder import write_list
from tests.web.conftest import CODES, hosted, make_run, make_table, spectrum_text

if not os.environ.get("SPECTYPE_BROWSER"):
    pytest.skip("a browser is driven by make test-web", allow_module_level=True)
webdriver = pytest.importorskip("selenium.webdriver", reason="pip install selenium")

from selenium.webdriver.chrome.service import Service  # noqa: E402
from selenium.webdriver.common.action_chains import ActionChains  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402
from selenium.webdriver.support.ui import WebDriverWait  # noqa: E402

NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROME = next(filter(None, map(shutil.which, NAMES)), None)
DRIVER = shutil.which("chromedriver")


class Page:
    """A page of ours in the browser, used as a person would."""

    def __init__(self, driver, address):
        self.driver, self.address = driver, address

    def open(self, words=""):
        """Go to the page; words are those of a filter."""
        self.driver.get(self.address + words)
        self.until("return document.body.dataset.ready === '1'")
        return self

    def js(self, script, *values):
        return self.driver.execute_script(script, *values)

    def until(self, script, *values):
        """Wait for a script to give something true."""
        return WebDriverWait(self.driver, 20, 0.05).until(
            lambda d: d.execute_script(script, *values)
        )

    def says(self, name, text):
        """Wait for the element of this id to show a text."""
        self.until(
            f"return document.getElementById('{name}').innerText.includes(arguments[0])", text
        )

    def text(self, name):
        return self.js(f"return document.getElementById('{name}').innerText")

    def press(self, *keys):
        """Keys without a mouse, to whatever has the focus."""
        ActionChains(self.driver).send_keys(*keys).perform()

    def focus(self, name):
        """Tab until the element of this id has the focus."""
        for _ in range(120):
            if self.js("return document.activeElement.id") == name:
                return
            self.press(Keys.TAB)
        raise AssertionError(f"{name} is not reached by Tab")

    def click(self, selector):
        self.driver.find_element("css selector", selector).click()

    def am(self, reviewer):
        """Say who reviews."""
        field = self.driver.find_element("id", "reviewer")
        field.clear()
        field.send_keys(reviewer, Keys.ENTER, Keys.TAB)
        self.js("document.activeElement.blur()")

    def drawn(self):
        """How many pixels of the plot are not paper: some hundreds are a sentence alone."""
        return self.js(
            "const c = document.getElementById('plot'), d = c.getContext('2d').getImageData(0, 0,"
            " c.width, c.height).data; let n = 0;"
            "for (let i = 4; i < d.length; i += 4) if (d[i] !== d[0] || d[i+1] !== d[1]) n++;"
            "return n"
        )


@pytest.fixture(scope="module")
def driver():
    """A headless Chromium."""
    if CHROME is None or DRIVER is None:
        pytest.skip("no chromium with chromedriver on this machine")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROME
    for word in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage",
                 "--window-size=1280,900"):  # fmt: skip
        options.add_argument(word)
    made = webdriver.Chrome(options=options, service=Service(DRIVER))
    yield made
    made.quit()


@contextmanager
def served(path):
    """The real command while it runs: the address that it prints."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        [sys.executable, "-m", "spectype", "serve", str(path), "--port", "0"],
        stdout=subprocess.PIPE, text=True, env=environment,
    ) as process:  # fmt: skip
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """28 stars, of whose spectra seven are there; and a list mined from them."""
    made = tmp_path_factory.mktemp("web")
    os.environ["SPECTYPE_CACHE"] = str(made / "cache")
    (made / "spectra").mkdir()
    for i, code in enumerate(CODES):
        (made / "spectra" / f"{i}.csv").write_text(spectrum_text(code))
    make_table(28).write_parquet(made / "types.parquet")
    there = make_table(7).with_columns(pl.format("{}/{}", pl.lit(str(made)), "path").alias("path"))
    write_list(there, made / "hunt", name="O", manifest={})
    return made


@pytest.fixture(scope="module")
def address(folder):
    with served(folder / "types.parquet") as found:
        yield found


@pytest.fixture
def page(driver, address):
    """The page as somebody sees it who was never here."""
    found = Page(driver, address).open()
    found.js("localStorage.clear()")
    return found.open()


def test_open_filter_look(page):
    assert "token" not in page.driver.current_url and page.text("count") == "28 of 28 spectra"
    page.click('#types [data-type="B"]')
    page.says("count", "4 of 28")
    assert "type=B" in page.driver.current_url
    page.click("#rows tbody tr:nth-child(1)")
    page.says("name", "1.csv")
    assert page.text("type").startswith("B2 V")
    assert page.drawn() > 8000
    assert float(page.js("return document.getElementById('plot').dataset.milliseconds")) < 5000
    page.driver.refresh()  # the filter and the row are in the address
    page.until("return document.body.dataset.ready === '1'")
    assert page.text("count") == "4 of 28 spectra" and page.text("name") == "1.csv"


def test_keys_relabel_reload_and_the_label_is_kept(page):
    page.am("Ada")
    page.press("a")
    page.says("said", "You: accept O6 V")
    page.press("r")
    page.until("return document.getElementById('relabel-box').open")
    page.press("no type", Keys.ENTER)
    page.says("r-problem", "is no type from O to M")
    ActionChains(page.driver).key_down(Keys.CONTROL).send_keys("a").key_up(Keys.CONTROL).perform()
    page.press("b1 iii", Keys.ENTER)
    page.says("said", "You: relabel B1III")
    page.driver.refresh()
    page.until("return document.body.dataset.ready === '1'")
    page.says("said", "You: relabel B1III")
    page.press("u")
    page.says("said", "You: accept O6 V")
    page.press("n")
    page.says("name", "1.csv")
    page.press("k", "x")
    page.says("said", "You: reject")


def test_a_dropped_file_is_typed_and_looked_at(page):
    page.js(
        "const data = new DataTransfer();"
        "data.items.add(new File([arguments[0]], 'my star.csv', { type: 'text/csv' }));"
        "data.items.add(new File(['nothing'], 'broken.fits'));"
        "window.dispatchEvent(new DragEvent('drop', { dataTransfer: data, cancelable: true }))",
        spectrum_text(42.0),
    )
    page.says("typed", "my star.csv")
    cells = page.js(
        "return [...document.querySelectorAll('#typed-rows tbody tr')].map((r) =>"
        " [...r.cells].map((c) => c.innerText))"
    )
    assert cells[0][1][0] in "OBAFGKM" and cells[0][-1] == "" and cells[1][-1]
    page.click("#typed-rows tbody button")
    page.says("name", "my star.csv")
    assert page.text("type").startswith(cells[0][1]) and page.drawn() > 8000


def test_two_reviewers_and_their_agreement(page):
    for reviewer, keys in (("Eve", "a"), ("Fay", "x")):
        page.am(reviewer)
        page.js("document.querySelector('#rows tbody tr').click()")
        page.says("name", "0.csv")
        page.press(keys)
        page.says("said", f"You: {'accept' if keys == 'a' else 'reject'}")
    page.says("said", "Eve: accept")
    page.says("said", "you differ")
    page.click("#agree")
    page.until("return document.getElementById('agreement').open")
    page.js(
        "for (const [id, who] of [['a-one', 'Eve'], ['a-other', 'Fay']]) {"
        "const s = document.getElementById(id); s.value = who;"
        "s.dispatchEvent(new Event('change')) }"
    )
    page.says("a-result", "1 spectra decided by both, 0 alike")
    page.says("a-result", "Cohen's kappa")
    page.press(Keys.ESCAPE)
    rows = page.js(
        "return fetch(document.getElementById('export-review').href).then((r) => r.text())"
    )
    assert {"Eve", "Fay"} <= {line.split(",")[2] for line in rows.splitlines()[1:]}
    rows = page.js(
        "return fetch(document.getElementById('export-rows').href).then((r) => r.text())"
    )
    assert len(rows.splitlines()) == 29


def test_blind_mode_tells_nothing_before_the_decision(page):
    page.am("Gil")
    page.press("b")
    page.says("type", "hidden until you decide")
    seen = " ".join(page.text(name) for name in ("type", "rows", "facts", "header", "said"))
    assert "0.csv" in seen and not any(word in seen for word in ("O6", "B2", "LOW_SNR"))
    assert page.js("return document.getElementById('standard').value") == ""
    labels = page.js(
        "return [...document.querySelectorAll('[aria-label]')].map((e) => e.ariaLabel)"
    )
    assert not any("O6" in label for label in labels)
    page.press("r")
    page.until("return document.getElementById('relabel-box').open")
    assert page.js("return document.getElementById('r-label').value") == ""
    page.press("O9 V", Keys.ENTER)
    page.says("type", "O6 V")
    page.press("b")


def test_keyboard_alone(page):
    page.focus("reviewer")
    page.press("Hal", Keys.TAB)
    page.js("document.activeElement.blur()")
    page.press("/")
    page.press("3.csv", Keys.ENTER)
    page.until("return document.querySelectorAll('#rows tbody tr').length === 3")
    page.js("window.scrollTo(0, 0)")
    page.until("return document.activeElement.id === 'f-text'")
    while page.js("return document.activeElement.closest('#rows tbody tr') === null"):
        page.press(Keys.TAB)
    page.press(Keys.ENTER)
    page.says("name", "3.csv")
    page.press("+", "]", "l", "e")
    assert page.js("return document.getElementById('smooth').value") == "1"
    before = page.js("return document.getElementById('standard').value")
    page.focus("plot")
    page.press(Keys.ARROW_RIGHT)
    page.until("return document.getElementById('standard').value !== arguments[0]", before)
    page.focus("accept")
    outline = page.js("return getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"  # the focus can be seen
    page.press(Keys.ENTER)
    page.says("said", "You: accept F3 V")
    page.press("?")
    page.until("return document.getElementById('help').open")
    page.press(Keys.ESCAPE)
    page.until("return !document.getElementById('help').open")


def test_a_mined_list_is_gone_through_one_after_another(driver, folder):
    with hosted(folder / "hunt") as (found, _):
        page = Page(driver, found).open()
        page.am("Ivy")
        for i in range(3):
            page.says("name", f"{i}.csv")
            page.press("a")
        page.says("name", "3.csv")
        page.says("progress", "you have decided 3 spectra")
        page.open()  # without a row in the address: where Ivy was
        page.says("name", "3.csv")


def test_a_cell_of_a_runs_confusion_matrix_opens_the_spectra_behind_it(driver, folder):
    with hosted(make_run(folder)) as (found, _):
        page = Page(driver, found).open()
        page.until("return document.querySelectorAll('#cells tbody tr').length === 7")
        assert "validation ends at 1.50" in page.js(
            "return document.getElementById('loss').getAttribute('aria-label')"
        )
        page.click('#cells button[aria-label="label O, ours A: 1 spectra"]')
        page.says("count", "1 of 5")
        page.says("type", "A5")
        assert page.drawn() > 8000 and "theirs=O" in page.driver.current_url
        page.click("#also button")  # the label's part of it taken back
        page.until("return !location.search.includes('theirs')")


def test_files_that_have_moved_are_asked_for_and_a_second_server_shows_conflicts(driver, folder):
    table = folder / "second" / "types.parquet"
    table.parent.mkdir()
    make_table(7).write_parquet(table)
    with hosted(table) as (first, _):
        page = Page(driver, first).open()
        page.until("return document.getElementById('moved').open")
        page.press(str(folder), Keys.TAB, Keys.ENTER)
        page.until("return !document.getElementById('moved').open")
        page.until("return document.getElementById('plot').dataset.milliseconds")
        page.am("Kim")
        page.press("a")
        page.says("said", "You: accept")
        with hosted(table) as (second, _):
            other = Page(driver, second).open()  # it remembers the folder
            other.am("Lou")
            other.js("document.querySelector('#rows tbody tr').click()")
            other.says("said", "Kim: accept")
            other.press("x")
            other.says("said", "you differ")


def test_a_server_that_has_gone_is_named_and_nothing_is_taken_for_kept(driver, folder):
    with hosted(folder / "types.parquet") as (found, end):
        page = Page(driver, found).open()
        page.am("Max")
        end()
        page.press("a")
        page.says("problem", "the server does not answer")
        assert "You" not in page.text("said")


AXE = os.environ.get("SPECTYPE_AXE", "")
DIALOGS = ("", "relabel-box", "help", "moved", "agreement")


@pytest.mark.skipif(not Path(AXE).is_file(), reason="axe-core is fetched by make test-web")
@pytest.mark.parametrize("width, dark", [(1280, False), (390, True)], ids=["light", "dark"])
def test_a_screen_reader_finds_its_way(page, width, dark):
    page.driver.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500},
    )
    try:
        page.js("localStorage.setItem('theme', arguments[0])", "dark" if dark else "light")
        page.open()
        page.js(Path(AXE).read_text() + "; window.axe = axe;")
        page.js("for (const d of document.querySelectorAll('details')) d.open = true")
        for dialog in DIALOGS:
            if dialog:
                page.js("document.getElementById(arguments[0]).showModal()", dialog)
            found = page.driver.execute_async_script(
                "const done = arguments[arguments.length - 1];"
                "axe.run(document).then((r) => done([r.passes.length, r.violations.map((v) =>"
                " [v.impact, v.id, v.nodes.map((n) => n.html.slice(0, 120))])]))"
            )
            passed, found = found
            assert passed > 10
            if dialog:
                page.js("document.getElementById(arguments[0]).close()", dialog)
            assert not [v for v in found if v[0] in ("serious", "critical")], dialog
    finally:
        page.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
