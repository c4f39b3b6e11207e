"""A mixed corpus of 5 MB for comparing tokenizers: prose, Chinese, code, emoji, scripts, whitespace, marks,
special tokens, invalid bytes. Always the same bytes for the same data and checkout. Used by
compare_tokenizers.py."""
import pathlib
import random
import unicodedata

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
DOCUMENT_BYTES = 20_000
SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<tool_call>", "</think>", "<|im_start", "<|", "|>"]
# First and last character of some scripts' letters.
SCRIPTS = [(0x61, 0x7A), (0xC0, 0x24F), (0x370, 0x3FF), (0x400, 0x4FF), (0x5D0, 0x5EA), (0x620, 0x64A),
           (0x904, 0x94D), (0xE01, 0xE4E), (0x1100, 0x11F9), (0x1780, 0x17D3), (0x3041, 0x30FE),
           (0x4E00, 0x9FA5), (0xAC00, 0xD7A3), (0x10330, 0x1034A), (0x1D400, 0x1D7FF), (0x20000, 0x2A6D6)]
EMOJI = ([chr(c) for c in range(0x1F300, 0x1F650)] + [chr(c) for c in range(0x1F680, 0x1F6C6)] +
         ["\U0001F468\u200D\U0001F469\u200D\U0001F467", "\U0001F3F3\uFE0F\u200D\U0001F308", "\u2764\uFE0F",
          "\U0001F1E8\U0001F1F3", "1\uFE0F\u20E3", "\U0001F44D\U0001F3FD"])
SPACES = [" ", "  ", "    ", "\n", "\n\n", "\r\n", "\t", "\u00a0", "\u3000", "\u2003", "\u2028", "\x85", "\x0b",
          "\x1c", "\u200b", "\ufeff", "\u180e"]
MARKS = [chr(c) for c in range(0x300, 0x370)] + ["\u0591", "\u064b", "\u093c", "\u094d", "\u3099", "\u302a"]


def words(rng, make, separators=(" ", " ", " ", ", ", ".\n", "\n\n", "")):
    """Words of `make` until a document is full."""
    parts, size = [], 0
    while size < DOCUMENT_BYTES:
        part = make() + rng.choice(separators)
        parts.append(part)
        size += len(part.encode())
    return "".join(parts)


def script_word(rng):
    first, last = rng.choice(SCRIPTS)
    return "".join(chr(rng.randint(first, last)) for _ in range(rng.randint(1, 9)))


def any_character(rng):
    while True:
        c = rng.choice((0x80, 0x800, 0x3000, 0x10000, 0x20000, 0x110000))
        c = chr(rng.randrange(c))
        if unicodedata.category(c) != "Cs":
            return c


def contraction(rng):
    return rng.choice(["I", "they", "IT", "don", "\u4ed6", "7", ""]) + rng.choice("''''\u2019") + rng.choice(
        ["s", "S", "\u017f", "t", "T", "re", "RE", "rE", "ve", "m", "M", "ll", "LL", "d", "x", "l", "r", "\u212a"])


def number(rng):
    return rng.choice([str(rng.randrange(10 ** rng.randint(1, 18))), "\u0663\u0664", "\u00bd", "\u2167", "\u4e09",
                       f"{rng.random():.6f}", f"0x{rng.randrange(1 << 32):08X}", "\u00b2\u00b3", "1e-5", "12:30"])


def made_documents(rng):
    """What no data has enough of, as text."""
    yield words(rng, lambda: rng.choice(EMOJI) * rng.randint(1, 3), ("", "", " ", "!", "\u4f60\u597d", "ok\n"))
    yield words(rng, lambda: script_word(rng))
    yield words(rng, lambda: any_character(rng), ("", "", "", " "))
    yield words(rng, lambda: rng.choice(SPACES) * rng.randint(1, 4), ("", "", "a", "B2", "!", "\u4e2d"))
    yield words(rng, lambda: rng.choice("aeAEnqo\uac00\u1100\u1161\u3042\u05d0") +
                "".join(rng.choice(MARKS) for _ in range(rng.randint(0, 6))))
    yield words(rng, lambda: contraction(rng))
    yield words(rng, lambda: number(rng))
    yield words(rng, lambda: "".join(rng.choice("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~\u3002\uff0c\u2026\u2014")
                                     for _ in range(rng.randint(1, 8))), ("", " ", "\n", "a"))
    yield words(rng, lambda: rng.choice(SPECIALS), ("", " ", "\n", "user", "\u4f60", " x "))
    yield words(rng, lambda: rng.choice("ab1 \n!\u4e2d") * rng.randint(1, 400), ("", " "))


def damaged(rng, text):
    """Bytes removed, changed and put in."""
    data = bytearray(text.encode())
    for _ in range(len(data) // 40):
        at = rng.randrange(len(data))
        if rng.random() < 0.3:
            del data[at]
        elif rng.random() < 0.5:
            data[at] = rng.randrange(256)
        else:
            data[at:at] = bytes(rng.choice((0x80, 0xBF, 0xC0, 0xC3, 0xE0, 0xE4, 0xED, 0xF0, 0xF4, 0xFF, 0xA0))
                                for _ in range(rng.randint(1, 3)))
    return bytes(data)


def pieces_of(paths, wanted_bytes, rng):
    """Documents cut from files: anywhere, and so through characters too."""
    files = [p.read_bytes() for p in paths]
    files = [f for f in files if len(f) > 1000]
    size = 0
    while size < wanted_bytes:
        data = rng.choice(files)
        begin = rng.randrange(max(1, len(data) - DOCUMENT_BYTES))
        yield data[begin:begin + DOCUMENT_BYTES]
        size += len(data[begin:begin + DOCUMENT_BYTES])


def documents(data):
    """A list of bytes, a little over 5 MB together."""
    rng = random.Random(11)
    pretrain, sft = data / "pretrain", data / "sft"
    english = [*sorted((pretrain / "en_books").iterdir()), pretrain / "wikitext2_valid.txt"]
    chinese = [pretrain / "zh_howtocook.md", sft / "alpaca_zh_demo.json", *sorted((pretrain / "zh_poetry").iterdir())]
    code = [p for room in ("kernels", "engine", "api", "tests/golden")
            for p in sorted((REPOSITORY / room).rglob("*")) if p.suffix in (".cc", ".h", ".cu", ".py")]
    result = [*pieces_of(english, 1_300_000, rng), *pieces_of(chinese, 1_300_000, rng),
              *pieces_of(code, 700_000, rng)]
    for _ in range(5):
        made = list(made_documents(rng))
        result += [text.encode() for text in made]
        result += [damaged(rng, text) for text in made[:3]]
    result += [damaged(rng, text.decode("utf-8", "replace")) for text in rng.sample(result, 25)]
    result += [rng.randbytes(DOCUMENT_BYTES) for _ in range(8)]
    rng.shuffle(result)
    return result
