#!/usr/bin/env python3
"""Writes tests/golden/text: tiny tokenizers of our own, and the ids that the reference
implementations give for a list of texts.

Needs transformers 4 (its LlamaTokenizer runs SentencePiece itself), tokenizers, sentencepiece:
    pip install 'transformers==4.57.1' sentencepiece protobuf
    tests/golden/make_text.py [DATA]
With DATA, a folder that has tokenizers/ and models/, ids of published tokenizers are written too; those
tokenizers are not part of the repository. No network is used.
"""
import io
import json
import pathlib
import random
import sys

import sentencepiece
from tokenizers import (AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers,
                        processors, trainers)
from transformers import GPT2Tokenizer, LlamaTokenizer, PreTrainedTokenizerFast, Qwen2Tokenizer

HERE = pathlib.Path(__file__).resolve().parent / "text"

CORPUS = """
The kettle sang on the stove while the rain went on and on over the roofs of the little town.
She said that nobody would come today, and he said that somebody always comes when the tea is ready.
They're late, I'm early, we've waited, it's 12:30, you'll see, he'd know, don't worry about that.
In the morning the baker carried 24 loaves, 365 rolls and 1000 crumbs to the market square.
A small boat drifted down the river; the boy in the boat counted the stones, the trees, the birds.
"Where are you going?" asked the girl. "To the sea," said the boy, "and then to the other sea."
for (int i = 0; i < count; ++i) { total += values[i] * weights[i]; }
def mean(values):
    if not values:
        return None
    return sum(values) / len(values)
今天天气很好，我们去公园散步。小鸟在树上唱歌，孩子们在草地上玩。
你好，世界！我是一个很小的语言模型，我会说一点中文，也会说一点英文。
春天的花开了，夏天的雨来了，秋天的叶落了，冬天的雪白了。
Über den Wolken ist die Freiheit grenzenlos; où est la bibliothèque? El niño comió una manzana.
Привет, мир! Сегодня хорошая погода, и мы идём гулять в парк.
こんにちは、世界。今日はとても良い天気ですね。
"""

# A string is encoded as UTF-8; bytes that are no UTF-8 are written as {"hex": ...}.
TEXTS = [
    "", " ", "  ", "   ", "\t", "\n", "\n\n", "\r\n", " \n ", "\t\tindented\n\n\n  text  \n",
    "Hello world", " Hello world", "  Hello  world  ", "Hello, world! How's it going?",
    "They're we've I'll he'd it'S DON'T", "Once upon a time, there was a little girl named Lily.",
    "1", "12", "123", "1234", "12345678901234567890", "3.14159 + 2,718 = 5.859", "w048 7tuijk dsdfhu",
    "今天天气很好，我们去公园散步。", "你好，世界！Hello 世界 123", "こんにちは、世界。", "안녕하세요 세계",
    "Привет, мир! Ещё раз.", "عربي مرحبا بالعالم", "हिन्दी में नमस्ते",
    "🙂", "🚀 (normal) 😶‍🌫️ (multiple emojis concatenated) ✅ 🦙.cpp", "👨‍👩‍👧‍👦🏳️‍🌈",
    "cafe\u0301 vs caf\u00e9", "A\u030a \u212b \u00c5", "\u1e9b\u0323", "q\u0307\u0323 q\u0323\u0307",
    "\ufb01 \u2460 \u00bd \u00b2", "e\u0301\u0301\u0301\u0301", "\uac00 \u1100\u1161",
    "a\u00a0b\u2003c\u3000d\u200be\u2028f\u0085g", "a\u180eb \ufeffc", "\u017fs 'ſ Kelvin \u212a",
    "for (int i = 0; i < n; ++i) {\n    total += values[i];\n}\n",
    "def f(x):\n\treturn x ** 2  # square\n\n\nclass A:\n    pass\n",
    "<s>", "</s>", "<unk>", "<s>Hello</s> world<s>", "a <s> b </s> c", "text</s>\n<s>[INST] hi [/INST]",
    "<|endoftext|>", "<|im_start|>user\nHello there<|im_end|>\n<|im_start|>assistant\n",
    "<|im_start|><|im_end|><|im_start", "a<|im_end|>b <|im_end|> c", "<tool_call>{\"name\": 1}</tool_call>",
    "x <mask> y<mask>z", "word wordy aword word", "<||im_end|>", "<|im_end|", "<0x0A> <0x41>",
    "\u2581already\u2581marked", "\u0120\u010a\u0100", "null\u0000byte", "\u0001\u0002\u007f",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "https://example.org/path?query=1&other=%20#fragment", "e-mail@example.com, C++20; \"quoted\" 'single'",
    "            deep            spaces            ", "\U0010ffff \ue000 \ufffd",
    b"\xff", b"abc\xc3", b"\xe4\xb8 broken \xe4\xb8\xad", b"\xf0\x9f\x99 \xf0\x9f\x99\x82", b"\xed\xa0\x80",
    b"\xc0\xaf\xe0\x80\xaf", b"ok \x80\x81\xfe\xff end", b"\xf4\x90\x80\x80",
]


def decoded_texts():
    return [t if isinstance(t, str) else t.decode("utf-8", errors="replace") for t in TEXTS]


def random_ids(size, allowed):
    rng = random.Random(7)
    pool = [i for i in range(size) if allowed(i)]
    return [[rng.choice(pool) for _ in range(rng.randint(1, 12))] for _ in range(24)]


def write_json(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = []
    for key, items in value.items():
        rows = ",\n".join(json.dumps(item, separators=(",", ":")) for item in items)
        lines.append(f"{json.dumps(key)}: [\n{rows}\n]")
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n")


def write_golden(name, encode, encode_special, decode, id_lists):
    """`special` repeats every eighth text with what the tokenizer adds; `random` are lists of any ids."""
    texts = decoded_texts()
    write_json(HERE / f"{name}.json", {
        "ids": [encode(t) for t in texts],
        "special": [[i, encode_special(texts[i])] for i in range(0, len(texts), 8)],
        "decoded": [decode(encode(t)) for t in texts],
        "random": id_lists,
        "random_decoded": [decode(ids) for ids in id_lists],
    })


def golden_of_fast(name, tokenizer):
    write_golden(name,
                 lambda t: tokenizer.encode(t, add_special_tokens=False).ids,
                 lambda t: tokenizer.encode(t).ids,
                 lambda ids: tokenizer.decode(ids, skip_special_tokens=True),
                 random_ids(tokenizer.get_vocab_size(), lambda i: True))


def save_tokenizer(directory, tokenizer, config, merges_as_pairs):
    directory.mkdir(parents=True, exist_ok=True)
    data = json.loads(tokenizer.to_str())
    merges = [m.split(" ") if isinstance(m, str) else m for m in data["model"]["merges"]]
    data["model"]["merges"] = merges if merges_as_pairs else [" ".join(m) for m in merges]
    (directory / "tokenizer.json").write_text(json.dumps(data, ensure_ascii=False, separators=(",", ":")))
    (directory / "tokenizer_config.json").write_text(json.dumps(config, indent=1) + "\n")


def train(tokenizer, vocab_size, special, alphabet):
    trainer = trainers.BpeTrainer(vocab_size=vocab_size, special_tokens=special, show_progress=False,
                                  initial_alphabet=alphabet)
    tokenizer.train_from_iterator(CORPUS.strip().split("\n"), trainer)


def make_byte_level():
    """As MiniMind: GPT-2's words, chat tokens, and one added token for each flag."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    train(tokenizer, 480, ["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
          pre_tokenizers.ByteLevel.alphabet())
    tokenizer.add_tokens([
        AddedToken("<tool_call>", special=False, normalized=False),
        AddedToken("</tool_call>", special=False, normalized=False),
        AddedToken("<mask>", special=True, lstrip=True, rstrip=True, normalized=False),
        AddedToken("word", special=False, single_word=True, normalized=True),
    ])
    golden_of_fast("byte_level", tokenizer)
    save_tokenizer(HERE / "byte_level", tokenizer,
                   {"bos_token": "<|im_start|>", "eos_token": {"content": "<|im_end|>"},
                    "add_bos_token": False, "tokenizer_class": "PreTrainedTokenizerFast"}, True)
    return tokenizer


LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
          r"|\s*[\r\n]+|\s+(?!\S)|\s+")


def make_llama3():
    """As Llama 3: its words, whole words first, and a template that adds bos."""
    tokenizer = Tokenizer(models.BPE(ignore_merges=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(LLAMA3), behavior="isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tokenizer.decoder = decoders.ByteLevel()
    train(tokenizer, 480, ["<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>"],
          pre_tokenizers.ByteLevel.alphabet())
    tokenizer.post_processor = processors.Sequence([
        processors.ByteLevel(trim_offsets=False),
        processors.TemplateProcessing(single="<|begin_of_text|> $A", pair="<|begin_of_text|> $A $B",
                                      special_tokens=[("<|begin_of_text|>", 0)])])
    golden_of_fast("llama3", tokenizer)
    save_tokenizer(HERE / "llama3", tokenizer,
                   {"bos_token": "<|begin_of_text|>", "eos_token": "<|eot_id|>",
                    "tokenizer_class": "PreTrainedTokenizerFast"}, False)


def make_prefix_space():
    """GPT-2's words with a space before the text, digits alone, NFC, and added tokens in it."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Replace("~", "-")])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=True)])
    tokenizer.decoder = decoders.ByteLevel()
    train(tokenizer, 420, ["<s>", "</s>"], pre_tokenizers.ByteLevel.alphabet())
    # Decomposed: the reference writes a precomposed one as bytes of the byte alphabet.
    tokenizer.add_tokens([AddedToken("cafe\u0301", special=False, normalized=True)])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 1)])
    golden_of_fast("prefix_space", tokenizer)
    save_tokenizer(HERE / "prefix_space", tokenizer, {"bos_token": "<s>", "eos_token": "</s>"}, True)


def make_character_level():
    """As Llama 2's tokenizer.json: characters, byte fallback, the dummy prefix by the normaliser."""
    tokenizer = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence([
        decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    train(tokenizer, 640, ["<unk>", "<s>", "</s>"] + [f"<0x{b:02X}>" for b in range(256)], [])
    data = json.loads(tokenizer.to_str())
    data["added_tokens"] = data["added_tokens"][:3]
    tokenizer = Tokenizer.from_str(json.dumps(data))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A $B", special_tokens=[("<s>", 1)])
    byte_ids = {tokenizer.token_to_id(f"<0x{b:02X}>") for b in range(256)}
    write_golden("character_level",
                 lambda t: tokenizer.encode(t, add_special_tokens=False).ids,
                 lambda t: tokenizer.encode(t).ids,
                 lambda ids: tokenizer.decode(ids, skip_special_tokens=True),
                 random_ids(tokenizer.get_vocab_size(), lambda i: i not in byte_ids))
    save_tokenizer(HERE / "character_level", tokenizer, {"bos_token": "<s>", "eos_token": "</s>"}, True)


def make_vocabulary_and_merges(tokenizer):
    """vocab.json and merges.txt with Qwen2's class: its words and NFC, tokens from the config."""
    directory = HERE / "qwen2_files"
    directory.mkdir(parents=True, exist_ok=True)
    model = json.loads(tokenizer.to_str())["model"]
    vocabulary = {token: index for index, token in
                  enumerate(t for t in sorted(model["vocab"], key=model["vocab"].get) if "<|" not in t)}
    (directory / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False, separators=(",", ":")))
    merges = [m if isinstance(m, str) else " ".join(m) for m in model["merges"]]
    (directory / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n")
    flags = {"lstrip": False, "rstrip": False, "single_word": False, "normalized": False, "special": True}
    added = {str(len(vocabulary) + i): {"content": name, **flags}
             for i, name in enumerate(["<|endoftext|>", "<|im_start|>", "<|im_end|>"])}
    (directory / "tokenizer_config.json").write_text(json.dumps(
        {"tokenizer_class": "Qwen2Tokenizer", "added_tokens_decoder": added, "bos_token": None,
         "eos_token": "<|im_end|>", "pad_token": "<|endoftext|>", "unk_token": None,
         "additional_special_tokens": ["<|im_start|>", "<|im_end|>"]}, indent=1) + "\n")
    golden_of_slow("qwen2_files", Qwen2Tokenizer.from_pretrained(str(directory)))


def golden_of_slow(name, tokenizer, allowed=lambda i: True):
    size = len(tokenizer)
    write_golden(name,
                 lambda t: tokenizer.encode(t, add_special_tokens=False),
                 lambda t: tokenizer.encode(t),
                 lambda ids: tokenizer.decode(ids, skip_special_tokens=True,
                                              clean_up_tokenization_spaces=False,
                                              spaces_between_special_tokens=False),
                 random_ids(size, allowed))


def golden_of_sentencepiece(name, model, legacy=True):
    """Ids by LlamaTokenizer, text by the library. Loose byte pieces are left out: the library writes
    one U+FFFD for a byte, we one for a maximal invalid part."""
    tokenizer = LlamaTokenizer(str(model), legacy=legacy)
    library = sentencepiece.SentencePieceProcessor(model_file=str(model))
    write_golden(name,
                 lambda t: tokenizer.encode(t, add_special_tokens=False),
                 lambda t: tokenizer.encode(t),
                 lambda ids: library.decode(ids),
                 random_ids(library.get_piece_size(), lambda i: not library.is_byte(i)))


def make_sentencepiece(name, **options):
    directory = HERE / name
    directory.mkdir(parents=True, exist_ok=True)
    model = io.BytesIO()  # not a file: its path would stand in the model
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(CORPUS.strip().split("\n")), model_writer=model,
        normalization_rule_name="identity", minloglevel=2, **options)
    (directory / "tokenizer.model").write_bytes(model.getvalue())
    (directory / "tokenizer_config.json").write_text(json.dumps(
        {"tokenizer_class": "LlamaTokenizer", "bos_token": "<s>", "eos_token": "</s>",
         "unk_token": "<unk>", "add_bos_token": True, "legacy": True}, indent=1) + "\n")
    golden_of_sentencepiece(name, directory / "tokenizer.model")


def golden_of_published(data):
    tokenizers = data / "tokenizers"
    for name in ("minimind", "minimind2"):
        golden_of_fast(f"published_{name}", Tokenizer.from_file(str(tokenizers / name / "tokenizer.json")))
    golden_of_slow("published_gpt2", GPT2Tokenizer(
        str(tokenizers / "gpt2/encoder.json"), str(tokenizers / "gpt2/vocab.bpe")))
    golden_of_slow("published_qwen2", Qwen2Tokenizer.from_pretrained(str(tokenizers / "qwen2")))
    golden_of_sentencepiece("published_mistral", tokenizers / "mistral/tokenizer.model")
    golden_of_sentencepiece("published_sentencepiece", tokenizers / "sentencepiece/test_model.model")
    golden_of_sentencepiece("published_stories260K", data / "models/stories260K/tokenizer.model")


def main():
    HERE.mkdir(parents=True, exist_ok=True)
    write_json(HERE / "texts.json",
               {"texts": [t if isinstance(t, str) else {"hex": t.hex()} for t in TEXTS]})
    byte_level = make_byte_level()
    make_llama3()
    make_prefix_space()
    make_character_level()
    make_vocabulary_and_merges(byte_level)
    make_sentencepiece("spm_bpe", model_type="bpe", vocab_size=640, byte_fallback=True,
                       remove_extra_whitespaces=False, character_coverage=0.98)
    make_sentencepiece("spm_unigram", model_type="unigram", vocab_size=480, byte_fallback=True,
                       remove_extra_whitespaces=True, character_coverage=0.98,
                       user_defined_symbols=["<|im_start|>", "<|im_end|>"])
    golden_of_sentencepiece("spm_bpe_not_legacy", HERE / "spm_bpe/tokenizer.model", legacy=False)
    if len(sys.argv) > 1:
        golden_of_published(pathlib.Path(sys.argv[1]))


if __name__ == "__main__":
    main()
