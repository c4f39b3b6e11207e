"""A tab with the chat page, and how a reader uses it."""

import time

from scripted_chat_server import Answer


def until(condition, what, seconds=10):
    """Waits for what no event of the browser tells: something the server sees."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"did not happen: {what}"
        time.sleep(0.01)


class Session:
    def __init__(self, browser, server, url=None, **context):
        self.browser = browser
        self.server = server
        self.url = url or server.url
        self.complaints = []  # of the browser: errors, violations of the policy, requests elsewhere
        self.tolerated = ()  # parts of complaints that a check provokes
        self.context = None
        self.open(**context)

    def open(self, **context):
        """A browser that knows nothing of earlier ones."""
        self.close()
        context = {"locale": "en-US", "viewport": {"width": 1280, "height": 800}, **context}
        self.context = self.browser.new_context(**context)
        self.context.set_default_timeout(10_000)
        self.context.grant_permissions(["clipboard-read", "clipboard-write"])
        self.page = self.context.new_page()
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.complaints.append(f"page error: {error}"))
        self.page.on("request", self._request)
        self.load()

    def load(self):
        self.page.goto(self.url)
        self.page.wait_for_selector("#log .message, #welcome-title:not(:empty)", state="attached")

    def close(self):
        if self.context is not None:
            self.context.close()
            self.context = None

    def _console(self, message):
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def _request(self, request):
        if not request.url.startswith((self.url, "blob:" + self.url)):
            self.complaints.append("request to " + request.url)

    def expect_no_complaints(self):
        left = [text for text in self.complaints if not any(part in text for part in self.tolerated)]
        assert left == [], left

    # What a reader does.

    def send(self, text, wait=True):
        self.page.fill("#input", text)
        self.page.press("#input", "Enter")
        if wait:
            self.wait_for_end()

    def ask(self, text, *pieces, **answer):
        """Sends, and gets these pieces as the answer."""
        self.server.will(Answer(list(pieces), **answer))
        self.send(text)

    def wait_for_end(self):
        self.page.wait_for_selector("#log:not(.running) .answer.last:not(.busy)")
        # What a change brings is shown with the next frame.
        self.page.evaluate("() => new Promise((done) => requestAnimationFrame(() => done()))")

    def wait_for_text(self, text, selector=".answer.last"):
        self.page.wait_for_function(
            "([selector, text]) => document.querySelector(selector)?.innerText.includes(text)",
            arg=[selector, text])

    def tool(self, label, of="answer"):
        """A button below the last answer or question."""
        message = self.page.locator(f".{of}.last")
        message.hover()
        message.get_by_role("button", name=label, exact=True).click()

    # What a reader sees.

    @property
    def answer(self):
        return self.page.locator(".answer.last")

    @property
    def body(self):
        return self.page.locator(".answer.last > .markdown, .answer.last > .plain")

    def shows(self, selector):
        return self.page.locator(selector).is_visible()

    def at_end(self):
        return self.page.evaluate("""() => { const scroller = document.getElementById("scroller");
            return scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < 20; }""")

    def last_request(self):
        return self.server.requests[-1][2]
