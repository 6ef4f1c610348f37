"""How quick the page is over ten million rows, measured in the browser.

Repeats the rows of a real result as a folder of parquet parts, serves it, and looks: the first view
(from the address to the table and its first spectrum drawn), pages of filters, and spectra from
click to drawn.

    python recipes/web_speed.py types.parquet --rows 10000000 --folder big/
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import polars as pl
import psutil
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

PART = 200_000  #: rows of a part
FILTERS = ("type=O", "type=O,B&p_O=0.5:", "subclass=O9:B2&snr=20:", "differs=1", "flags=LOW_SNR",
           "snr=50:&sort=-p_O", "text=F5902", "kind=white dwarf", "theirs=A&type=F")  # fmt: skip
CLICK = """
const [row, done] = arguments, plot = document.getElementById('plot'), begun = performance.now();
delete plot.dataset.milliseconds;
row.click();
const look = () => (plot.dataset.milliseconds === undefined ? setTimeout(look, 1)
  : requestAnimationFrame(() => done(performance.now() - begun)));
look();
"""


def tile(results: Path, rows: int, folder: Path) -> None:
    """Write the rows of a table again and again, in parts."""
    table = pl.read_parquet(results)
    part = pl.concat([table] * (PART // len(table) + 2))
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(-(-rows // PART)):
        n = min(PART, rows - number * PART)
        shift = number * 997 % len(table)  # the parts differ
        part.slice(shift, n).write_parquet(folder / f"part-{number:04}.parquet")


def browser() -> Any:
    """Headless Chromium."""
    options = webdriver.ChromeOptions()
    names = ("chromium", "chromium-browser", "google-chrome")
    options.binary_location = next(filter(None, map(shutil.which, names)))
    for word in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage",
                 "--window-size=1280,900"):  # fmt: skip
        options.add_argument(word)
    return webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))


def until(driver: Any, script: str, seconds: float = 120.0) -> Any:
    """What a script gives once it is something."""
    end = time.monotonic() + seconds
    while (found := driver.execute_script(script)) in (None, "", False):
        if time.monotonic() > end:
            raise TimeoutError(script)
        time.sleep(0.01)
    return found


def measure(driver: Any, address: str, server: psutil.Process) -> None:
    """Print the figures of a server; its own processor time beside them, for a busy machine."""
    base = address.split("?")[0]
    ready = "return document.body.dataset.milliseconds"
    driver.get(address)
    first = [float(until(driver, ready))]
    for _ in range(4):
        driver.get("about:blank")
        driver.get(base)
        first.append(float(until(driver, ready)))
    show("first view", first)
    driver.get(base)
    until(driver, ready)
    for words in FILTERS:
        # The page asks as if the filter's controls had been used.
        used = sum(server.cpu_times()[:2])
        driver.get(f"{base}?{words}")
        taken = float(until(driver, "return document.getElementById('rows').dataset.milliseconds"))
        count = until(driver, "return document.getElementById('count').innerText")
        until(driver, ready)
        used = sum(server.cpu_times()[:2]) - used
        print(f"filter {words:24} {taken:6.0f} ms  {count}; whole view {used:.2f} s of processor")
    driver.get(base)
    until(driver, ready)
    rows = driver.find_elements("css selector", "#rows tbody tr")[1:41]
    used = sum(server.cpu_times()[:2])
    show("spectrum, click to drawn", [clicked(driver, row) for row in rows])
    used = (sum(server.cpu_times()[:2]) - used) / len(rows)
    print(f"spectrum with all that follows: {1000 * used:.0f} ms of processor each")
    # Without a pause the server is still at what follows the spectrum before.
    show("the same, one at once after another", [clicked(driver, row, 0.0) for row in rows])


def clicked(driver: Any, row: Any, pause: float = 0.7) -> float:
    """Milliseconds from click to drawn of a row, after a look at the one before."""
    time.sleep(pause)
    return float(driver.execute_async_script(CLICK, row))


def show(what: str, values: list[float]) -> None:
    """A line with median and largest."""
    print(f"{what}: median {median(values):.0f} ms, largest {max(values):.0f} ms of {len(values)}")


def main() -> None:
    """Make the folder where there is none, serve it, measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=Path)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        folder = options.folder or Path(made) / "big"
        if not folder.is_dir():
            tile(options.results, options.rows, folder)
        size = sum(file.stat().st_size for file in folder.iterdir()) / 1e6
        print(f"{options.rows:,} rows, {size:.0f} MB; load {os.getloadavg()[0]:.1f}")
        begun = time.monotonic()
        command = [sys.executable, "-m", "spectype", "serve", str(folder), "--port", "0"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout is not None
            address = server.stdout.readline().strip()
            print(f"start to printed address: {time.monotonic() - begun:.1f} s")
            driver = browser()
            try:
                measure(driver, address, psutil.Process(server.pid))
            finally:
                driver.quit()
                server.terminate()


if __name__ == "__main__":
    main()
