#!/usr/bin/env python3
"""Schemathesis tries all that /openapi.json promises and forbids, without an API key and with one.

    python tests/clients/schemathesis_run.py --tandem build/cpu/bin/tandem
    python tests/clients/schemathesis_run.py --url http://127.0.0.1:8000 [--api-key KEY] [-- -n 1000]

What stands behind `--` goes to `schemathesis run`. Needs `pip install schemathesis` beside this
Python; without it this says SKIPPED and ends with 77.
"""

import argparse
import os
import pathlib
import subprocess
import sys
import tempfile

SUPPORT = pathlib.Path(__file__).resolve().parent / "support"
sys.path.insert(0, str(SUPPORT))
from tandem_server import GivenServer, Server, skip  # noqa: E402

SCHEMATHESIS = pathlib.Path(sys.executable).parent / "schemathesis"
if not SCHEMATHESIS.exists():
    skip("the Python package schemathesis is not installed")

KEY = "a-key-of-this-test"


def arguments_of():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--url", help="of a running server with a chat template")
    where.add_argument("--tandem", help="the program, to start servers with a tiny model")
    parser.add_argument("--api-key", help="of the server of --url")
    parser.add_argument("more", nargs="*", help="for schemathesis run")
    return parser.parse_args()


def run(url, key, more):
    command = [SCHEMATHESIS, "--config-file", SUPPORT / "schemathesis.toml", "run", "--no-color",
               f"{url}/openapi.json", "--checks", "all",
               "--phases", "examples,coverage,fuzzing,stateful"]
    if key:
        command += ["--header", f"Authorization: Bearer {key}"]
    else:
        # The document describes a server with keys; one without lets everybody in.
        command += ["--exclude-checks", "ignored_auth"]
    environment = {**os.environ, "SCHEMATHESIS_HOOKS": "schemathesis_hooks",
                   "PYTHONPATH": str(SUPPORT), "PYTHONDONTWRITEBYTECODE": "1"}
    with tempfile.TemporaryDirectory() as folder:  # it keeps what it found where it is started
        return subprocess.run([*command, *more], env=environment, cwd=folder).returncode


def main():
    arguments = arguments_of()
    if arguments.url:
        with GivenServer(arguments.url) as server:
            sys.exit(run(server.url, arguments.api_key, arguments.more))
    failures = 0
    for key in (None, KEY):
        options = ["--max-num-seqs", "4"] + (["--api-key", key] if key else [])
        with Server(arguments.tandem, *options) as server:
            failures += run(server.url, key, arguments.more) != 0
    if failures:
        sys.exit(1)
    print("schemathesis: all passed")


if __name__ == "__main__":
    main()
