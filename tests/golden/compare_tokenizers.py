#!/usr/bin/env python3
"""Compares our tokenizers with the reference implementations, id by id, on a mixed corpus of 5 MB.

    pip install tokenizers sentencepiece==0.1.97
    tests/golden/compare_tokenizers.py DATA [--tandem-bench build/cpu/bin/tandem-bench] [--only NAME]

DATA/tokenizers holds published tokenizers, which are not part of the repository; DATA/pretrain and DATA/sft
texts (mixed_corpus.py). Each document is encoded alone, and then all of them as one text. Decoded text is
compared with the reference's and, where encoding loses nothing, with the document. The program itself checks that
the text is the same at every split of the stream. Ends with status 1 if anything differs.

sentencepiece should have the version of the library that we are linked with: where two unigram segmentations have
the same score, the rounding of sums decides, and that differs between 0.1 and 0.2.
"""
import argparse
import pathlib
import re
import subprocess
import sys
import tempfile

import sentencepiece
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

import mixed_corpus

QWEN = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
        r"|\s+(?!\S)|\s+")


class Fast:
    """The tokenizers library."""

    def __init__(self, tokenizer):
        self.tokenizer = tokenizer

    def encode(self, text):
        return self.tokenizer.encode(text, add_special_tokens=False).ids

    def decode(self, ids):
        return self.tokenizer.decode(ids, skip_special_tokens=False)

    def original(self, text):
        normalizer = self.tokenizer.normalizer
        return normalizer.normalize_str(text) if normalizer else text


class SentencePiece:
    """The sentencepiece library, and around it what LlamaTokenizer (legacy) does: special tokens in the text become
    their ids, and what lies between them is encoded for itself."""

    def __init__(self, path):
        self.processor = sentencepiece.SentencePieceProcessor(model_file=str(path))
        self.specials = {self.processor.id_to_piece(i): i for i in (
            self.processor.unk_id(), self.processor.bos_id(), self.processor.eos_id())}
        self.pattern = re.compile("(" + "|".join(map(re.escape, self.specials)) + ")")

    def encode(self, text):
        ids = []
        for part in self.pattern.split(text):
            ids += [self.specials[part]] if part in self.specials else self.processor.encode(part)
        return ids

    def decode(self, ids):
        has_specials = not set(self.specials.values()).isdisjoint(set(ids) - {self.processor.unk_id()})
        return None if has_specials else self.processor.decode(ids)  # it leaves them out

    def original(self, text):
        return None  # normalised, and unknown characters are lost


def from_files(vocabulary, merges, pattern, specials, normalizer=None):
    tokenizer = Tokenizer(models.BPE.from_file(str(vocabulary), str(merges)))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(pattern), behavior="isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]) if pattern else \
        pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    if normalizer:
        tokenizer.normalizer = normalizer
    tokenizer.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in specials])
    return tokenizer


def references(data):
    """name, our directory, their tokenizer."""
    root = data / "tokenizers"
    yield "gpt2", root / "gpt2", Fast(from_files(
        root / "gpt2/encoder.json", root / "gpt2/vocab.bpe", None, ["<|endoftext|>"]))
    yield "qwen2", root / "qwen2", Fast(from_files(
        root / "qwen2/vocab.json", root / "qwen2/merges.txt", QWEN, ["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
        normalizers.NFC()))
    for name in ("minimind", "minimind2"):
        yield name, root / name, Fast(Tokenizer.from_file(str(root / name / "tokenizer.json")))
    yield "mistral", root / "mistral", SentencePiece(root / "mistral/tokenizer.model")
    yield "sentencepiece", root / "sentencepiece", SentencePiece(root / "sentencepiece/test_model.model")


def prepare(directory, scratch):
    """sentencepiece's test model has another name than a model directory gives it."""
    if not (directory / "test_model.model").exists():
        return directory
    link = scratch / "sentencepiece_model"
    link.mkdir()
    (link / "tokenizer.model").symlink_to(directory / "test_model.model")
    return link


def first_difference(ours, theirs):
    at = next((i for i, (a, b) in enumerate(zip(ours, theirs)) if a != b), min(len(ours), len(theirs)))
    return f"token {at}: ours {ours[at:at + 6]}, theirs {theirs[at:at + 6]}"


def compare(name, ours, decoded, reference, texts):
    """How many texts differ; the first few are described."""
    differing = 0
    for index, (ids, streamed, text) in enumerate(zip(ours, decoded, texts)):
        theirs = reference.encode(text)
        problem = None
        if ids != theirs:
            problem = first_difference(ids, theirs)
        elif reference.decode(ids) not in (None, streamed):
            problem = "the decoded text is not the reference's"
        elif reference.original(text) not in (None, streamed):
            problem = "the decoded text is not the document's"
        if problem:
            differing += 1
            if differing <= 5:
                print(f"{name}: document {index}: {problem}", flush=True)
    return differing


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=pathlib.Path)
    parser.add_argument("--tandem-bench", type=pathlib.Path, default="build/cpu/bin/tandem-bench")
    parser.add_argument("--only")
    args = parser.parse_args()
    documents = mixed_corpus.documents(args.data)
    documents.append(b"".join(documents))
    texts = [document.decode("utf-8", "replace") for document in documents]
    print(f"{len(documents) - 1} documents, {len(documents[-1])} bytes; and once as one text")
    failed = False
    with tempfile.TemporaryDirectory() as name:
        scratch = pathlib.Path(name)
        paths = [scratch / f"{i}.txt" for i in range(len(documents))]
        for path, document in zip(paths, documents):
            path.write_bytes(document)
        for name, directory, reference in references(args.data):
            if args.only not in (None, name):
                continue
            out = scratch / name
            out.mkdir(exist_ok=True)
            subprocess.run([args.tandem_bench, "token-ids", "--model", prepare(directory, scratch), "--out", out,
                            "--text", *paths], check=True)
            ours = [list(map(int, (out / f"{i}.ids").read_text().split())) for i in range(len(texts))]
            decoded = [(out / f"{i}.txt").read_bytes().decode() for i in range(len(texts))]
            differing = compare(name, ours, decoded, reference, texts)
            failed |= differing > 0
            print(f"{name}: {sum(map(len, ours))} tokens, {differing} of {len(documents)} texts differ", flush=True)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
