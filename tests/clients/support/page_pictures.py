"""Pictures of the page, in the states that matter, to be looked at."""

from page_session import Session
from scripted_chat_server import Answer, ScriptedServer

TEXTS = {
    "en": ("Write a function that counts the words of a file, please.", """<think>
A generator inside sum() will do.
</think>

Here is a **short one**. It reads line by line, so `large.txt` need not fit in memory:

```python
def count_words(path):
    with open(path, encoding="utf-8") as file:
        return sum(len(line.split()) for line in file)  # a comment that is wider than a telephone
```

## Notes

1. `split()` without an argument
   - takes *any* white space
   - drops empty words
2. The encoding is said; the default differs between systems

> Chinese text has no spaces: there it counts 你好，世界 as one word."""),
    "zh": ("请写一个统计文件字数的函数。", """<think>
逐行读取即可。
</think>

好的。下面的函数**逐行读取**，因此 `large.txt` 不必全部放进内存：

```python
def count_words(path):
    with open(path, encoding="utf-8") as file:
        return sum(len(line.split()) for line in file)  # 按空白分词
```

## 说明

1. 不带参数的 `split()`
   - 以*任意*空白分隔
   - 忽略空词
2. 编码写明为 UTF-8，因为各系统默认值不同

> 中文词之间没有空格，需要先分词。"""),
}
LOCALES = {"en": "en-US", "zh": "zh-CN"}


def take_pictures(browser, folder):
    folder.mkdir(parents=True, exist_ok=True)
    for language in TEXTS:
        for width, height in ((390, 844), (1440, 900)):
            for scheme in ("light", "dark"):
                take_states(browser, folder / f"{language}-{width}-{scheme}", {
                    "locale": LOCALES[language], "color_scheme": scheme, "has_touch": width < 500,
                    "is_mobile": width < 500, "viewport": {"width": width, "height": height}})
    print("pictures are in", folder)


def take_states(browser, prefix, context):
    session = Session(browser, ScriptedServer(), **context)
    language = prefix.name[:2]
    question, answer = TEXTS[language]

    def shoot(state):
        session.page.wait_for_timeout(200)  # fonts and transitions
        session.page.screenshot(path=f"{prefix}-{state}.png")

    shoot("1-welcome")
    session.ask(question, *(answer[i:i + 3] for i in range(0, len(answer), 3)), delay=0.005)
    shoot("2-answer")
    session.server.will(Answer(["…"] * 500, delay=0.01))
    session.send("…", wait=False)
    session.wait_for_text("……")
    shoot("3-streaming")
    session.page.click("#stop")
    session.wait_for_end()
    session.ask("?", status=429, message="the queue is full", retry_after=3)
    shoot("4-error")
    session.page.click("#settings")
    session.page.click("#panel summary")
    shoot("5-settings")
    session.page.click("#panel-close")
    session.server.key = "key"
    session.send("?", wait=False)
    session.page.wait_for_selector("#key-dialog[open]")
    shoot("6-key")
    session.server.key = None
    session.server.capabilities = ["completion"]
    session.load()
    shoot("7-completion")
    session.close()
