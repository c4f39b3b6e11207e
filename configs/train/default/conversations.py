"""Which kinds of conversations there are, how many of each, and the table about them."""

import json
import random

import cleared_sets
import code_snippets
import dialogues
import knowledge
import numbers_and_sums as sums
import story_chats
import story_maker
import story_zh
import words
from grammar import HERE, chat, expand, load_questions, typed, typed_zh


class Questions:
    """Turns a section of a question file into conversations."""

    def __init__(self, entries, lead_ins, type_like):
        self.entries, self.lead_ins, self.type_like = entries, lead_ins, type_like
        # An entry with more questions and more answers can be used more often.
        self.systems = knowledge.SYSTEMS_ZH if type_like is typed_zh else knowledge.IDENTITY_SYSTEMS
        self.weights = [min(len(q), 10) * max(1, answer.count("|")) ** 0.5 for q, answer in entries]

    def pair(self, rng):
        questions, answer = rng.choices(self.entries, self.weights)[0]
        joiner = "" if any("\u4e00" <= c <= "\u9fff" for c in answer) else " "
        text = answer.replace("\\n", "\n")
        joiner = "\n" if "\n" in text else joiner
        lead, question = rng.choice(self.lead_ins), rng.choice(questions)
        if lead.endswith(", ") and not question.startswith(("I ", "I'")):
            question = question[:1].lower() + question[1:]
        return self.type_like(rng, lead + question), expand(rng, text, joiner=joiner)

    def __call__(self, rng):
        system = rng.choice(self.systems) if rng.random() < 0.08 else None
        return chat(*self.pair(rng), system=system)


NO_LEAD = [""]
ASKING = [""] * 12 + [
    "I have a question. ",
    "Can you help me? ",
    "Please tell me: ",
    "Hi! ",
    "Hello. ",
    "One question: ",
    "Tandem, ",
    "Hey, ",
]
ASKING_ZH = [""] * 10 + ["请问，", "你好，", "我想问一下，", "帮我看看，", "问个问题："]


def kinds_of(made):
    """name -> (how many, maker). A maker gets a random generator and gives a conversation."""
    en = {
        name: Questions(
            entries, ASKING if name in ("identity", "unknown", "why", "advice") else NO_LEAD, typed
        )
        for name, entries in load_questions("questions_en.txt").items()
    }
    zh = {
        name: Questions(
            entries, NO_LEAD if name in ("smalltalk", "feelings", "fun") else ASKING_ZH, typed_zh
        )
        for name, entries in load_questions("questions_zh.txt").items()
    }

    def mixed(rng):
        mains = [
            knowledge.about_en,
            knowledge.more_en,
            words.skill,
            sums.plain_sum,
            en["why"],
            en["advice"],
            en["identity"],
            en["jokes"],
            en["riddles"],
            sums.word_problem,
            words.translation,
            en["poems"],
            en["feelings"],
            words.skill,
            sums.follow_up,
        ]
        return dialogues.chained(
            rng, en["smalltalk"], mains, dialogues.LAST_EN, knowledge.IDENTITY_SYSTEMS
        )

    def mixed_zh(rng):
        mains = [
            knowledge.about_zh,
            knowledge.more_zh,
            words.skill_zh,
            sums.sum_zh,
            zh["why"],
            zh["advice"],
            zh["identity"],
            zh["fun"],
            zh["feelings"],
        ]
        return dialogues.chained(
            rng, zh["smalltalk"], mains, dialogues.LAST_ZH, knowledge.SYSTEMS_ZH
        )

    kinds = {
        "identity": (1800, en["identity"]),
        "small talk": (2200, en["smalltalk"]),
        "feelings": (1700, en["feelings"]),
        "does not know": (1500, en["unknown"]),
        "why": (1900, en["why"]),
        "advice, comparisons, recipes": (2800, en["advice"]),
        "jokes": (330, en["jokes"]),
        "riddles": (240, en["riddles"]),
        "poems": (900, en["poems"]),
        "roleplay": (350, en["roleplay"]),
        "what is": (7500, knowledge.about_en),
        "what is, and more": (3500, knowledge.more_en),
        "is it": (700, knowledge.is_it_en),
        "difference": (1500, knowledge.two_en),
        "story asked for": (8000, story_chats.request),
        "story and follow-up": (2500, story_chats.request_and_more),
        "story gone on with": (1500, story_chats.go_on),
        "questions on a text": (3500, story_chats.reading),
        "questions on a story": (1500, story_chats.story_question),
        "words and grammar": (4200, words.skill),
        "translation": (1300, words.translation),
        "sums": (2600, sums.plain_sum),
        "word problems": (2500, sums.word_problem),
        "word problems, two turns": (1000, sums.follow_up),
        "comparing numbers": (1400, sums.comparing),
        "clock and money": (900, sums.clock_and_money),
        "code (en, zh)": (1200, code_snippets.snippet),
        "mixed turns": (4000, mixed),
        "memory of the chat": (1200, dialogues.memory),
        "identity (zh)": (1100, zh["identity"]),
        "small talk (zh)": (800, zh["smalltalk"]),
        "feelings (zh)": (700, zh["feelings"]),
        "does not know (zh)": (200, zh["unknown"]),
        "why (zh)": (1000, zh["why"]),
        "advice, comparisons (zh)": (1700, zh["advice"]),
        "jokes, riddles, poems (zh)": (350, zh["fun"]),
        "what is (zh)": (4500, knowledge.about_zh),
        "what is, and more (zh)": (1500, knowledge.more_zh),
        "story (zh)": (1600, story_zh.request),
        "sums (zh)": (1800, sums.sum_zh),
        "words (zh)": (900, words.skill_zh),
        "mixed turns (zh)": (1500, mixed_zh),
        "memory of the chat (zh)": (250, dialogues.memory_zh),
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
    return [
        line for line in (HERE / "prompts.txt").read_text(encoding="utf-8").splitlines() if line
    ]


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


def synthetic_texts():
    """Stories and expository paragraphs of our own, as plain text for pretraining."""
    rng = random.Random(41)
    texts = [story_maker.make_story(rng, story_chats.PLOTS) for _ in range(12500)]
    out = [f"{s['title']}\n{s['text']}" if rng.random() < 0.3 else s["text"] for s in texts]
    out += [story_zh.make_story(rng)[2] for _ in range(1500)]
    out += knowledge.plain_texts(rng)
    rng.shuffle(out)
    prompts = fixed_prompts()
    return [text for text in dict.fromkeys(out) if not any(p in text for p in prompts)]


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
                    pieces = [tuple(words[i : i + 4]) for i in range(len(words) - 3)]
                    total += len(pieces)
                    grams.update(pieces)
        lines.append(
            f"| {name} | {len(rows)} | {size // max(1, len(rows))} "
            f"| {100 * len(grams) // max(1, total)} % |"
        )
    return "\n".join(lines)


def is_chinese(text):
    return sum("\u4e00" <= c <= "\u9fff" for c in text) > 0.2 * len(text)
