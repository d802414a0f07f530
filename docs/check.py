"""Look at the built site in a real browser: `make docs-check`. Debian's chromium and chromium-driver have to be there.

Every page on a telephone and on a desk, light and dark, with no network: nothing is wider than the screen, nothing is
asked of anybody else, no link leads nowhere, no error is in the console, and search finds, over file:// too.
"""

from __future__ import annotations

import argparse
import functools
import json
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urljoin, urlsplit

from selenium import webdriver
from selenium.common.exceptions import TimeoutException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

SITE = Path(__file__).parent.parent / "site"
WIDTHS = {390: 844, 1400: 900}  # with the height of each
SCHEMES = ("light", "dark")
HITS = (By.CSS_SELECTOR, "#search-results li a")
SOUGHT = {"max_per_peer": "limits", "start_tls": "tls", "call_later": "loop", "varint": "framing"}  # and a page with it
WIDER = """
const wide = document.documentElement.clientWidth;
const scrolls = each => ["auto", "scroll"].includes(getComputedStyle(each).overflowX);
const inScroll = each => !each.matches("article") && (scrolls(each) || inScroll(each.parentElement));
return [document.documentElement.scrollWidth, [...document.querySelectorAll("article *")]
    .filter(each => each.getBoundingClientRect().right > wide + 1 && !inScroll(each)).slice(0, 3)
    .map(each => each.outerHTML.slice(0, 120)), getComputedStyle(document.body).backgroundColor]
"""  # what scrolls in itself is not too wide, and it isn't that the page scrolls


class Silent(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def served(site: Path) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Silent, directory=str(site))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@contextmanager
def browser() -> Iterator[Any]:
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for each in ("headless=new", "no-sandbox", "host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"):
        options.add_argument(f"--{each}")
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))
    try:
        yield driver
    finally:
        driver.quit()


def look_like(driver: Any, width: int, scheme: str) -> None:
    size = {"width": width, "height": WIDTHS[width], "deviceScaleFactor": 1, "mobile": width < 800}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", media)


# ---- what is looked for


class Page(HTMLParser):
    """The links and the anchors of a page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors = {""}
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = dict(attrs)
        self.anchors |= {each for each in (told.get("id"), told.get("name")) if each}
        self.links += [each for name in ("href", "src") if (each := told.get(name))]


def broken_links(site: Path) -> tuple[int, list[str]]:
    """Return how many links stay in the site, and those that lead nowhere."""
    pages = {path.relative_to(site).as_posix(): Page(path) for path in site.rglob("*.html")}
    count, broken = 0, []
    for name, page in pages.items():
        for href in page.links:
            where = urlsplit(urljoin(f"http://here/{name}", href))
            if where.netloc != "here":
                continue
            count += 1
            path = unquote(where.path).lstrip("/") or "index.html"
            known = path in pages and (unquote(where.fragment) in pages[path].anchors or where.fragment == "__skip")
            if not (known or (path not in pages and (site / path).is_file())):
                broken.append(f"{name}: {href}")
    return count, broken


def asked_of_others(driver: Any) -> list[str]:
    """Return what was asked of anybody but us since the last time."""
    events = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
    urls = [each["params"]["request"]["url"] for each in events if each["method"] == "Network.requestWillBeSent"]
    return [url for url in urls if not url.startswith(("http://127.0.0.1:", "file:", "data:", "blob:"))]


def is_dark(color: str) -> bool:
    return sum(int(each) for each in color[color.index("(") + 1 : -1].split(",")[:3]) < 384


def look_at(driver: Any, url: str, name: str) -> Iterator[str]:
    """Yield what is wrong with a page, however it is looked at."""
    for width in WIDTHS:
        for scheme in SCHEMES:
            look_like(driver, width, scheme)
            driver.get(url + name)
            needed, wider, color = driver.execute_script(WIDER)
            if needed > width or wider:
                yield f"{name} at {width}: {needed} wide: {wider}"
            if is_dark(color) != (scheme == "dark"):
                yield f"{name}: its background is {color} where the reader's system is {scheme}"
    yield from (f"{name} asks for {other}" for other in asked_of_others(driver))
    yield from (f"{name}: {entry['message']}" for entry in driver.get_log("browser") if entry["level"] == "SEVERE")


def search(driver: Any, url: str) -> Iterator[str]:
    """Yield what search doesn't find."""
    for words, page in SOUGHT.items():
        driver.get(f"{url}search.html?q={words}")
        with suppress(TimeoutException):
            WebDriverWait(driver, 20).until(lambda driver: driver.find_elements(*HITS))
        found = [each.get_attribute("href") for each in driver.find_elements(*HITS)]
        if not any(page in each for each in found):
            yield f"{url[:4]}: search for {words!r} finds {found}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shots", type=Path, help="a folder for pictures of the pages named")
    parser.add_argument("pages", nargs="*", help="pages to look at, as design.html; all unless given")
    args = parser.parse_args()
    names = args.pages or sorted(path.relative_to(SITE).as_posix() for path in SITE.rglob("*.html"))
    count, wrong = broken_links(SITE)
    with served(SITE) as url, browser() as driver:
        for name in names:
            wrong += look_at(driver, url, name)
            if args.shots:
                shoot(driver, url, name, args.shots)
        for place in (url, SITE.resolve().as_uri() + "/"):
            wrong += search(driver, place)
    print("\n".join(wrong))
    print(f"{len(names)} pages at {' and '.join(map(str, WIDTHS))} pixels, light and dark; {count} links inside;")
    print(f"{2 * len(SOUGHT)} searches, half of them over file://: {len(wrong)} faults")
    return bool(wrong)


def shoot(driver: Any, url: str, name: str, folder: Path) -> None:
    """Take a picture of the first screen of a page for each look."""
    folder.mkdir(parents=True, exist_ok=True)
    for width in WIDTHS:
        for scheme in SCHEMES:
            look_like(driver, width, scheme)
            driver.get(url + name)
            driver.save_screenshot(str(folder / f"{name.replace('/', '-')}-{width}-{scheme}.png"))


if __name__ == "__main__":
    sys.exit(main())
