"""The dashboard: its arithmetic, what it shows of scripted metrics, and how it asks for them. Each
function is a check."""

import json
import math
import time

from page_session import Session, until

BOUNDS = (0.01, 0.1, 1.0)


class BoardSession(Session):
    """A tab with the dashboard."""

    def load(self):
        if not self.server.metrics:
            self.server.metrics = metrics()
        self.page.goto(self.url + "dashboard")
        self.page.wait_for_selector("#charts .card", state="attached")

    def run(self, module, expression):
        """`expression`, with `m` for the module."""
        return self.page.evaluate(f"import('/assets/{module}').then((m) => {expression})")

    def shows_text(self, selector, text):
        self.page.wait_for_function(
            "([selector, text]) => [...document.querySelectorAll(selector)]"
            ".some((each) => each.textContent.includes(text))", arg=[selector, text])

    def value(self, title, label):
        """What the legend of a chart says."""
        heading = self.page.get_by_role("heading", name=title, exact=True)
        card = self.page.locator(".card", has=heading)
        return card.locator("li", has_text=label).locator("output").inner_text()


def metrics(accepted=0, generated=0, latency=(0, 0, 0, 0), codes=None, state="closed", waiting=0,
            kv=0.0, cached=0, prompt=0, start=None):
    lines = ["# HELP tandem_requests_accepted_total Engine requests accepted.",
             "# TYPE tandem_requests_accepted_total counter",
             f"tandem_requests_accepted_total {accepted}",
             f"tandem_generation_tokens_total {generated}",
             f"tandem_prompt_tokens_total {prompt}",
             f"tandem_prefix_cache_hit_tokens_total {cached}",
             f"tandem_requests_waiting {waiting}", "tandem_requests_running 3",
             f"tandem_kv_usage_ratio {kv}",
             f"tandem_start_time_seconds {start or time.time() - 3725:.3f}",
             'tandem_model_info{model="a \\"quoted\\" model"} 1',
             'tandem_build_info{version="9.8.7"} 1']
    for each in ("closed", "open", "half_open"):
        lines.append(f'tandem_breaker_state{{state="{each}"}} {int(each == state)}')
    for bound, count in zip((*BOUNDS, "+Inf"), latency):
        lines.append(f'tandem_request_seconds_bucket{{le="{bound}"}} {count}')
    for code, count in (codes or {}).items():
        lines.append(f'tandem_http_requests_total{{code="{code}",route="/v1/completions"}} {count}')
    return "\n".join(lines) + "\n"


def reads_the_text_format(session):
    text = ("# HELP a_total Some\\nhelp.\n# TYPE a_total counter\n"
            'a_total{x="1",y="say \\"hi\\", {\\\\}\\n"} 3\na_total{x="2"} 4.5 1700000000000\n'
            "b 1e-05\nc{le=\"+Inf\"} +Inf\nd NaN\nvllm:e{} 7\n\nno sample here!\n")
    parsed = session.run("exposition.js", f"Object.fromEntries(m.parseMetrics({json.dumps(text)}))")
    assert parsed["a_total"] == [{"labels": {"x": "1", "y": 'say "hi", {\\}\n'}, "value": 3},
                                 {"labels": {"x": "2"}, "value": 4.5}], parsed
    assert parsed["b"][0]["value"] == 1e-05 and parsed["vllm:e"][0]["value"] == 7
    assert parsed["c"][0]["value"] == float("inf")
    assert math.isnan(parsed["d"][0]["value"])
    assert set(parsed) == {"a_total", "b", "c", "d", "vllm:e"}, parsed
    sums = session.run("exposition.js", f"""[m.total(m.parseMetrics({json.dumps(text)}), "a_total"),
        m.total(m.parseMetrics({json.dumps(text)}), "a_total", (labels) => labels.x === "2"),
        m.total(new Map(), "a_total")]""")
    assert sums == [7.5, 4.5, 0], sums


def counts_on_when_a_counter_begins_anew(session):
    grown = session.run("scrape_window.js",
                        "[m.increase(5, 8), m.increase(8, 8), m.increase(8, 3)]")
    assert grown == [3, 0, 3], grown
    window = """(before, after) => new m.ScrapeWindow(
        { time: 1000, metrics: new Map([["n", before]]) },
        { time: 5000, metrics: new Map([["n", after]]) })"""
    growth = session.run("scrape_window.js", f"""(() => {{ const window = {window};
        const of = (code, value) => ({{ labels: {{ code }}, value }});
        const grown = window([of("200", 10), of("500", 4)],
          [of("500", 1), of("200", 30), of("404", 2)]);
        return [grown.growth("n"), grown.growth("n", ({{ code }}) => code === "404"),
          grown.rate("n"), grown.growth("none"), grown.gauge("none"), grown.share("none", "none"),
          grown.gauge("n")]; }})()""")
    assert growth == [23, 2, 23 / 4, 0, None, None, 33], growth


def takes_percentiles_of_buckets(session):
    def quantile(share, *counts):
        buckets = [{"bound": b, "count": c} for b, c in zip((1, 2, 4), counts)]
        text = json.dumps(buckets)[:-1] + f", {{bound: Infinity, count: {counts[-1]}}}]"
        return session.run("scrape_window.js", f"m.quantile({share}, {text})")
    assert quantile(0.5, 0, 0, 0, 0) is None
    assert quantile(0.5, 10, 10, 10, 10) == 0.5, "evenly spread in the first bucket"
    assert quantile(0.5, 0, 10, 10, 10) == 1.5
    assert abs(quantile(0.9, 5, 10, 20, 20) - 3.6) < 1e-9
    assert quantile(0.99, 0, 0, 1, 10) == 4, "the last bound is all that is known"
    assert quantile(1, 1, 2, 3, 3) == 4
    deltas = session.run("scrape_window.js", """[
        m.bucketIncrease([{bound: 1, count: 5}, {bound: 2, count: 9}],
          [{bound: 1, count: 6}, {bound: 2, count: 19}]),
        m.bucketIncrease([{bound: 1, count: 5}, {bound: 2, count: 9}],
          [{bound: 1, count: 1}, {bound: 2, count: 3}]),
        m.bucketIncrease([], [{bound: 1, count: 2}])]""")
    assert deltas == [[{"bound": 1, "count": 1}, {"bound": 2, "count": 10}],
                      [{"bound": 1, "count": 1}, {"bound": 2, "count": 3}],
                      [{"bound": 1, "count": 2}]]


def draws_lines_with_gaps(session):
    points = [{"time": 0, "value": 1}, {"time": 1000, "value": 2}, {"time": 2000, "value": None},
              {"time": 3000, "value": 4}, {"time": 9000, "value": 0}]
    path = session.run("line_chart.js", f"m.pathOf({json.dumps(points)}, 0, 10000, 4)")
    assert path == "M0.0 150.0h0.1L100.0 100.0M300.0 0.0h0.1M900.0 200.0h0.1", path
    tops = session.run("line_chart.js",
                       "[0, 0.0003, 0.9, 1, 1.1, 3, 7, 23, 500, 501].map(m.roundTop)")
    assert [round(top, 9) for top in tops] == [1, 0.0005, 1, 1, 2, 5, 10, 50, 500, 1000], tops


def shows_what_the_metrics_say(session):
    session.shows_text("#uptime", "1 h 2 min")
    assert session.page.inner_text("#model") == 'a "quoted" model'
    assert session.page.inner_text("#version") == "9.8.7"
    assert session.page.inner_text("#breaker") == "closed: requests pass"
    assert session.shows("#errors-none")
    session.load()
    session.shows_text("#accepted", "0")
    # One scrape has seen zeros; what comes now came since then.
    session.server.metrics = metrics(accepted=100, generated=4000, latency=(0, 50, 100, 100),
                                     waiting=17, kv=0.25, prompt=1000, cached=400,
                                     state="half_open",
                                     codes={"200": 90, "503": 7, "404": 2, "499": 50})
    session.shows_text("#accepted", "100")
    session.shows_text("#breaker", "half-open")
    assert session.value("Whole request", "median") == "100 ms"
    assert session.value("Whole request", "95 %") == "910 ms"
    assert session.value("Time to the first token", "median") == "–"
    assert session.value("Queue and batch", "waiting") == "17"
    assert session.value("KV cache", "in use") == "25 %"
    assert session.value("Prefix cache and engine", "from the cache") == "40 %"
    rate = float(session.value("Tokens", "generated").removesuffix("/s").replace(",", ""))
    assert 600 <= rate <= 8000, rate
    rows = session.page.locator("#errors tr").all_inner_texts()
    assert rows == ["HTTP 499\t50", "HTTP 503\t7", "HTTP 404\t2"], rows
    line = session.page.locator(".card path.line").first.get_attribute("d")
    assert line.startswith("M"), line
    label = session.page.locator(".card svg").nth(1).get_attribute("aria-label")
    assert label.startswith("Tokens: generated "), label


def goes_on_after_a_restart(session):
    session.server.metrics = metrics(accepted=1000)
    session.shows_text("#accepted", "1,000")
    session.server.metrics = metrics(accepted=5, start=time.time() - 2)
    session.page.wait_for_function("() => document.getElementById('accepted').textContent === '5'")
    rate = session.value("Requests", "accepted")
    assert float(rate.removesuffix("/s")) <= 5, rate


def tells_an_open_breaker(session):
    session.server.metrics = metrics(state="open")
    session.shows_text("#breaker", "open: none pass")
    assert "open" in session.page.get_attribute("#breaker", "class")


def asks_for_the_key(session):
    session.tolerated = ("status of 401",)
    session.server.key = "secret"
    session.load()
    session.page.wait_for_selector("#key-dialog[open]")
    session.page.click("#key-cancel")
    session.page.get_by_role("button", name="Try again").click()
    session.page.fill("#key", "wrong")
    session.page.keyboard.press("Enter")
    session.shows_text("#key-text", "refused")
    session.page.fill("#key", "secret")
    session.page.keyboard.press("Enter")
    session.shows_text("#version", "9.8.7")
    assert session.page.locator("#notice:visible").count() == 0
    session.load()
    session.shows_text("#version", "9.8.7")


def says_that_the_server_is_away_and_goes_on(session):
    session.tolerated = ("status of 500", "ERR_")
    session.server.metrics = None
    session.shows_text("#notice", "out of order")
    session.page.route("**/metrics", lambda route: route.abort())
    session.shows_text("#notice", "does not answer")
    session.page.unroute("**/metrics")
    session.server.metrics = metrics(accepted=7)
    session.shows_text("#accepted", "7")
    assert session.page.locator("#notice:visible").count() == 0


def rests_while_nobody_looks(session):
    def become(hidden):
        session.page.evaluate(f"""() => {{
            Object.defineProperty(document, "hidden", {{ value: {hidden}, configurable: true }});
            document.dispatchEvent(new Event("visibilitychange")); }}""")
    until(lambda: session.server.num_scrapes >= 2, "it scrapes")
    become("true")
    session.page.wait_for_timeout(1200)  # one may be on its way
    before = session.server.num_scrapes
    session.page.wait_for_timeout(2500)
    assert session.server.num_scrapes == before
    become("false")
    until(lambda: session.server.num_scrapes > before, "it goes on")


def shows_what_is_under_the_pointer(session):
    session.server.metrics = metrics(waiting=9)
    session.page.wait_for_function("() => document.body.textContent.includes('waiting9')")
    frame = session.page.locator(".frame").nth(5)
    box = frame.bounding_box()
    session.page.mouse.move(box["x"] + 5, box["y"] + 5)
    assert session.value("Queue and batch", "waiting") == "–", "nothing was measured then"
    session.page.mouse.move(0, 0)
    assert session.value("Queue and batch", "waiting") == "9"


def speaks_chinese(session):
    session.shows_text("#uptime", "1 h")
    session.page.click("#language")
    assert session.page.inner_text(".card h2 >> nth=0") == "请求"
    assert session.page.inner_text("#uptime").startswith("1 小时")
    assert session.page.get_attribute("html", "lang") == "zh-CN"


def fits_a_telephone(session):
    session.open(viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True)
    session.shows_text("#version", "9.8.7")
    assert session.page.evaluate("document.documentElement.scrollWidth") <= 360
