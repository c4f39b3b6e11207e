#!/usr/bin/env python3
"""GuideLLM's load on both OpenAI routes: no request fails, and both sides count the same tokens.

    python tests/clients/guidellm_run.py --tandem build/cpu/bin/tandem

Needs `pip install guidellm` (tried with 0.8.1) beside this Python, and PyTorch for its data loader;
without them this says SKIPPED and ends with 77.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parent / "support"))
from tandem_server import parse_arguments, server_of, skip  # noqa: E402

GUIDELLM = pathlib.Path(sys.executable).parent / "guidellm"
if not GUIDELLM.exists():
    skip("the command guidellm is not installed")
try:
    import torch  # noqa: F401
except ImportError:
    skip("PyTorch, which guidellm reads its data with, is not installed")

NUM_REQUESTS = 32
NUM_STREAMS = 4
PROMPT_TOKENS = 32
OUTPUT_TOKENS = 8


def benchmark(server, route, folder):
    """What guidellm reports of one run."""
    report = folder / "report.json"
    command = [
        GUIDELLM, "run", "--disable-console",
        "--backend", f"kind=openai_http,target={server.url},request_format={route}",
        "--profile", f"kind=concurrent,streams={NUM_STREAMS}",
        "--constraint", f"kind=max_requests,count={NUM_REQUESTS}",
        "--constraint", "kind=max_duration,seconds=120",
        "--tokenizer", f"kind=huggingface_auto,model={server.model}",
        "--data", f"kind=synthetic_text,prompt_tokens={PROMPT_TOKENS},output_tokens={OUTPUT_TOKENS}",
        "--output", f"kind=json,path={report}"]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    ran = subprocess.run(command, env=environment, text=True, capture_output=True, timeout=300)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    (only,) = json.loads(report.read_text())["benchmarks"]
    return only


def check(report, prompt_tokens):
    totals = report["scheduler_metrics"]["requests_made"]
    assert totals == {"successful": NUM_REQUESTS, "errored": 0, "incomplete": 0,
                      "total": NUM_REQUESTS}, totals
    # Its statistics leave out a few requests at the ends of the run.
    measured = report["requests"]["successful"]
    assert len(measured) >= NUM_REQUESTS // 2 and not report["requests"]["errored"], len(measured)
    for request in measured:
        assert request["output_tokens"] == OUTPUT_TOKENS, request
        assert prompt_tokens(request["prompt_tokens"]), request
        first, whole = request["time_to_first_token_ms"], request["request_latency"] * 1000
        # A random model may say nothing but special tokens: no text, and so no first piece of it.
        assert (0 < first <= whole) if request["output"] else first is None, request


def main():
    arguments = parse_arguments(__doc__)
    if not arguments.tandem:
        skip("guidellm reads the tokenizer of the model that --tandem serves")
    with server_of(arguments) as server, tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        check(benchmark(server, "/v1/completions", folder), lambda n: n == PROMPT_TOKENS)
        # The chat template adds words of its own.
        check(benchmark(server, "/v1/chat/completions", folder), lambda n: n > PROMPT_TOKENS)
    print(f"guidellm: {NUM_REQUESTS} requests on each route, none failed")


if __name__ == "__main__":
    main()
