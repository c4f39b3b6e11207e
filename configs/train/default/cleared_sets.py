"""Conversations from the cleared instruction and dialogue sets, filtered and cut to size."""

import json
import re

from grammar import capital, chat

MAX_EN, MAX_ZH = 1400, 450
FOREIGN = re.compile(
    r"https?:|www\.|```|ChatGPT|OpenAI|Open ?Assistant|LAION|\bGPT|Alexa\b|\bSiri\b"
    r"|language model|\bAI\b|\bsex|suicid|porn|drug|\bkill|<[a-z]+>|人工智能助手"
    r"|语言模型|自杀|性侵|自残",
    re.I,
)


def fits(turns, limit):
    size = sum(len(turn) for turn in turns)
    return size <= limit and all(t.strip() for t in turns) and not FOREIGN.search("\n".join(turns))


def lines_of(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file if line.strip()]


def with_input(instruction, given):
    return f"{instruction.strip()}\n{given.strip()}" if given.strip() else instruction.strip()


def rasbt(sft):
    rows = json.loads((sft / "en_rasbt_instruction-data.json").read_text(encoding="utf-8"))
    turns = [(with_input(r["instruction"], r["input"]), r["output"]) for r in rows]
    return [chat(*t) for t in turns if fits(t, MAX_EN)]


def self_instruct(sft):
    out = []
    for name in ("en_self_instruct_seed_tasks.jsonl", "en_user_oriented_instructions.jsonl"):
        for row in lines_of(sft / name):
            for given in row["instances"]:
                turns = (with_input(row["instruction"], given["input"]), given["output"])
                if fits(turns, 1000) and len(given["output"]) > 3:
                    out.append(chat(*turns))
    return out


def best_reply(message, role):
    replies = [
        r
        for r in message["replies"]
        if r["role"] == role
        and r.get("lang") == "en"
        and not r.get("synthetic")
        and not r.get("deleted")
    ]
    return min(replies, key=lambda r: (r.get("rank") is None, r.get("rank") or 0), default=None)


def oasst(sft):
    """The best-ranked path of each tree, as far as it fits, and second-best first replies."""
    out = []
    for row in lines_of(sft / "en_oasst_100_tree.jsonl"):
        prompt = row["prompt"]
        if prompt.get("synthetic") or prompt.get("lang") != "en":
            continue
        for first in sorted(prompt["replies"], key=lambda r: r.get("rank") or 0)[:3]:
            if first.get("synthetic") or first.get("lang") != "en":
                continue
            turns, node = [prompt["text"], first["text"]], first
            while True:
                asked = best_reply(node, "prompter")
                answered = asked and best_reply(asked, "assistant")
                if not answered or not fits(turns + [asked["text"], answered["text"]], MAX_EN):
                    break
                turns += [asked["text"], answered["text"]]
                node = answered
            if fits(turns, MAX_EN):
                out.append(chat(*turns))
    return out


def sentence_from(rng, question, answer):
    """A whole-sentence answer to a question with a short one; None when no rule fits."""
    q = question.strip().rstrip("?").strip()
    short = answer.strip().rstrip(".")
    found = re.match(r"What is (\d+ [-+*/x] \d+)$", q)
    if found:
        return rng.choice(
            [f"{found[1]} = {short}.", f"{found[1]} is {short}.", f"The answer is {short}."]
        )
    found = re.match(r"What (is|was|are) (the .+)$", q)
    if found:
        verb, thing = found[1], found[2]
        if verb == "is" and thing.endswith(" called"):
            return f"It is called {short}."
        if re.match(r"To [a-z]", short):
            return capital(f"{thing} {verb} {short[0].lower() + short[1:]}.")
        if "difference between" in thing or len(short) > 60:
            return capital(f"{short}.")
        low = short if keeps_capital(short) else short[0].lower() + short[1:]
        return rng.choice(
            [
                capital(f"{thing} {verb} {low}."),
                capital(f"{low} {verb} {thing}."),
                f"It {verb} {low}." if verb != "are" else f"{capital(thing)} are {low}.",
            ]
        )
    found = re.match(
        r"(Who) (wrote|painted|invented|discovered|developed|proposed|led|won|was|is"
        r"|composed|founded|built|designed|created|formulated) (.+)$",
        q,
    )
    if found:
        if found[2] in ("was", "is") and len(short.split()) < 6:
            return f"{capital(short)} {found[2]} {found[3]}."
        if found[2] in ("was", "is"):
            return capital(f"{found[3]} {found[2]} {short[0].lower() + short[1:]}.")
        return capital(f"{short} {found[2]} {found[3]}.")
    found = re.match(
        r"In (?:what|which) year did (.+?) (end|begin|start|sink|fall|occur|happen)$", q
    )
    if found:
        past = {
            "end": "ended",
            "begin": "began",
            "start": "started",
            "sink": "sank",
            "fall": "fell",
            "occur": "occurred",
            "happen": "happened",
        }[found[2]]
        return rng.choice([capital(f"{found[1]} {past} in {short}."), f"It {past} in {short}."])
    found = re.match(r"What (?:is|are) (an? .+)$", q)
    if found and re.match(r"(An?|The|Words?|[A-Z][a-z]+s) ", short):
        return (
            capital(f"{found[1]} is {short[0].lower() + short[1:]}.")
            if short.startswith(("A ", "An ", "The "))
            else f"{short}."
        )
    found = re.match(
        r"(?:Which|What) (?!is |are |was |does |do |did )(.+?) "
        r"((?:is|was|are|were|has|have|had|can|[a-z]+s|built|ruled|won|led|became) .+)$",
        q,
    )
    if found and len(short) < 60 and not re.search(r"\b(do|does|did|would)\b", q):
        starts = "" if keeps_capital(short) or short.lower().startswith("the ") else "The "
        body = short if keeps_capital(short) else short[0].lower() + short[1:]
        if found[1].startswith(("organ", "gland", "part", "lobe", "bone", "muscle")):
            return capital(f"{starts}{body} {found[2]}.")
        return rng.choice([f"It is {body}.", f"The answer is {body}."])
    return f"{capital(short)}." if len(short.split()) > 5 else f"The answer is {short}."


def keeps_capital(text):
    """Names keep their capital: two capitalised words, digits, or a known single name."""
    words = text.split()
    return (
        len(words) > 1
        and all(w[:1].isupper() or w in ("of", "the", "and", "de") for w in words)
        or bool(re.match(r"[\dA-Z][\dA-Z(]", text))
        or text in NAMES
        or len(text) <= 2
        or (len(words) == 1 and text not in COMMON_SINGLE and text[:1].isupper() and text in NAMES)
    )


NAMES = set()
COMMON_SINGLE = set()


def qa_epic(sft, rng):
    rows = lines_of(sft / "en_qa_epic.jsonl")
    # A single-word answer to "capital of", "Which country/planet ..." or "Who" is a name.
    for row in rows:
        if re.search(
            r"capital|country|continent|planet|ocean|river|city|empire|war|Who|state|"
            r"language|god|element is named|month|explorer|civilization",
            row["question"],
        ):
            NAMES.add(row["answer"].strip())
    lead_ins = ["", "", "", "", "Quick question: ", "Can you tell me? ", "Quiz: ", "Do you know? "]
    out = []
    for row in rows:
        for _ in range(2):
            question = rng.choice(lead_ins) + row["question"]
            out.append(chat(question, sentence_from(rng, row["question"], row["answer"])))
    return [c for c in out if fits([m["content"] for m in c], MAX_EN)]


def kdconv(sft):
    """Each dialogue is cut into pieces of three exchanges, which begin with a question."""
    out = []
    for name in ("film", "music", "travel"):
        path = sft / f"zh_kdconv_{name}_dev.json"
        for dialogue in json.loads(path.read_text(encoding="utf-8")):
            says = [m["message"].strip() for m in dialogue["messages"]]
            turns = says[: len(says) // 2 * 2]
            while len(turns) > 2 and not fits(turns, MAX_ZH):
                turns = turns[:-2]
            if len(turns) > 8:
                turns = turns[:8]
            if len(turns) >= 4 and fits(turns, MAX_ZH):
                out.append(chat(*turns))
    return out


def smilechat(sft, rng, count):
    rows = lines_of(sft / "zh_smilechat_7000.jsonl")
    rng.shuffle(rows)
    out = []
    for row in rows:
        says = [m["content"].strip() for m in row["conversations"]]
        roles = [m["role"] for m in row["conversations"]]
        if roles[:2] != ["user", "assistant"]:
            continue
        turns = says[: len(says) // 2 * 2]
        while len(turns) > 2 and (len(turns) > 6 or sum(map(len, turns)) > 400):
            turns = turns[:-2]
        if fits(turns, 400) and len(turns) >= 4:
            out.append(chat(*turns))
        if len(out) == count:
            break
    return out


def make_sets(data, rng):
    """kind -> conversations."""
    sft = data / "sft"
    return {
        "set: instructions (rasbt)": rasbt(sft),
        "set: seed tasks": self_instruct(sft),
        "set: OpenAssistant": oasst(sft),
        "set: short questions": qa_epic(sft, rng),
        "set: KdConv (zh)": kdconv(sft),
        "set: SMILECHAT (zh)": smilechat(sft, rng, 2500),
    }
