#!/usr/bin/env python3
"""The dashboard in a real browser.

    python tests/clients/dashboard_page.py [--url http://127.0.0.1:8000 | --tandem PROGRAM]
                                           [--screenshots DIR] [-k NAME]

Needs Playwright for Python and Chromium (Debian: chromium); without them it says SKIPPED and ends
with 77. The page is served from the checkout with scripted metrics; with --url or --tandem that of
a server is tried too. --screenshots leaves pictures of that one in DIR, to be looked at: with --url
under whatever load it has.
"""

import argparse
import contextlib
import inspect
import json
import pathlib
import shutil
import sys
import threading
import traceback
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).parent / "support"))
import dashboard_checks  # noqa: E402
from dashboard_checks import BoardSession  # noqa: E402
from scripted_chat_server import ScriptedServer  # noqa: E402
from tandem_server import GivenServer, Server, skip  # noqa: E402


def checks():
    return [each for each in vars(dashboard_checks).values()
            if inspect.isfunction(each) and each.__module__ == "dashboard_checks"
            and "session" in inspect.signature(each).parameters]


def shows_a_running_server(session):
    body = json.dumps({"prompt": "once upon a time", "max_tokens": 8}).encode()
    request = urllib.request.Request(session.url + "v1/completions", body,
                                     {"Content-Type": "application/json"})
    session.page.wait_for_function("() => document.getElementById('version').textContent !== '–'")
    before = session.page.inner_text("#accepted")
    with urllib.request.urlopen(request) as response:
        assert response.status == 200
    session.page.wait_for_function(
        "(before) => document.getElementById('accepted').textContent !== before", arg=before)
    session.page.wait_for_function("""() => [...document.querySelectorAll(".legend output")]
        .some((each) => each.textContent.endsWith("ms"))""")
    assert session.page.inner_text("#breaker") == "closed: requests pass"


def run(check, browser, url=None):
    server = ScriptedServer()
    session = None
    try:
        session = BoardSession(browser, server, url)
        check(session)
        session.expect_no_complaints()
        print("ok     ", check.__name__, flush=True)
        return True
    except Exception:
        print("FAILED ", check.__name__, flush=True)
        traceback.print_exc()
        return False
    finally:
        if session is not None:
            session.close()
        threading.Thread(target=server.shutdown, daemon=True).start()


def take_pictures(browser, url, folder):
    folder.mkdir(parents=True, exist_ok=True)
    for locale in ("en-US", "zh-CN"):
        for width, height in ((390, 844), (1440, 900)):
            for scheme in ("light", "dark"):
                session = BoardSession(browser, ScriptedServer(), url, locale=locale,
                                       color_scheme=scheme,
                                       viewport={"width": width, "height": height})
                session.page.wait_for_timeout(20_000)
                session.page.screenshot(path=folder / f"{locale[:2]}-{width}-{scheme}.png",
                                        full_page=True)
                session.close()
    print("pictures are in", folder)


def live_server(args):
    if args.url:
        return GivenServer(args.url)
    return Server(args.tandem) if args.tandem else contextlib.nullcontext()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--url", help="a running server; one without a key")
    parser.add_argument("--tandem", help="the program, to start a server with a tiny model")
    parser.add_argument("--screenshots", type=pathlib.Path, help="a folder for pictures")
    parser.add_argument("-k", default="", help="only checks with this in their name")
    args = parser.parse_args()
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        skip("Playwright for Python is not installed (pip install playwright)")
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        skip("there is no chromium (Debian: apt-get install chromium)")
    with sync_playwright() as playwright:
        # The sandbox needs rights that containers lack; all that is loaded here is our own.
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        results = [run(check, browser) for check in checks() if args.k in check.__name__]
        with live_server(args) as live:
            if live:
                results.append(run(shows_a_running_server, browser, live.url + "/"))
                if args.screenshots:
                    take_pictures(browser, live.url + "/", args.screenshots)
        browser.close()
    print(f"{sum(results)} of {len(results)} passed")
    sys.exit(0 if all(results) else 1)


if __name__ == "__main__":
    main()
