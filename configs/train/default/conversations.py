"""Which kinds of conversations there are, how many of each, and the table about them."""

import json
import random

import cleared_sets
import numbers_and_sums as sums
import story_chats
from grammar import HERE, chat, expand, load_questions, typed, typed_zh


class Questions:
    """Turns a section of a question file into conversations."""

    def __init__(self, entries, lead_ins, type_like):
        self.entries, self.lead_ins, self.type_like = entries, lead_ins, type_like
        # An entry with more questions and more answers can be used more often.
        self.weights = [min(len(q), 10) * max(1, answer.count("|")) ** 0.5 for q, answer in entries]

    def pair(self, rng):
        questions, answer = rng.choices(self.entries, self.weights)[0]
        joiner = "" if any("\u4e00" <= c <= "\u9fff" for c in answer) else " "
        text = answer.replace("\\n", "\n")
        joiner = "\n" if "\n" in text else joiner
        return self.type_like(rng, rng.choice(self.lead_ins) + rng.choice(questions)), \
            expand(rng, text, joiner=joiner)

    def __call__(self, rng):
        return chat(*self.pair(rng))


NO_LEAD = [""]
ASKING = [""] * 12 + ["I have a question. ", "Can you help me? ", "Please tell me: ", "Hi! ", "Hello. ",
                      "One question: ", "Tandem, ", "Hey, "]
ASKING_ZH = [""] * 10 + ["请问，", "你好，", "我想问一下，", "帮我看看，", "问个问题："]


def kinds_of(made):
    """name -> (how many, maker). A maker gets a random generator and gives a conversation."""
    en = {name: Questions(entries, NO_LEAD if name in ("smalltalk", "feelings") else ASKING, typed)
          for name, entries in load_questions("questions_en.txt").items()}
    kinds = {
        "identity": (2200, en["identity"]), "small talk": (3000, en["smalltalk"]),
        "feelings": (2200, en["feelings"]), "does not know": (1600, en["unknown"]),
        "why": (2500, en["why"]), "jokes": (350, en["jokes"]), "riddles": (350, en["riddles"]),
        "poems": (700, en["poems"]),
        "story asked for": (9500, story_chats.request),
        "story and follow-up": (2500, story_chats.request_and_more),
        "story gone on with": (2000, story_chats.go_on),
        "questions on a text": (4500, story_chats.reading),
        "questions on a story": (1500, story_chats.story_question),
        "sums": (3500, sums.plain_sum), "word problems": (3000, sums.word_problem),
        "word problems, two turns": (1000, sums.follow_up), "comparing numbers": (1600, sums.comparing),
        "clock and money": (1200, sums.clock_and_money), "sums (zh)": (2200, sums.sum_zh),
    }
    return kinds


def generate(kinds, seed, share, seen):
    """kind -> distinct conversations, none of which is in `seen`, which grows."""
    out = {}
    for name, (count, maker) in kinds.items():
        rng = random.Random(f"{seed} {name}")
        wanted, kept, tries = max(1, int(count * share)), [], 0
        while len(kept) < wanted and tries < 20 * wanted + 200:
            tries += 1
            made = maker(rng)
            key = json.dumps(made, ensure_ascii=False).lower() if made else None
            if key and key not in seen:
                seen.add(key)
                kept.append(made)
        out[name] = kept
    return out


def fixed_prompts():
    return [line for line in (HERE / "prompts.txt").read_text(encoding="utf-8").splitlines() if line]


def has_prompt(conversation, prompts):
    text = "\n".join(turn["content"] for turn in conversation)
    return any(prompt in text for prompt in prompts)


def make_conversations(data, stories):
    """(kind -> training conversations, kind -> held-out ones)."""
    prompts = fixed_prompts()
    rng = random.Random(21)
    sets = cleared_sets.make_sets(data, rng)
    kept = [story_chats.retold(rng, title, text) for title, text, _ in stories]
    sets["children's stories by title"] = [c for c in kept if c]
    seen, train, held_out = set(), {}, {}
    for name, rows in sets.items():
        rows = unique([c for c in rows if not has_prompt(c, prompts)], seen)
        # Held-out rows go by their question, so that no other wording of it is trained on.
        is_held = [hash_of(c[0]["content"][-40:]) % 100 == 0 for c in rows]
        train[name] = [c for c, held in zip(rows, is_held) if not held]
        held_out[name] = [c for c, held in zip(rows, is_held) if held]
    kinds = kinds_of(train)
    made = generate(kinds, "train", 1.0, seen)
    other = generate(kinds, "held out", 0.01, seen)
    for name in kinds:
        train[name] = [c for c in made[name] if not has_prompt(c, prompts)]
        held_out[name] = [c for c in other[name] if not has_prompt(c, prompts)]
    return train, held_out


def unique(rows, seen):
    out = []
    for row in rows:
        key = json.dumps(row, ensure_ascii=False).lower()
        if key not in seen:
            seen.add(key)
            out.append(row)
    return out


def hash_of(text):
    value = 5381
    for byte in text.encode():
        value = (value * 33 + byte) % 4294967291
    return value


def table(kinds):
    """Markdown rows: kind, count, mean characters, share of distinct 4-grams in the answers."""
    lines = ["| kind | conversations | characters, mean | distinct 4-grams |", "|---|---|---|---|"]
    for name, rows in kinds.items():
        grams, total, size = set(), 0, 0
        for row in rows:
            for turn in row:
                size += len(turn["content"])
                if turn["role"] == "assistant":
                    text = turn["content"]
                    words = list(text) if is_chinese(text) else text.split()
                    pieces = [tuple(words[i:i + 4]) for i in range(len(words) - 3)]
                    total += len(pieces)
                    grams.update(pieces)
        lines.append(f"| {name} | {len(rows)} | {size // max(1, len(rows))} "
                     f"| {100 * len(grams) // max(1, total)} % |")
    return "\n".join(lines)


def is_chinese(text):
    return sum("\u4e00" <= c <= "\u9fff" for c in text) > 0.2 * len(text)
