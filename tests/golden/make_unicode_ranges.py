#!/usr/bin/env python3
"""Writes engine/text/unicode_ranges.cc: what the reference tokenizers take for letters and numbers, and which
characters their normal forms do not know yet.

    pip install tokenizers==0.23.3 unicodedata2==18.0.0
    tests/golden/make_unicode_ranges.py && clang-format -i engine/text/unicode_ranges.cc
"""
import pathlib

import unicodedata2
from tokenizers import Regex, normalizers, pre_tokenizers

OUT = pathlib.Path(__file__).resolve().parents[2] / "engine/text/unicode_ranges.cc"
CHARACTERS = [chr(c) for c in range(0x110000) if not 0xD800 <= c < 0xE000]
FORMS = {name: getattr(normalizers, name)() for name in ("NFC", "NFD", "NFKC", "NFKD")}

HEADER = """// Written by tests/golden/make_unicode_ranges.py from what the tokenizers library answers.

#include "engine/text/unicode_ranges.h"

namespace tandem {
"""


def matches(pattern):
    split = pre_tokenizers.Split(Regex(pattern), behavior="removed", invert=True)
    return {c for word, _ in split.pre_tokenize_str("".join(CHARACTERS)) for c in word}


def differs(name, text):
    return FORMS[name].normalize_str(text) != unicodedata2.normalize(name, text)


def unknown_to_normal_forms():
    """Their normal forms are those of Unicode 9; later characters stay where and what they are."""
    unknown = set()
    for c in CHARACTERS:
        if any(differs(name, c) for name in FORMS):
            unknown.add(c)
            # Its parts must not be composed either.
            unknown.add(unicodedata2.normalize("NFD", c)[0])
        marks = ("\u0345", "\u0334") if unicodedata2.combining(c) else ()
        if any(differs("NFD", text) for mark in marks for text in ("a" + c + mark, "a" + mark + c)):
            unknown.add(c)
    known = {c for c in unknown if unicodedata2.normalize("NFKD", c) == c and ord(c) < 0x300}
    return unknown - known


def ranges(characters):
    result = []
    for c in sorted(map(ord, characters)):
        if result and result[-1][1] == c - 1:
            result[-1][1] = c
        else:
            result.append([c, c])
    return result


def main():
    tables = {"Letter": matches(r"\p{L}"), "Number": matches(r"\p{N}"),
              "LaterThanNormalForms": unknown_to_normal_forms()}
    lines = [HEADER + "namespace {"]
    for name, characters in tables.items():
        rows = ", ".join(f"{{0x{first:X}, 0x{last:X}}}" for first, last in ranges(characters))
        lines.append(f"constexpr CharacterRange k{name}Table[] = {{{rows}}};")
    lines.append("}  // namespace")
    lines += [f"const std::span<const CharacterRange> k{name}Ranges(k{name}Table);" for name in tables]
    OUT.write_text("\n\n".join(lines) + "\n\n}  // namespace tandem\n")


if __name__ == "__main__":
    main()
