"""The small language in which the hand-written material is kept, and what turns it into turns.

A text is parts joined by " ++ "; a part is alternatives joined by " | ", of which one is taken (an
empty alternative leaves the part out). {slots} are filled from a dictionary. The .txt files use it:

* question files: "[section]" lines, then entries "question | question => answer | answer ++ ...";
* topic files: "# name | category | forms", then one fact a line;
* plot files: "# plot", then one step a line.
"""

import re
from pathlib import Path

# (name, pronoun), for word problems and short scenes.
GIRLS_AND_BOYS = [
    (name, "she") for name in "Anna Mia Lucy Sara Emma Lily Nora Kate Amy Ella".split()
] + [(name, "he") for name in "Tom Ben Sam Max Leo Jack Tim Noah Paul Omar".split()]

HERE = Path(__file__).resolve().parent


def choose(rng, text):
    """One of the alternatives."""
    return rng.choice([a.strip() for a in re.split(r" ?\| ?", text)])


def expand(rng, text, slots=None, joiner=" "):
    """A whole text: one alternative of every part, slots filled, first letters put right."""
    parts = [choose(rng, part) for part in text.split(" ++ ")]
    return fill(joiner.join(part for part in parts if part), slots or {})


def fill(text, slots):
    """Fills {name}; {Name} is the same with a capital; "a" before a vowel becomes "an"."""

    def value(match):
        key = match.group(1)
        if key in slots:
            return str(slots[key])
        lower = key[0].lower() + key[1:]
        return capital(str(slots[lower])) if lower in slots else match.group(0)

    text = re.sub(r"\{(\w+)\}", value, text)
    text = re.sub(r"\b([Aa]) (?=[aeiou])(?!(?:uni|use|one|eu|ukulele|unicorn|uk))", r"\1n ", text)
    return re.sub(r" +([.,!?])", r"\1", re.sub(r" {2,}", " ", text)).strip()


def capital(text):
    return text[:1].upper() + text[1:]


def a(noun):
    return (
        "an " if noun[:1] in "aeiouAEIOU" and not noun.startswith(("uni", "one ")) else "a "
    ) + noun


def listed(words, last="and"):
    """ "a, b and c"."""
    words = [str(word) for word in words]
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + f" {last} " + words[-1]


def typed(rng, text):
    """The way people type: sometimes without the capital or the full stop, rarely both."""
    roll = rng.random()
    if roll < 0.10 and not text.startswith(("I ", "I'")):
        text = text[:1].lower() + text[1:]
    if 0.06 < roll < 0.20 and "\n" not in text:
        text = text.rstrip(".?!")
    return text


def typed_zh(rng, text):
    return text.rstrip("。？！") if rng.random() < 0.3 else text


def chat(*turns, system=None):
    """Turns of user and assistant by turns, as a conversation."""
    out = [{"role": "system", "content": system}] if system else []
    for index, turn in enumerate(turns):
        out.append({"role": "assistant" if index % 2 else "user", "content": turn.strip()})
    return out


def material_lines(name):
    for line in (HERE / name).read_text(encoding="utf-8").splitlines():
        if line.strip() and not line.startswith("//"):
            yield line.strip()


def load_questions(name):
    """section -> list of (questions, answer text)."""
    sections, now = {}, None
    for line in material_lines(name):
        if line.startswith("["):
            now = sections.setdefault(line.strip("[]"), [])
            continue
        questions, _, answer = line.partition(" => ")
        if not answer:
            raise ValueError(f"{name}: no answer in: {line}")
        now.append(([q.strip() for q in questions.split(" | ")], answer))
    return sections


def load_blocks(name):
    """(header, lines) of every block that a "# header" line opens."""
    blocks = []
    for line in material_lines(name):
        if line.startswith("# "):
            blocks.append((line[2:], []))
        else:
            blocks[-1][1].append(line)
    return blocks
