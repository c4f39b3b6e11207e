"""Answers about the topics of topics_en.txt and topics_zh.txt, put together from their facts."""

import re

from grammar import capital, chat, material_lines, typed, typed_zh


def load_topics(name, fields):
    out = []
    for line in material_lines(name):
        parts = [part.strip() for part in line.split(" ; ")]
        out.append((*parts[:fields], parts[fields:]))
    return out


EN = load_topics("topics_en.txt", 3)
ZH = load_topics("topics_zh.txt", 2)
IDENTITY_SYSTEMS = [
    "You are Tandem, a helpful assistant.",
    "You are a friendly helper. Answer briefly.",
    "You are Tandem, a small and friendly language model.",
    "Answer in simple words.",
    "You are a patient teacher for children.",
    "You are a helpful assistant.",
]
SYSTEMS_ZH = ["你是Tandem，一个乐于助人的助手。", "请用简单的话回答。", "你是一个友好的助手。"]


def some_facts(rng, facts, least=2, most=4):
    """The first fact and some others in their order."""
    count = min(len(facts), rng.randint(least, most))
    picked = sorted(rng.sample(range(1, len(facts)), max(0, count - 1)))
    return [facts[0]] + [facts[i] for i in picked]


def joined(topic, facts):
    """Facts as running text; "They" right after "A dog is ..." becomes "Dogs"."""
    facts = list(facts)
    if len(facts) > 1 and facts[1].startswith("They ") and facts[0].startswith(("A ", "An ")):
        facts[1] = capital(topic[1]) + facts[1][4:]
    return " ".join(facts)


def ask_en(rng, topic):
    one, about, category, _ = topic
    if category == "person":
        forms = [
            f"Who was {one}?",
            f"Tell me about {one}.",
            f"What do you know about {one}?",
            f"Why is {one} famous?",
            f"who was {one}",
            f"Tell me who {one} was.",
        ]
    else:
        forms = [f"What is {one}?"] * 3 + [
            f"Tell me about {about}.",
            f"Explain {about} to me.",
            f"What do you know about {about}?",
            f"Can you tell me something about {about}?",
            f"Can you explain what {one} is?",
            f"Describe {one}.",
            f"What can you tell me about {about}?",
            f"Explain what {one} is.",
            f"I want to learn about {about}.",
            f"Explain to a child what {one} is.",
            f"Write a short paragraph about {about}.",
            f"what's {one}?",
            f"Teach me something about {about}.",
            f"I have to write about {about} for school. Can you help?",
            f"Give me some facts about {about}.",
            f"Please explain {about} in simple words.",
        ]
        if category == "job":
            forms += [f"What does {one} do?"] * 3 + [f"What is the job of {one}?"]
        if category in ("machine", "technology") and not about[0].isupper():
            forms += [f"How does {one} work?", f"What is {one} used for?"]
    lead = rng.choice([""] * 8 + ["Hi! ", "I have a question. ", "Please help me. "])
    return typed(rng, lead + rng.choice(forms))


def about_en(rng):
    topic = rng.choice(EN)
    system = rng.choice(IDENTITY_SYSTEMS) if rng.random() < 0.08 else None
    return chat(ask_en(rng, topic), joined(topic, some_facts(rng, topic[3])), system=system)


def more_en(rng):
    """What is ...? And then: tell me more, or a shorter answer, or thanks."""
    topic = rng.choice(EN)
    one, about, _, facts = topic
    first = facts[:2]
    rest = facts[2:]
    roll = rng.random()
    ask = ask_en(rng, topic)
    if roll < 0.55:
        return chat(
            ask,
            joined(topic, first),
            rng.choice(
                [
                    "Tell me more.",
                    "Can you tell me more?",
                    "More, please.",
                    "What else?",
                    "And what else do you know?",
                    f"Tell me more about {about}.",
                ]
            ),
            " ".join(rest),
        )
    if roll < 0.75:
        return chat(
            ask,
            joined(topic, facts),
            rng.choice(
                [
                    "Make it shorter, please.",
                    "In one sentence, please.",
                    "Can you say that in one sentence?",
                    "Shorter, please.",
                ]
            ),
            facts[0],
        )
    if roll < 0.9:
        other = rng.choice([t for t in EN if t[2] == topic[2] and t != topic])
        return chat(
            ask,
            joined(topic, some_facts(rng, facts)),
            rng.choice(
                [
                    f"And what about {other[1]}?",
                    f"And {other[1]}?",
                    f"Now tell me about {other[1]}.",
                ]
            ),
            joined(other, some_facts(rng, other[3])),
        )
    return chat(
        ask,
        joined(topic, first),
        rng.choice(["Thank you!", "Thanks, that helps.", "Interesting!"]),
        rng.choice(
            [
                "You're welcome! Do you want to know more?",
                "You're welcome!",
                "I'm glad you like it. Just ask if you want to know more.",
            ]
        ),
    )


def is_it_en(rng):
    """Questions whose answer is the kind of thing, with a wrong guess now and then."""
    names = {
        "animal": "an animal",
        "food": "a food or a drink",
        "country": "a place",
        "job": "a job",
        "sport": "a sport or a game",
        "machine": "a machine or a thing that people built",
    }
    topic = rng.choice([t for t in EN if t[2] in names and t[1] != "the Olympic Games"])
    true = rng.random() < 0.5
    kind = names[topic[2]] if true else rng.choice([n for c, n in names.items() if c != topic[2]])
    yes = "Yes" if true else "No"
    subject = topic[0]
    return chat(
        f"Is {subject} {kind}?",
        f"{yes}, {subject} is {'' if true else 'not '}{kind}. {topic[3][0]}",
    )


def two_en(rng):
    """The difference between two things of one category."""
    topic = rng.choice(
        [t for t in EN if t[2] in ("animal", "food", "machine", "job", "season", "sport")]
    )
    other = rng.choice([t for t in EN if t[2] == topic[2] and t != topic])
    form = rng.choice(
        [
            "What is the difference between {a} and {b}?",
            "Compare {a} and {b}.",
            "How is {a} different from {b}?",
            "Compare {a} with {b}, please.",
        ]
    )
    ask = form.replace("{a}", topic[0]).replace("{b}", other[0])
    one, two = some_facts(rng, topic[3], 1, 3), some_facts(rng, other[3], 1, 3)
    return chat(ask, joined(topic, one) + rng.choice([" ", "\n"]) + joined(other, two))


def ask_zh(rng, name, category):
    if category == "人物":
        forms = [f"{name}是谁？", f"介绍一下{name}。", f"你知道{name}吗？"]
    else:
        forms = [
            f"什么是{name}？",
            f"{name}是什么？",
            f"介绍一下{name}。",
            f"请解释一下{name}。",
            f"你知道{name}吗？",
            f"给我讲讲{name}。",
            f"说说{name}吧。",
            f"请用简单的话解释{name}。",
            f"我想了解{name}。",
            f"能告诉我什么是{name}吗？",
            f"关于{name}，你知道些什么？",
            f"简单介绍一下{name}。",
            f"请写一段关于{name}的话。",
        ]
        if category == "美食":
            forms += [f"{name}好吃吗？给我介绍一下。", f"{name}是什么样的？"]
        if name == "光合作用":
            forms += [
                "光合作用是怎么进行的？",
                "请说明光合作用的过程。",
                "植物怎么进行光合作用？",
                "光合作用的基本过程是什么？",
                "光合作用有什么用？",
            ] * 2
        if name == "机器学习":
            forms += [
                "机器学习是怎么回事？",
                "请用简单的话说说机器学习。",
                "机器学习有什么用？",
                "能解释一下机器学习吗？",
            ] * 2
    lead = rng.choice([""] * 8 + ["你好，", "请问，", "我想问一下，"])
    return typed_zh(rng, lead + rng.choice(forms))


def pick_zh(rng):
    # Topics with more facts come more often.
    return rng.choices(ZH, [len(t[2]) ** 2 for t in ZH])[0]


def about_zh(rng):
    name, category, facts = pick_zh(rng)
    system = rng.choice(SYSTEMS_ZH) if rng.random() < 0.06 else None
    return chat(ask_zh(rng, name, category), "".join(some_facts(rng, facts, 2, 4)), system=system)


def more_zh(rng):
    name, category, facts = pick_zh(rng)
    ask = ask_zh(rng, name, category)
    other = rng.choice([t for t in ZH if t[0] != name and t[1] == category] or ZH)
    roll = rng.random()
    if roll < 0.45 and len(facts) > 2:
        return chat(
            ask,
            "".join(facts[:2]),
            rng.choice(["还有呢？", "再多说一点。", "能说得详细一些吗？", "继续说吧。"]),
            "".join(facts[2:]),
        )
    if roll < 0.8:
        return chat(
            ask,
            "".join(some_facts(rng, facts)),
            rng.choice([f"那{other[0]}呢？", f"再说说{other[0]}吧。"]),
            "".join(some_facts(rng, other[2])),
        )
    if roll < 0.9:
        return chat(ask, "".join(facts), rng.choice(["说短一点。", "用一句话说。"]), facts[0])
    return chat(
        ask,
        "".join(facts[:3]),
        rng.choice(["谢谢你！", "明白了，谢谢。", "原来如此。"]),
        rng.choice(["不客气！还想知道什么吗？", "不用谢！", "很高兴能帮到你。"]),
    )


def plain_texts(rng):
    """Expository paragraphs for pretraining: each topic alone, and a few of one category together."""
    out = []
    for topics, field, joiner in ((EN, 3, " "), (ZH, 2, "")):
        for topic in topics:
            for _ in range(4):
                facts = some_facts(rng, topic[field], 2, 5)
                out.append(joined(topic, facts) if joiner else "".join(facts))
        for _ in range(2500 if joiner else 1200):
            first = rng.choice(topics)
            category = first[2] if joiner else first[1]
            same = [t for t in topics if (t[2] if joiner else t[1]) == category]
            several = rng.sample(same, min(len(same), rng.randint(2, 4)))
            texts = [(t, some_facts(rng, t[field], 2, 5)) for t in several]
            out.append("\n".join(joined(t, f) if joiner else "".join(f) for t, f in texts))
    return sorted(set(out))


def check_topics():
    for topic in EN:
        if len(topic[3]) < 4 or not all(re.search(r"[.\")]$", f) for f in topic[3]):
            raise ValueError(f"topic {topic[0]}: {topic[3]}")
        if capital(topic[3][0]) != topic[3][0]:
            raise ValueError(f"topic {topic[0]}: no capital")
    for topic in ZH:
        if not topic[2] or not all(f.endswith(("。", "”")) for f in topic[2]):
            raise ValueError(f"topic {topic[0]}")
