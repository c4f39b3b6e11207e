#!/usr/bin/env python3
"""curl as people use it: streams, HEAD, OPTIONS, large bodies with Expect, HTTP/1.0, reuse.

    python tests/clients/curl.py --tandem build/cpu/bin/tandem | --url http://127.0.0.1:8000
"""

import json
import pathlib
import shutil
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent / "support"))
from tandem_server import parse_arguments, server_of, skip  # noqa: E402

if not shutil.which("curl"):
    skip("curl is not installed")


def curl(*arguments, body=None):
    """Standard output; a failure of curl itself is an error here."""
    command = ["curl", "-sS", "--max-time", "60", *arguments]
    if body is not None:
        command += ["-H", "Content-Type: application/json", "--data-binary", "@-"]
    return subprocess.run(command, input=body, capture_output=True, text=True, check=True).stdout


def main():
    with server_of(parse_arguments(__doc__)) as server:
        url = server.url
        ask = json.dumps({"messages": [{"role": "user", "content": "hello"}], "max_tokens": 5,
                          "stream": True})
        events = curl("-N", url + "/v1/chat/completions", body=ask).split("\n\n")
        assert events[-2:] == ["data: [DONE]", ""], events[-2:]
        assert all(json.loads(e.removeprefix("data: "))["choices"] for e in events[:-2])

        head = curl("--head", url + "/health")
        assert head.startswith("HTTP/1.1 200") and "ontent-" in head, head
        allow = curl("-i", "-X", "OPTIONS", url + "/v1/completions")
        assert "Allow: POST, OPTIONS" in allow, allow

        # Over a megabyte: curl asks with Expect: 100-continue before it sends.
        long = json.dumps({"prompt": "a" * 1_200_000, "add_special_tokens": False})
        answer = json.loads(curl(url + "/tokenize", body=long))
        assert answer["count"] > 0
        refused = json.loads(curl(url + "/v1/completions", body=long))
        assert refused["error"]["code"] == "context_length_exceeded", refused

        assert json.loads(curl("--http1.0", url + "/v1/models"))["object"] == "list"
        connects = curl("-w", "%{num_connects}\n", "-o", "/dev/null", url + "/health",
                        "-w", "%{num_connects}\n", "-o", "/dev/null", url + "/health")
        assert connects.split() == ["1", "0"], f"the connection is used again: {connects}"
        status = curl("-o", "/dev/null", "-w", "%{http_code}", url + "/nothing")
        assert status == "404", status
    print("curl: all passed")


if __name__ == "__main__":
    main()
