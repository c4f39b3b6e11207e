#!/usr/bin/env python3
"""Models that go out to PyTorch and transformers, and come in from them, by `tandem-train export` and `import`.

    python tests/clients/transformers_models.py --tandem build/cpu/bin/tandem

Needs torch and transformers beside this Python; without them this says SKIPPED and ends with 77. The models are the
golden ones, so what PyTorch computes from the originals is known (tests/golden/README.md); MiniMind's own classes are
those of tests/golden/minimind_reference.py.
"""

import argparse
import json
import math
import pathlib
import pickle
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
GOLDEN = HERE.parent / "golden"
sys.path[:0] = [str(HERE / "support"), str(GOLDEN)]
from tandem_server import skip  # noqa: E402

try:
    import torch
    import transformers
    from safetensors.torch import load_file
except ImportError as error:
    skip(str(error))
import make_models  # noqa: E402
import make_pth  # noqa: E402

# Of the largest logit. fp32 in another order of sums; weights are the same bits.
TOLERANCE = 2e-5


class Commands:
    def __init__(self, tandem, folder):
        self.trainer = pathlib.Path(tandem).with_name("tandem-train")
        self.folder = folder

    def run(self, *arguments, fails=False):
        done = subprocess.run([self.trainer, *map(str, arguments)], text=True, capture_output=True, timeout=120)
        assert (done.returncode != 0) == fails, (arguments, done.stdout, done.stderr)
        return done.stderr if fails else done.stdout

    def export(self, model, name, *options):
        self.run("export", "--model", model, "--output", self.folder / name, *options)
        return self.folder / name

    def take_in(self, path, name, *options):
        self.run("import", "--from", path, "--output", self.folder / name, *options)
        return self.folder / name


def golden(name):
    return GOLDEN / "models" / name


def expected(name):
    """(prompt, logits) of the original model, twice."""
    file = load_file(golden(name) / "expected" / "model.safetensors")
    return [(file[f"prompt_{i}"].long(), file[f"logits_{i}"]) for i in range(2)]


def transformers_model(directory, dtype=torch.float32):
    return transformers.AutoModelForCausalLM.from_pretrained(
        directory, dtype=dtype, trust_remote_code=False, experts_implementation="eager")


def worst(name, logits_of):
    """The largest difference from the golden logits, over the largest logit."""
    worst_of_both = 0.0
    for prompt, logits in expected(name):
        with torch.no_grad():
            got = logits_of(prompt)
        worst_of_both = max(worst_of_both, float((got - logits).abs().max() / logits.abs().max()))
    assert worst_of_both < TOLERANCE, (name, worst_of_both)
    return worst_of_both


def minimind(name, state):
    model, _ = make_models.build(make_models.MODELS[name][0])
    model.load_state_dict({key: value.float() for key, value in state.items()}, strict=True)
    return model


def loads_what_is_exported(commands):
    """transformers, from our directory: dense models, mixtures, and MiniMind's as what they are to it."""
    for name in ("llama", "qwen2", "qwen3", "qwen3_moe", "qwen3_moe_mixed", "minimind3", "minimind3_moe", "minimind2"):
        directory = commands.export(golden(name), f"out-{name}")
        model = transformers_model(directory)
        difference = worst(name, lambda ids: model(ids[None], use_cache=False).logits[0])
        print(f"  {name:16} as {type(model).__name__:20} logits differ by {difference:.1e} of the largest")


def evaluates_the_same(commands):
    """Bits per byte of our engine and of transformers, from one exported directory."""
    texts = (GOLDEN / "evaluation" / "texts.txt").read_text(encoding="utf-8").strip("\n")
    for name in ("minimind2", "minimind3", "minimind3_moe"):
        directory = commands.export(golden(name), f"scored-{name}")
        for file in ("tokenizer.json", "tokenizer_config.json"):
            shutil.copy(GOLDEN / "evaluation" / file, directory / file)
        figures = commands.folder / f"{name}.json"
        commands.run("evaluate", GOLDEN / "evaluation" / "texts.txt", "--model", directory, "--dtype", "f32", "--json",
                     figures)
        ours = json.loads(figures.read_text())["models"][0]["texts"][0]["bits_per_byte"]
        tokenizer = transformers.AutoTokenizer.from_pretrained(directory)
        ids = [1, *tokenizer(texts, add_special_tokens=False).input_ids]
        with torch.no_grad():
            rows = transformers_model(directory, torch.float64)(torch.tensor([ids])).logits[0, :-1].log_softmax(-1)
        theirs = -float(rows[torch.arange(len(ids) - 1), torch.tensor(ids[1:])].sum())
        theirs /= math.log(2) * len(texts.encode())
        assert abs(ours - theirs) < 1e-5 * theirs, (name, ours, theirs)
        print(f"  {name:16} {ours:.7f} bits per byte, {theirs:.7f} in PyTorch")


def reads_our_pth(commands):
    """torch.load(weights_only=True), with exactly MiniMind's names, in its classes."""
    for name in ("minimind3", "minimind3_moe", "minimind2", "minimind2_moe"):
        generation = "minimind2" if name.startswith("minimind2") else "minimind"
        path = commands.export(golden(name), f"{name}.pth", "--format", generation, "--dtype", "f32")
        state = torch.load(path, weights_only=True)
        names = list(make_models.build(make_models.MODELS[name][0])[0].state_dict())
        assert sorted(state) == sorted(names), set(state) ^ set(names)
        assert state["lm_head.weight"].data_ptr() == state["model.embed_tokens.weight"].data_ptr()
        difference = worst(name, minimind(name, state))
        half = torch.load(commands.export(golden(name), f"{name}-half.pth", "--format", generation), weights_only=True)
        assert {value.dtype for value in half.values()} == {torch.float16}
        print(f"  {name:16} {len(state)} names, logits differ by {difference:.1e} of the largest")


def golden_state(name):
    model, _ = make_models.build(make_models.MODELS[name][0])
    stored = load_file(golden(name) / "model.safetensors")
    stored.setdefault("lm_head.weight", stored["model.embed_tokens.weight"])
    return {key: stored[key] for key in model.state_dict()}


def is_taken_in(commands):
    """.pth files as PyTorch writes them: under today's names, compiled, beside an optimiser, and of the first code."""
    for name, heads in (("minimind3", 2), ("minimind3_moe", 4), ("minimind2", 4), ("minimind2_moe", 3)):
        state = golden_state(name)
        dtype = state["lm_head.weight"].dtype
        forms = {"plain": state,
                 "compiled": {f"_orig_mod.{key}": value for key, value in state.items()},
                 "resume": {"model": state, "optimizer": {"state": {}, "param_groups": [{"lr": 1e-3}]}, "epoch": 1,
                            "step": 7, "world_size": 1, "wandb_id": None}}
        if name == "minimind2":
            tied = {key: value for key, value in state.items() if key != "lm_head.weight"}
            forms["first names"] = make_pth.first_form(tied, 8)
        for form, saved in forms.items():
            path = commands.folder / "saved.pth"
            torch.save(saved, path)
            directory = commands.take_in(path, f"in-{name}-{form}", "--num-attention-heads", heads, "--rope-theta", 1e6)
            read = load_file(directory / "model.safetensors")
            for key, value in read.items():
                assert value.dtype == dtype and torch.equal(value, state[key]), (name, form, key)
            assert set(state) - set(read) == {"lm_head.weight"}, (name, form)
        print(f"  {name:16} {', '.join(forms)}: the same bits")


def refuses_foreign_globals(commands):
    class Foreign:
        def __reduce__(self):
            return (print, ("this must not run",))

    path = commands.folder / "foreign.pth"
    torch.save({"model": golden_state("minimind2"), "extra": Foreign()}, path, pickle_module=pickle)
    said = commands.run("import", "--from", path, "--output", commands.folder / "foreign", fails=True)
    assert "print" in said and "must not run" not in said, said
    assert not (commands.folder / "foreign").exists()
    print("  " + said.strip().split("foreign.pth")[-1])


CHECKS = (loads_what_is_exported, evaluates_the_same, reads_our_pth, is_taken_in, refuses_foreign_globals)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tandem", required=True, help="the program; tandem-train lies beside it")
    tandem = parser.parse_args().tandem
    if not pathlib.Path(tandem).with_name("tandem-train").exists():
        skip("tandem-train is not built")
    for check in CHECKS:
        print(check.__name__)
        with tempfile.TemporaryDirectory() as folder:
            check(Commands(tandem, pathlib.Path(folder)))
    print(f"transformers {transformers.__version__}, torch {torch.__version__}: all passed")


if __name__ == "__main__":
    main()
