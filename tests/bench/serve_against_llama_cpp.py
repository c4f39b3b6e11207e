#!/usr/bin/env python3
"""`tandem serve` beside llama.cpp's server on one machine, in alternating runs, with one load tester on the
same cores: the highest rate at which p95(e2e) < 500 ms holds, and output tokens a second in a closed loop.

    python tests/bench/serve_against_llama_cpp.py --tandem build/cpu/bin/tandem --llama DIR --model DIR \\
        --models DIR --output DIR [--rounds 2] [--duration 10] [--threads 2]

DIR --llama holds llama-server; --model is a Hugging Face directory of the 26M shape, --models holds the same as
26m-Q8_0.gguf and 26m-BF16.gguf. Requests have 8 tokens in, 50 out, greedy, streamed. Both servers get a
new process for each run. The results lie in --output: a JSON of each run, and pages with both histograms at the rate
that llama.cpp holds.
"""

import argparse
import contextlib
import pathlib
import re
import signal
import socket
import statistics
import subprocess
import time
import urllib.error
import urllib.request

WORKLOAD = """
api: completions
duration: 60s
warm-up: 2s
open-loop: {spacing: poisson, rate: 100}
requests:
  - name: short
    prompt: {tokens: 8}
    output: 50
    ignore-eos: true
    temperature: 0
"""
SLO = "p95(e2e)<500ms"
TYPES = [("int8", "Q8_0"), ("bfloat16", "BF16")]
USERS = [1, 8, 32, 128]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def server(command, port):
    """Its URL, once it is ready."""
    process = subprocess.Popen([str(part) for part in command], stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 60
        while True:
            with contextlib.suppress(urllib.error.URLError, OSError):
                if urllib.request.urlopen(url + "/v1/models", timeout=1).status == 200:
                    break
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"{command[0]} did not become ready")
            time.sleep(0.1)
        yield url
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def tandem(args, dtype, users):
    del users  # takes what comes
    port = free_port()
    return server([args.tandem, "serve", "--model", args.model, "--dtype", dtype, "--port", port,
                   "--threads", args.threads, "--log-level", "warning", "--max-num-seqs", 128], port)


def llama(args, quant, users):
    port = free_port()
    slots = 8 if users <= 8 else 32  # what was best of 8 and 32
    return server([args.llama / "llama-server", "-m", args.models / f"26m-{quant}.gguf", "--host",
                   "127.0.0.1", "--port", port, "-np", slots, "-c", 256 * slots, "-t",
                   args.threads, "-fa", "on", "--no-webui"], port)


def loadtest(args, *more):
    out = subprocess.run([str(part) for part in (args.tandem, "loadtest", *more)], check=True,
                         capture_output=True, text=True).stdout
    return out


def highest_rate(args, start, kind, name, first_rate):
    with start(args, kind, 1) as url:
        out = loadtest(args, "search", args.output / "short.yaml", "--url", url, "--slo", SLO,
                       "--first-rate", first_rate, "--duration", f"{args.duration}s", "--json",
                       args.output / f"{name}.json")
    found = re.search(r"highest rate\s+([\d.]+)", out)
    return float(found.group(1)) if found else 0.0


def closed_loop(args, start, kind, name, users):
    with start(args, kind, users) as url:
        out = loadtest(args, "run", args.output / "short.yaml", "--url", url, "--users", users,
                       "--duration", f"{args.duration}s", "--json", args.output / f"{name}.json")
    return float(re.search(r"([\d.,]+)/s out", out).group(1).replace(",", ""))


def at_rate(args, start, kind, name, rate):
    with start(args, kind, 1) as url:
        loadtest(args, "run", args.output / "short.yaml", "--url", url, "--rate", rate,
                 "--duration", f"{2 * args.duration}s", "--json", args.output / f"{name}.json")


def row(name, ours, theirs, unit):
    ratio = statistics.median(ours) / max(statistics.median(theirs), 1e-9)
    print(f"{name:<28}{statistics.median(ours):>10.1f}{statistics.median(theirs):>10.1f} {unit:<12}"
          f"{ratio:>6.1f}x   {ours} {theirs}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("tandem", "llama", "model", "models", "output"):
        parser.add_argument(f"--{name}", type=pathlib.Path, required=True)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--duration", type=int, default=10, help="seconds of each try")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)
    (args.output / "short.yaml").write_text(WORKLOAD)

    print(f"{'':<28}{'Tandem':>10}{'llama.cpp':>10}")
    for dtype, quant in TYPES:
        ours, theirs = [], []
        for i in range(args.rounds):
            ours.append(highest_rate(args, tandem, dtype, f"search-tandem-{dtype}-{i}", 100))
            theirs.append(highest_rate(args, llama, quant, f"search-llama-{quant}-{i}", 8))
        row(f"{dtype}, {SLO}", ours, theirs, "requests/s")
        rate = max(statistics.median(theirs), 1.0)
        names = [f"tandem-{dtype}", f"llama-{quant}"]
        at_rate(args, tandem, dtype, names[0], rate)
        at_rate(args, llama, quant, names[1], rate)
        loadtest(args, "compare", *(args.output / f"{name}.json" for name in names), "--html",
                 args.output / f"{dtype}.html")
        for users in USERS:
            ours, theirs = [], []
            for i in range(args.rounds):
                ours.append(closed_loop(args, tandem, dtype, f"loop-tandem-{dtype}-{users}-{i}", users))
                theirs.append(closed_loop(args, llama, quant, f"loop-llama-{quant}-{users}-{i}", users))
            row(f"{dtype}, {users} streams", ours, theirs, "tokens/s")


if __name__ == "__main__":
    main()
