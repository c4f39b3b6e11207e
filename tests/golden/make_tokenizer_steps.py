#!/usr/bin/env python3
"""Writes tests/golden/text/steps.json: every normalizer, pre_tokenizer, decoder and post_processor of tokenizer.json
that we read, around two tiny models of our own, and what the tokenizers library makes of some texts.

    pip install tokenizers==0.23.3 transformers sentencepiece
    tests/golden/make_tokenizer_steps.py
"""
import json

from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from make_text import CORPUS, HERE, random_ids

TEXTS = [
    "", " ", "Hello, world!  It's 12:30 \u2014 who's there?", "  two  spaces  \n\n\ttab ", "a-b--c", "-",
    "\u00c0 la carte, cafe\u0301, \ufb01ne \u2460 \u00bd \u212b \u0130stanbul \u03a3\u0391\u03a3",
    "\u4eca\u5929\u5929\u6c14\u5f88\u597d\uff0c\u6211\u4eec\u53bb\u516c\u56ed\u6563\u6b65\u3002", "f(x)=x**2+1; // `$a`<b>^|~",
    "\u2581already\u2581marked \u2581", "<s>Hello</s> world<s>", "x <mask> y<mask>z", "word wordy aword word",
    "\u3000wide\u00a0blank\u2028line\u0085next\u200bzero", "na\u200dive \u24b6b \u00b2\u00b3 \u2167 \u0663\u0664 _under_score_",
    "\U0001F642 caf\u00e9 \U0001F468\u200d\U0001F469", "12345 6 78\u00bd9", "Stra\u00dfe \u1e9e q\u0307\u0323",
]


def with_byte_level(*steps):
    last = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
    return {"type": "Sequence", "pretokenizers": [*steps, last]}


def sequence(name, *steps):
    return {"type": "Sequence", name: list(steps)}


def replace(pattern, content):
    return {"type": "Replace", "pattern": pattern, "content": content}


NORMALIZERS = [
    *({"type": name} for name in ("NFC", "NFD", "NFKC", "NFKD", "Lowercase")),
    *({"type": "Strip", "strip_left": left, "strip_right": right}
      for left, right in ((True, True), (True, False), (False, True))),
    sequence("normalizers", {"type": "NFD"}, {"type": "Lowercase"}, {"type": "StripAccents"}),
    replace({"String": "--"}, "\u2014"), replace({"Regex": r"\s{2,}"}, " "),
]
PREPEND = {"type": "Prepend", "prepend": "> "}
BEHAVIORS = ["Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"]
PRE_TOKENIZERS = [
    *({"type": "Split", "pattern": {"String": "-"}, "behavior": b, "invert": False} for b in BEHAVIORS),
    *({"type": "Split", "pattern": {"Regex": r"\w+|[^\w\s]"}, "behavior": b, "invert": True} for b in BEHAVIORS),
    *({"type": "Punctuation", "behavior": b} for b in BEHAVIORS),
    {"type": "CharDelimiterSplit", "delimiter": "-"},
    {"type": "Digits", "individual_digits": True}, {"type": "Digits", "individual_digits": False},
    {"type": "Whitespace"}, {"type": "WhitespaceSplit"},
]
METASPACE = [{"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": scheme, "split": split}
             for scheme in ("always", "first", "never") for split in (True, False)]
SPECIALS = {"<s>": {"id": "<s>", "ids": [0], "tokens": ["<s>"]}, "</s>": {"id": "</s>", "ids": [1], "tokens": ["</s>"]}}
TEMPLATE = {"type": "TemplateProcessing", "single": [
    {"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
    {"SpecialToken": {"id": "</s>", "type_id": 0}}], "pair": [{"Sequence": {"id": "A", "type_id": 0}},
                                                            {"Sequence": {"id": "B", "type_id": 1}}],
    "special_tokens": SPECIALS}
CLS = {"sep": ["</s>", 1], "cls": ["<s>", 0]}
ROBERTA = {"type": "RobertaProcessing", **CLS, "trim_offsets": True, "add_prefix_space": False}
POST_PROCESSORS = [
    TEMPLATE, ROBERTA, {"type": "BertProcessing", **CLS},
    sequence("processors", {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": False, "use_regex": True},
             TEMPLATE),
]
BYTE_LEVEL = {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}
LLAMA_DECODER = sequence("decoders", replace({"String": "\u2581"}, " "), {"type": "ByteFallback"}, {"type": "Fuse"},
                         {"type": "Strip", "content": " ", "start": 1, "stop": 0})


def added_tokens(first_id):
    flags = [("<s>", {"special": True}), ("</s>", {"special": True}),
             ("<mask>", {"special": True, "lstrip": True, "rstrip": True}),
             ("word", {"single_word": True, "normalized": True})]
    ids = [0, 1, first_id, first_id + 1]
    return [{"id": i, "content": content, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
             "special": False, **own} for i, (content, own) in zip(ids, flags)]


def train(tokenizer, vocab_size, alphabet):
    trainer = trainers.BpeTrainer(vocab_size=vocab_size, special_tokens=["<s>", "</s>", "<unk>"], show_progress=False,
                                  initial_alphabet=alphabet)
    tokenizer.train_from_iterator(CORPUS.strip().split("\n"), trainer)
    model = json.loads(tokenizer.to_str())["model"]
    model["merges"] = [m if isinstance(m, str) else " ".join(m) for m in model["merges"]]
    return model


def make_models():
    byte_level = Tokenizer(models.BPE())
    byte_level.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    characters = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True))
    characters.pre_tokenizer = pre_tokenizers.Metaspace()
    return {"byte_level": train(byte_level, 330, pre_tokenizers.ByteLevel.alphabet()),
            "characters": train(characters, 260, [])}


def cases():
    """model, parts and, where they are not the model's usual ones, added tokens."""
    plain = {"pre_tokenizer": with_byte_level(), "decoder": BYTE_LEVEL}
    for step in NORMALIZERS:
        yield "byte_level", {**plain, "normalizer": step}
    # Without added tokens: the reference decodes a normalized one with what its normaliser puts in front.
    yield "byte_level", {**plain, "normalizer": PREPEND}, []
    for step in PRE_TOKENIZERS:
        yield "byte_level", {**plain, "pre_tokenizer": with_byte_level(step)}
    yield "byte_level", {**plain, "pre_tokenizer": BYTE_LEVEL}
    for step in POST_PROCESSORS:
        yield "byte_level", {**plain, "post_processor": step}
    for step in METASPACE:
        yield "characters", {"pre_tokenizer": step, "decoder": {**step, "split": True}}
    yield "characters", {"normalizer": sequence("normalizers", {"type": "Prepend", "prepend": "\u2581"},
                                                replace({"String": " "}, "\u2581")), "decoder": LLAMA_DECODER}


def outcome(model, parts, added):
    document = {"version": "1.0", "truncation": None, "padding": None, "normalizer": None, "pre_tokenizer": None,
                "post_processor": None, "decoder": None, **parts, "added_tokens": added, "model": model}
    tokenizer = Tokenizer.from_str(json.dumps(document))
    ids = [tokenizer.encode(text).ids for text in TEXTS]
    ids += random_ids(tokenizer.get_vocab_size(), lambda i: i > 2)[:6]
    return {"ids": ids, "decoded": [tokenizer.decode(i, skip_special_tokens=True) for i in ids]}


def dump(value):
    return json.dumps(value, separators=(",", ":"))


def main():
    all_models = make_models()
    added = {name: added_tokens(len(model["vocab"])) for name, model in all_models.items()}
    rows = []
    for name, parts, *own in cases():
        row = {"model": name, "parts": parts, **({"added_tokens": own[0]} if own else {})}
        rows.append(dump({**row, **outcome(all_models[name], parts, *(own or [added[name]]))}))
    (HERE / "steps.json").write_text(
        f'{{"texts": {dump(TEXTS)},\n"models": {dump(all_models)},\n"added_tokens": {dump(added)},\n"cases": [\n' +
        ",\n".join(rows) + "\n]}\n")


if __name__ == "__main__":
    main()
