"""Settings, key, languages, themes, keyboard, narrow screens. Each function is a check."""

import re

from text_checks import MARKDOWN


def sends_the_settings(session):
    page = session.page
    session.send("Before")
    body = session.last_request()
    assert (body["temperature"], body["top_p"]) == (0.8, 0.9)
    for name in ("top_k", "min_p", "repetition_penalty", "seed", "max_tokens"):
        assert name not in body, name
    page.click("#settings")
    expected = {"Code": (0.2, 0.95), "Questions": (0.5, 0.9), "Creative": (0.9, 0.85),
                "Translation": (0.3, 0.95), "Chat": (0.8, 0.9)}
    for name, values in expected.items():
        page.get_by_role("radio", name=name).check(force=True)
        session.send(name)
        body = session.last_request()
        assert (body["temperature"], body["top_p"]) == values, name
    page.get_by_role("radio", name="Model's own").check(force=True)
    session.send("own")
    assert "temperature" not in session.last_request() and "top_p" not in session.last_request()
    page.fill("#temperature", "1.3")
    assert page.locator("#presets input:checked").count() == 0
    page.fill("#system", " Be brief. ")
    page.fill("#max_tokens", "33")
    page.fill("#seed", "7")
    page.get_by_text("More", exact=True).click()
    page.fill("#top_k", "40")
    page.fill("#min_p", "0.05")
    page.fill("#repetition_penalty", "1.1")
    session.load()
    session.send("After")
    body = session.last_request()
    assert body["messages"][0] == {"role": "system", "content": "Be brief."}
    assert {name: body[name] for name in ("temperature", "max_tokens", "seed", "top_k", "min_p",
                                          "repetition_penalty")} == {
        "temperature": 1.3, "max_tokens": 33, "seed": 7, "top_k": 40, "min_p": 0.05,
        "repetition_penalty": 1.1}
    page.fill("#max_tokens", "0")
    assert page.get_attribute("#max_tokens", "aria-invalid") == "true"
    assert "whole number from 1" in page.inner_text(".problem:visible")
    session.send("Still the old length")
    assert session.last_request()["max_tokens"] == 33
    page.click("#reset")
    session.send("Reset")
    assert session.last_request()["temperature"] == 0.8 and "seed" not in session.last_request()


def asks_for_a_key(session):
    session.tolerated = ("status of 401",)
    session.server.key = "secret"
    session.send("Hello", wait=False)
    session.page.wait_for_selector("#key-dialog[open]")
    session.page.keyboard.press("Escape")
    session.wait_for_end()
    assert session.page.inner_text(".error:visible") == "The server needs an API key."
    session.page.get_by_role("button", name="Try again").click()
    session.page.fill("#key", "wrong")
    session.page.keyboard.press("Enter")
    session.wait_for_text("refused", "#key-text")
    session.page.fill("#key", "secret")
    session.page.keyboard.press("Enter")
    session.wait_for_text("Hello there.")
    session.wait_for_end()
    assert session.server.requests[-1][1]["Authorization"] == "Bearer secret"
    session.load()
    session.send("Still known")
    assert session.body.inner_text() == "Hello there."
    stored = session.page.evaluate("JSON.stringify(localStorage)")
    assert "secret" not in stored, "the key is kept for the tab alone"
    session.page.click("#settings")
    session.page.get_by_role("button", name="Forget the API key").click()
    session.send("Now?", wait=False)
    session.page.wait_for_selector("#key-dialog[open]")


def speaks_chinese(session):
    session.ask("Hello", "Hi")
    session.page.click("#language")
    assert session.page.get_attribute("html", "lang") == "zh-CN"
    assert session.page.get_attribute("#input", "placeholder") == "输入消息"
    assert "个词元" in session.page.inner_text(".answer.last .stats")
    assert session.page.get_attribute("#send", "aria-label") == "发送"
    english = session.page.evaluate("""() => [...document.querySelectorAll("[data-i18n]")]
        .map((node) => node.textContent).filter((text) => /^[ -~]+$/.test(text))""")
    assert english == [], english
    session.load()
    assert session.page.get_attribute("html", "lang") == "zh-CN"
    session.open(locale="zh-TW")
    assert session.page.inner_text("#welcome-title") == "想聊点什么？"
    session.page.click("#language")
    assert session.page.inner_text("#welcome-title") == "What would you like to talk about?"


def is_light_and_dark(session):
    def ground():
        rgb = session.page.evaluate("getComputedStyle(document.body).backgroundColor")
        return "light" if int(re.search(r"\d+", rgb).group()) > 127 else "dark"
    assert ground() == "light"
    session.page.emulate_media(color_scheme="dark")
    assert ground() == "dark"
    session.page.click("#theme")
    assert (session.page.get_attribute("#theme", "aria-label"), ground()) == ("Theme: light", "light")
    session.page.emulate_media(color_scheme="light")
    session.page.click("#theme")
    assert (session.page.get_attribute("#theme", "aria-label"), ground()) == ("Theme: dark", "dark")
    session.load()
    assert ground() == "dark"


def leaves_enter_to_the_input_method(session):
    devtools = session.context.new_cdp_session(session.page)
    session.page.focus("#input")
    devtools.send("Input.imeSetComposition", {"text": "nihao", "selectionStart": 5, "selectionEnd": 5})
    key = {"key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 229}
    devtools.send("Input.dispatchKeyEvent", {"type": "rawKeyDown", **key})
    devtools.send("Input.dispatchKeyEvent", {"type": "keyUp", **key})
    session.page.dispatch_event("#input", "keydown", {"key": "Enter", "isComposing": True})
    devtools.send("Input.insertText", {"text": "你好"})
    assert session.page.locator(".message").count() == 0
    assert session.page.input_value("#input") == "你好"
    session.page.keyboard.press("Shift+Enter")
    assert session.page.input_value("#input") == "你好\n"
    session.page.keyboard.type("世界")
    session.page.keyboard.press("Enter")
    session.wait_for_end()
    assert session.last_request()["messages"][0]["content"] == "你好\n世界"


def fits_narrow_screens(session):
    for width in (320, 390, 768):
        session.open(viewport={"width": width, "height": 640})
        session.ask("x" * 200, "```\n" + "y" * 300 + "\n```\n" + "z" * 300 + " " + MARKDOWN)
        overflow = session.page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert overflow <= 0, (width, overflow)
        inner = session.page.evaluate("""() => { const s = document.getElementById("scroller");
            return s.scrollWidth - s.clientWidth; }""")
        assert inner <= 0, (width, inner)
        session.page.click("#settings")
        assert session.page.evaluate("document.activeElement.id") == "panel-close"
        assert session.page.evaluate("document.getElementById('main').inert")
        session.page.keyboard.press("Escape")
        assert not session.shows("#panel")
        assert session.page.evaluate("document.activeElement.id") == "settings"


def can_be_used_with_the_keyboard_alone(session):
    session.ask("Hello", "A\n\n```\ncode\n```")
    session.page.evaluate("document.activeElement.blur()")
    seen = []
    for _ in range(30):
        session.page.keyboard.press("Tab")
        seen.append(session.page.evaluate("""() => { const node = document.activeElement;
            return node.id || node.getAttribute("aria-label") || node.textContent || node.tagName; }"""))
        outline = session.page.evaluate("""() => { const style = getComputedStyle(document.activeElement);
            return document.activeElement.id === "input" || document.activeElement === document.body ||
              style.outlineStyle !== "none"; }""")
        assert outline, seen[-1]
    for name in ("language", "theme", "new", "settings", "scroller", "input", "Copy", "Edit", "Delete",
                 "Copy the code", "Answer again"):
        assert name in seen, (name, seen)
    unnamed = session.page.evaluate("""() => [...document.querySelectorAll("button, input, textarea")]
        .filter((node) => !(node.getAttribute("aria-label") || node.textContent.trim() ||
                            node.labels?.length)).map((node) => node.outerHTML)""")
    assert unnamed == [], unnamed
