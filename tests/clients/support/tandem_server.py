"""A `tandem serve` for client scripts: a running one by --url, or one of its own by --tandem."""

import argparse
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[3]
SKIPPED = 77  # what ctest takes for it

# Each message's role and text; the tokenizer drops what is no letter.
TEMPLATE = ("{% for m in messages %}{{ m.role }} {{ m.content }} {% endfor %}"
            "{% if add_generation_prompt %}assistant {% endif %}")


def skip(why):
    print("SKIPPED:", why)
    sys.exit(SKIPPED)


def letter_tokenizer():
    """Characters are tokens: a..z, then the space. A real tokenizer.json, also for other readers."""
    vocab = {"<pad>": 0, "<s>": 1, "</s>": 2}
    vocab |= {chr(c): c - ord("a") + 3 for c in range(ord("a"), ord("z") + 1)} | {"\u0120": 29}
    special = [{"id": i, "content": name, "special": True, "single_word": False, "lstrip": False,
                "rstrip": False, "normalized": False}
               for name, i in (("<pad>", 0), ("<s>", 1), ("</s>", 2))]
    return {"version": "1.0", "added_tokens": special, "normalizer": None,
            "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "use_regex": True,
                              "trim_offsets": True},
            "post_processor": None,
            "decoder": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True,
                        "use_regex": True},
            "model": {"type": "BPE", "vocab": vocab, "merges": [], "dropout": None,
                      "unk_token": None, "continuing_subword_prefix": None,
                      "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False}}


def write_letter_model(directory):
    """A golden checkpoint with a tokenizer of letters and a chat template."""
    golden = ROOT / "tests/golden/models/llama"
    for name in ("config.json", "model.safetensors"):
        shutil.copy(golden / name, directory / name)
    (directory / "tokenizer.json").write_text(json.dumps(letter_tokenizer()))
    (directory / "tokenizer_config.json").write_text(json.dumps(
        {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>",
         "tokenizer_class": "PreTrainedTokenizerFast", "chat_template": TEMPLATE}))


class Server:
    """Started, with its base address in `url`, until the end of the block."""

    def __init__(self, tandem, *options, model=None):
        self.folder = tempfile.TemporaryDirectory()
        self.model = pathlib.Path(model) if model else pathlib.Path(self.folder.name) / "letters"
        if not model:
            self.model.mkdir()
            write_letter_model(self.model)
        command = [tandem, "serve", "--model", self.model, "--port", "0", "--threads", "1",
                   "--kv-cache-memory", "16MiB", *options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                        text=True)
        line = self.process.stdout.readline()
        found = re.search(r"ready on (https?://\S+) ", line)
        assert found, f"no ready line, but {line!r}"
        self.url = found[1]

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.process.terminate()
        self.process.wait(timeout=60)
        self.folder.cleanup()


class GivenServer:
    """One that runs already."""

    def __init__(self, url):
        self.url = url.rstrip("/")

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        pass


def parse_arguments(description):
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--url", help="of a running server, with a chat template and no key")
    where.add_argument("--tandem", help="the program, to start one with a tiny model")
    return parser.parse_args()


def server_of(arguments, *options):
    if arguments.url:
        return GivenServer(arguments.url)
    return Server(arguments.tandem, *options)
