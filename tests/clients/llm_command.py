#!/usr/bin/env python3
"""The `llm` command line on the server, by its extra-openai-models.yaml.

    python tests/clients/llm_command.py --tandem build/cpu/bin/tandem | --url http://127.0.0.1:8000

Needs `pip install llm` beside this Python; without it this says SKIPPED and ends with 77.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).parent / "support"))
from tandem_server import parse_arguments, server_of, skip  # noqa: E402

LLM = pathlib.Path(sys.executable).parent / "llm"
if not LLM.exists():
    skip("the command llm is not installed")


def main():
    with server_of(parse_arguments(__doc__)) as server, tempfile.TemporaryDirectory() as home:
        with urllib.request.urlopen(server.url + "/v1/models") as answer:
            model = json.load(answer)["data"][0]["id"]
        pathlib.Path(home, "extra-openai-models.yaml").write_text(
            f"- model_id: tandem\n  model_name: {model}\n  api_base: {server.url}/v1\n")
        environment = {**os.environ, "LLM_USER_PATH": home, "OPENAI_API_KEY": "none"}

        def llm(*arguments):
            return subprocess.run([LLM, *arguments], env=environment, check=True, text=True,
                                  capture_output=True, timeout=120).stdout

        options = ["-m", "tandem", "-o", "max_tokens", "8", "-o", "seed", "3"]
        streamed = llm("hello there", *options)
        assert streamed == llm("hello there", "--no-stream", *options), streamed
        usage = json.loads(llm("logs", "-n", "1", "--json"))[0]
        assert usage["input_tokens"] > 0 and 0 < usage["output_tokens"] <= 8, usage
        llm("and again", "-c", "-s", "be brief", *options)
    print("llm: all passed")


if __name__ == "__main__":
    main()
