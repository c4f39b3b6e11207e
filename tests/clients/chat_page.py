#!/usr/bin/env python3
"""The chat page in a real browser.

    python tests/clients/chat_page.py [--url http://127.0.0.1:8000/] [--screenshots DIR] [-k NAME]

Needs Playwright for Python and Chromium (Debian: chromium); without them it says SKIPPED and ends
with 77. The page is served from the checkout by a scripted server; with --url the page of a running
`tandem serve` is tried too, with whatever model it has. --screenshots leaves pictures of the page
in DIR, to be looked at.
"""

import argparse
import inspect
import pathlib
import re
import shutil
import sys
import threading
import traceback

sys.path.insert(0, str(pathlib.Path(__file__).parent / "support"))
import conversation_checks  # noqa: E402
import form_checks  # noqa: E402
import text_checks  # noqa: E402
from page_pictures import take_pictures  # noqa: E402
from page_session import Session  # noqa: E402
from scripted_chat_server import ScriptedServer  # noqa: E402


def skip(why):
    print("SKIPPED:", why)
    sys.exit(77)


def checks_of(module):
    return [each for each in vars(module).values()
            if inspect.isfunction(each) and each.__module__ == module.__name__]


def answers_from_a_running_server(session):
    """With whatever model it has: something comes, and comes again with the same seed."""
    page = session.page
    page.click("#settings")
    page.fill("#max_tokens", "40")
    page.fill("#seed", "1")
    page.click("#panel-close")
    session.send("Once upon a time")
    assert page.locator(".error:visible").count() == 0, page.inner_text(".answer.last")
    assert session.body.inner_text().strip() != ""
    stats = page.inner_text(".answer.last .stats")
    assert re.search(r"\d+ tokens · .*tokens/s", stats), stats
    policy = page.evaluate("fetch('/').then((r) => r.headers.get('Content-Security-Policy'))")
    assert "default-src 'none'" in policy
    first = session.body.inner_text()
    session.tool("Answer again")
    session.wait_for_end()
    assert session.body.inner_text() == first, "the same seed gives the same answer"


def run(name, check, browser, url=None):
    server = ScriptedServer()
    session = None
    try:
        session = Session(browser, server, url)
        check(session)
        session.expect_no_complaints()
        print("ok     ", name, flush=True)
        return True
    except Exception:
        print("FAILED ", name, flush=True)
        traceback.print_exc()
        return False
    finally:
        if session is not None:
            session.close()
        threading.Thread(target=server.shutdown, daemon=True).start()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--url", help="a running server; one without a key")
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
        chosen = [check for module in (conversation_checks, text_checks, form_checks)
                  for check in checks_of(module) if args.k in check.__name__]
        results = [run(check.__name__, check, browser) for check in chosen]
        if args.url:
            results.append(run("answers_from_a_running_server", answers_from_a_running_server, browser, args.url))
        if args.screenshots:
            take_pictures(browser, args.screenshots)
        browser.close()
    print(f"{sum(results)} of {len(results)} passed")
    sys.exit(0 if all(results) else 1)


if __name__ == "__main__":
    main()
