"""Sending, stopping, answering again, keeping, failing. Each function is a check."""

import re
import threading
import time

from page_session import until
from scripted_chat_server import Answer


def shows_an_answer_while_it_comes(session):
    go_on = threading.Event()
    session.server.will(Answer(["First", " half", go_on, ", second half"]))
    session.send("Hello?", wait=False)
    session.wait_for_text("First half")
    assert session.shows("#stop") and not session.shows("#send")
    assert session.answer.get_attribute("aria-busy") == "true"
    go_on.set()
    session.wait_for_end()
    assert session.body.inner_text() == "First half, second half"
    assert session.shows("#send") and not session.shows("#stop")
    assert session.answer.get_attribute("aria-busy") == "false"
    assert session.page.evaluate("document.activeElement.id") == "input"
    path, _, body = session.server.requests[0]
    assert path == "/v1/chat/completions"
    assert body["stream"] and body["stream_options"] == {"include_usage": True}
    assert body["messages"] == [{"role": "user", "content": "Hello?"}]
    session.send("And then?")
    assert session.last_request()["messages"] == [
        {"role": "user", "content": "Hello?"},
        {"role": "assistant", "content": "First half, second half"},
        {"role": "user", "content": "And then?"}]


def says_how_fast_an_answer_came(session):
    session.ask("Count", *"one two three four five".split(), delay=0.05)
    stats = session.page.inner_text(".answer.last .stats")
    tokens, speed, first, prompt = stats.split(" · ")
    assert tokens == "5 tokens" and prompt == "prompt of 12, 8 of them cached", stats
    assert 1 < float(speed.removesuffix(" tokens/s")) < 20.5, stats
    assert 0.04 < float(re.search(r"first after ([\d.]+) s", first).group(1)) < 5, stats
    session.ask("Once more", "all", finish="length")
    stats = session.page.inner_text(".answer.last .stats")
    assert stats.startswith("1 token · first") and "ended at the length limit" in stats, stats


def stops_when_told(session):
    for stop in (lambda: session.page.click("#stop"), lambda: session.page.keyboard.press("Escape")):
        answer = session.server.will(Answer(["word "] * 2000, delay=0.01))
        session.send("Talk", wait=False)
        session.wait_for_text("word word")
        stop()
        session.wait_for_end()
        until(answer.left.is_set, "the connection was closed")
        assert re.search("about \\d+ tokens.* · stopped",
                         session.page.inner_text(".answer.last .stats"))
        assert session.body.inner_text().startswith("word word")
        assert session.page.evaluate("document.activeElement.id") == "input"
    session.ask("Again", "fine")
    assert session.body.inner_text() == "fine"


def answers_again(session):
    session.ask("Question", "first answer")
    session.server.will(Answer(["second answer"]))
    session.tool("Answer again")
    session.wait_for_text("second answer")
    session.wait_for_end()
    assert session.page.locator(".message").count() == 2
    assert session.last_request()["messages"] == [{"role": "user", "content": "Question"}]


def changes_and_deletes_the_last_question(session):
    session.ask("One", "1")
    session.ask("Two", "2")
    session.tool("Edit", of="user")
    session.page.fill(".edit textarea", "Three")
    session.page.get_by_role("button", name="Cancel").click()
    assert session.page.inner_text(".user.last .plain") == "Two"
    session.tool("Edit", of="user")
    session.page.fill(".edit textarea", "Three")
    session.server.will(Answer(["3"]))
    session.page.locator(".edit").get_by_role("button", name="Send").click()
    session.wait_for_text("3")
    session.wait_for_end()
    assert [each["content"] for each in session.last_request()["messages"]] == ["One", "1", "Three"]
    session.tool("Delete", of="user")
    assert session.page.locator(".message").count() == 2
    session.page.get_by_role("button", name="Undo").click()
    assert session.page.inner_text(".user.last .plain") == "Three"


def continues_texts_for_a_model_without_a_template(session):
    session.server.capabilities = ["completion"]
    session.load()
    assert session.page.inner_text("#welcome-title") == "Begin a text"
    session.ask("Once upon a time", ", there *was*", " a\n# girl")
    assert session.body.inner_text() == ", there *was* a\n# girl", "no Markdown in a plain text"
    path, _, body = session.server.requests[-1]
    assert path == "/v1/completions" and body["prompt"] == "Once upon a time"
    assert body["max_tokens"] == 256 and body["stream"]
    session.server.will(Answer([", and", " so on"]))
    session.tool("Continue")
    session.wait_for_text("so on")
    session.wait_for_end()
    assert session.last_request()["prompt"] == "Once upon a time, there *was* a\n# girl"
    assert session.body.inner_text() == ", there *was* a\n# girl, and so on"
    session.tolerated = ("status of 503",)
    session.server.will(Answer([], status=503, message="stopping"), Answer([" again"]))
    session.tool("Continue")
    session.page.get_by_role("button", name="Try again").click()
    session.wait_for_text("so on again")
    session.wait_for_end()
    session.page.click("#settings")
    assert not session.shows("#system")
    session.load()
    assert session.body.inner_text().endswith("so on again")


def keeps_the_conversation(session):
    session.ask("Remember", "**this**")
    go_on = threading.Event()
    session.server.will(Answer(["half an", " answer", go_on]))
    session.send("And", wait=False)
    session.wait_for_text("half an answer")
    session.load()
    go_on.set()
    assert session.page.locator(".message").count() == 4
    assert session.page.inner_text(".answer:not(.last) strong") == "this"
    assert session.body.inner_text() == "half an answer"
    assert "stopped" in session.page.inner_text(".answer.last .stats")
    session.page.click("#new")
    assert session.page.locator(".message").count() == 0 and session.shows("#welcome")
    session.page.get_by_role("button", name="Undo").click()
    assert session.page.locator(".message").count() == 4
    session.page.click("#new")
    session.load()
    assert session.page.locator(".message").count() == 0
    session.page.evaluate("""() => { localStorage.setItem("tandem-conversation-chat", '[{"role":1}]');
        localStorage.setItem("tandem-settings", '{"temperature":"hot"}');
        localStorage.setItem("tandem-theme", "{"); }""")
    session.load()
    session.send("Works on with what it does not understand")
    assert session.last_request()["temperature"] == 0.8


def begins_anew_while_an_answer_comes(session):
    answer = session.server.will(Answer(["old "] * 2000, delay=0.01))
    session.send("Talk", wait=False)
    session.wait_for_text("old")
    session.page.click("#new")
    until(answer.left.is_set, "the connection was closed")
    session.ask("New", "new answer")
    assert session.page.locator(".message").count() == 2
    assert session.body.inner_text() == "new answer"


def works_without_storage(session):
    session.page.add_init_script("""for (const name of ["localStorage", "sessionStorage"]) {
        Object.defineProperty(window, name, { get() { throw new Error("blocked"); } }); }""")
    session.load()
    session.ask("Hello", "Hi")
    assert session.body.inner_text() == "Hi"
    assert "cannot store this conversation" in session.page.inner_text("#notice")
    session.page.click("#language")
    assert session.page.get_attribute("html", "lang") == "zh-CN"


def says_what_went_wrong(session):
    session.tolerated = ("status of 429", "status of 503", "status of 500", "ERR_", "status of 400")
    def error():
        return session.page.inner_text(".answer.last .error:visible")
    session.ask("Busy", status=429, message="8 requests are queued, the limit is 8", retry_after=2)
    assert error() == ("The server is busy: 8 requests are queued, the limit is 8. "
                       "Try again in 2 s."), error()
    session.server.will(Answer([], status=503, message="the server is stopping", retry_after=1))
    session.page.get_by_role("button", name="Try again").click()
    session.wait_for_text("the server is stopping")
    session.wait_for_end()
    session.page.get_by_role("button", name="Try again").click()
    session.wait_for_text("Hello there.")
    session.wait_for_end()
    assert session.page.locator(".error:visible").count() == 0
    assert session.page.locator(".message").count() == 2
    session.ask("In the stream", "half", message="the engine failed")
    assert (session.body.inner_text(), error()) == ("half", "the engine failed")
    session.ask("Broken off", "half", breaks_off=True)
    assert error() == "The connection ended before the answer did."
    session.ask("No message", status=500)
    assert error() == "The server answered with status 500."
    session.page.route("**/v1/chat/completions", lambda route: route.abort())
    session.send("Nobody there")
    assert error() == "The server cannot be reached."
    session.page.unroute("**/v1/chat/completions")
    session.ask("Goes on", "yes")
    assert session.body.inner_text() == "yes"
    assert [each["content"] for each in session.last_request()["messages"]] == [
        "Busy", "Hello there.", "In the stream", "half", "Broken off", "half",
        "No message\n\nNobody there\n\nGoes on"]


def waits_for_a_server(session):
    session.tolerated = ("ERR_",)
    session.page.route("**/v1/models", lambda route: route.abort())
    session.load()
    assert session.page.inner_text("#welcome-title") == "The server does not answer."
    session.page.unroute("**/v1/models")
    session.page.get_by_role("button", name="Try again").click()
    session.wait_for_text("What would you like", "#welcome-title")


def scrolls_with_the_answer_unless_the_reader_does(session):
    session.ask("Long", *(f"line {i}\n\n" for i in range(100)))
    for i in range(4):  # messages out of view have estimated heights
        session.ask(f"Question {i}", *(f"line {i}\n\n" for i in range(15)), delay=0.01)
        assert session.at_end(), i
        assert not session.shows("#to-end")
    answer = session.server.will(Answer(["more\n\n"] * 500, delay=0.01))
    session.send("Longer", wait=False)
    session.wait_for_text("more\n\nmore")
    session.page.hover("#scroller")
    session.page.mouse.wheel(0, -600)
    session.page.wait_for_selector("#to-end:visible")
    top = session.page.evaluate("document.getElementById('scroller').scrollTop")
    session.page.wait_for_timeout(300)
    assert session.page.evaluate("document.getElementById('scroller').scrollTop") == top
    session.page.click("#to-end")
    session.page.wait_for_selector("#to-end", state="hidden")
    assert session.at_end()
    session.page.click("#stop")
    until(answer.left.is_set, "the connection was closed")


def stays_quick_in_a_long_conversation(session):
    session.page.goto(session.url + "assets/en.js")  # the same storage, without the page that saves
    session.page.evaluate("""() => {
        const answer = "An **answer** with `code`.\\n\\n- one\\n- two\\n\\n".repeat(5);
        const messages = [];
        for (let i = 0; i < 500; ++i) {
          messages.push({ role: "user", content: `Question ${i}` },
                        { role: "assistant", content: answer });
        }
        localStorage.setItem("tandem-conversation-chat", JSON.stringify(messages)); }""")
    start = time.monotonic()
    session.load()
    session.page.wait_for_selector(".answer.last")
    loading = time.monotonic() - start
    assert session.page.locator(".message").count() == 1000
    assert session.at_end()
    first = session.page.query_selector(".message")
    start = time.monotonic()
    session.ask("Now a long one", *(f"word{i} " for i in range(3000)))
    answering = time.monotonic() - start
    assert session.body.inner_text().endswith("word2999")
    assert session.page.evaluate("(node) => node.isConnected", first), "the page was made again"
    # Generous: the processor may be busy with other tests.
    assert loading < 20 and answering < 20, (loading, answering)


def exports_the_conversation(session):
    session.ask("Question", "An **answer**")
    session.page.click("#settings")
    with session.page.expect_download() as download:
        session.page.get_by_role("button", name="Export conversation").click()
    assert download.value.suggested_filename == "scripted-model.md"
    with open(download.value.path(), encoding="utf-8") as file:
        assert file.read() == "## You\n\nQuestion\n\n## Model\n\nAn **answer**\n"
    session.tool("Copy")
    assert session.page.evaluate("navigator.clipboard.readText()") == "An **answer**"
