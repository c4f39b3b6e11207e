"""How answers are read and shown. Each function is a check."""

import re

from scripted_chat_server import Answer

HOSTILE = """<script>window.hacked = 1</script>
<img src=x onerror="window.hacked = 2">
[link](javascript:window.hacked=3) ![image](http://127.0.0.1:1/x.png)
<a href="javascript:window.hacked=4">a</a> <style>body{display:none}</style>
**<b onclick=x>bold</b>** `<i>code</i>`

# <svg onload=window.hacked=5>

- <iframe srcdoc="<script>parent.hacked=6</script>">

```html"><img src=x onerror=window.hacked=7>
</code></pre><script>window.hacked = 8</script>
```
"""

MARKDOWN = """# Title

A **bold** and *italic* line with `code` and snake_case_name,
second line.

2. two
   - inner
   - other
3. three

> quoted

---

```python
def f():
    return "*not italic*"
```

Last ~~~ line"""


def keeps_what_a_model_writes_as_text(session):
    session.ask("<img src=x onerror=window.hacked=9>", *HOSTILE)
    text = session.body.inner_text()
    for part in ("<script>window.hacked = 1</script>", 'onerror="window.hacked = 2">',
                 "[link](javascript:window.hacked=3)", '<a href="javascript:', "<style>body",
                 "<b onclick=x>bold</b>", "<i>code</i>", "<svg onload", "<iframe srcdoc",
                 "</code></pre><script>window.hacked = 8</script>"):
        assert part in text, part
    assert session.page.locator("#log :is(script, img, a, style, iframe, object, b, i)").count() == 0
    assert session.page.inner_text(".user .plain") == "<img src=x onerror=window.hacked=9>"
    assert session.page.evaluate("window.hacked") is None
    session.server.will(Answer([], status=400, message="<img src=x onerror=window.hacked=10>"))
    session.tolerated = ("status of 400",)
    session.send("error")
    assert session.page.inner_text(".error:visible") == "<img src=x onerror=window.hacked=10>"
    assert session.page.evaluate("window.hacked") is None


def shows_markdown(session):
    session.ask("Format", *re.findall("(?s).{1,3}", MARKDOWN))
    def html():
        return session.page.evaluate(
            """() => { const copy = document.querySelector(".answer.last .markdown").cloneNode(true);
                       for (const head of copy.querySelectorAll(".code-head button")) head.remove();
                       return copy.innerHTML; }""")
    assert html() == (
        "<h3>Title</h3>"
        "<p>A <strong>bold</strong> and <em>italic</em> line with <code>code</code> and "
        "snake_case_name,<br>second line.</p>"
        '<div class="list"><ol start="2"><li>two<ul><li>inner</li><li>other</li></ul></li>'
        "<li>three</li></ol></div>"
        "<blockquote>quoted</blockquote><hr>"
        '<div class="code"><div class="code-head"><span>python</span></div>'
        '<pre tabindex="0"><code>def f():\n    return "*not italic*"</code></pre></div>'
        "<p>Last ~~~ line</p>"), html()
    session.page.get_by_role("button", name="Copy the code").click()
    copied = session.page.evaluate("navigator.clipboard.readText()")
    assert copied == 'def f():\n    return "*not italic*"', copied


def shows_the_same_however_a_text_is_cut(session):
    """What grows in pieces ends as what is shown at once; and no input is slow."""
    result = session.page.evaluate("""async (texts) => {
      const { MarkdownView } = await import("/assets/markdown_view.js");
      const wrong = [];
      for (const text of texts) {
        const whole = new MarkdownView();
        whole.update(text);
        for (const step of [1, 2, 7]) {
          const view = new MarkdownView();
          for (let end = step; end < text.length + step; end += step) view.update(text.slice(0, end));
          if (view.element.innerHTML !== whole.element.innerHTML) wrong.push([step, text]);
        }
      }
      let slowest = 0;
      for (const piece of ["*", "_a", "`", "**a ", "- ", "> ", "#", "\\\\", "1. x\\n", "``` \\n"]) {
        const start = performance.now();
        new MarkdownView().update(piece.repeat(100000 / piece.length));
        slowest = Math.max(slowest, performance.now() - start);
      }
      return { wrong, slowest };
    }""", [MARKDOWN, HOSTILE, "a\n---x\nb\n\n- c\n\n  d\n* e\n1. f\n```", "``x ` y`` `z\n**a *b** c*",
           "- a\n  ```\n  code\n  ```\n- b\n\n\nc", "# \n#\n#a\n####### b", "\r\na\r\n\r\n```\r\nb\r\n"])
    assert result["wrong"] == [], result["wrong"]
    assert result["slowest"] < 3000, result["slowest"]


def reads_a_stream_that_is_cut_anywhere(session):
    text = "汉字，emoji 👩‍💻 and é"
    for cut_bytes in (1, 2, 3, 7):
        session.ask(f"Cut {cut_bytes}", text, " — ", text, cut_bytes=cut_bytes)
        assert session.body.inner_text() == f"{text} — {text}"
    events = session.page.evaluate("""async () => {
      const { SseParser } = await import("/assets/sse.js");
      const text = ": comment\\r\\ndata: a\\r\\n\\r\\nevent: x\\rdata:b\\rdata: c\\r\\r\\n" +
        "data\\n\\n\\n: d\\nid: 1\\n\\ndata: [DONE]\\n\\ndata: never ends";
      const all = [];
      for (let step = 1; step <= text.length; ++step) {
        const parser = new SseParser();
        const events = [];
        for (let at = 0; at < text.length; at += step) {
          events.push(...parser.push(text.slice(at, at + step)));
        }
        all.push(JSON.stringify(events));
      }
      return [...new Set(all)];
    }""")
    assert events == ['["a","b\\nc","","[DONE]"]'], events


def folds_thoughts(session):
    session.ask("Think", {"reasoning_content": "hm, "}, {"reasoning_content": "yes"}, "Answer.")
    assert session.page.locator(".thoughts:visible").count() == 1
    assert not session.shows(".thoughts .plain")
    session.page.get_by_text("Thoughts").click()
    assert session.page.inner_text(".thoughts .plain") == "hm, yes"
    assert session.body.inner_text() == "Answer."
    session.ask("Think again", *"<think>\nor so\n</think>\n\nAnother **answer**.")
    assert session.body.inner_text() == "Another answer."
    assert session.page.locator(".answer.last .thoughts .plain").text_content() == "or so"
    session.ask("And?", *"the start was in the prompt</think>Third.")
    assert session.body.inner_text() == "Third."
    session.ask("End")
    contents = [each["content"] for each in session.last_request()["messages"]]
    assert contents[1::2] == ["Answer.", "Another **answer**.", "Third."], contents
