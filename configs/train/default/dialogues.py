"""Conversations of several turns that are put together from the others, and memory of the chat."""

import knowledge
from grammar import chat

NAMES = """Anna Ben Carla David Emma Frank Gina Henry Iris Jonas Kim Liam Maria Nick Olga Peter Rosa Steve
Tina Victor Wendy Ali Mei Yuki Omar Sofia Tom Lucy Jack Nora""".split()
NAMES_ZH = "小明 小红 小华 小丽 小刚 小美 李雷 韩梅 王芳 张伟 小雨 小东".split()
LIKES = """cats|dogs|football|music|chess|painting|cooking|the sea|trains|stars|horses|old books|dancing|
gardening|swimming|apples|chocolate|rainy days|mountains|robots|birds|games""".replace(
    "\n", ""
).split(
    "|"
)
LIVES = (
    "Paris|London|Berlin|Beijing|Rome|a small village|Tokyo|Madrid|a big city|Cairo|the mountains"
    .split("|")
)


def turns_of(conversation):
    return [m["content"] for m in conversation if m["role"] != "system"]


def chained(rng, first, mains, last, systems):
    """A greeting or not, two main parts, thanks or not."""
    turns = []
    if rng.random() < 0.4:
        turns += turns_of(first(rng))[:2]
    for main in rng.sample(mains, rng.choice([1, 2, 2])):
        turns += turns_of(main(rng))
    if rng.random() < 0.4 or len(turns) < 4:
        turns += rng.choice(last)
    if len(turns) > 10 or sum(map(len, turns)) > 1500 or len(set(turns[::2])) < len(turns) // 2:
        return None
    return chat(*turns, system=rng.choice(systems) if rng.random() < 0.15 else None)


LAST_EN = [
    ("Thank you!", "You're welcome!"),
    ("Thanks, bye!", "Goodbye! Have a nice day!"),
    ("That's all for today.", "All right. It was nice to talk to you!"),
    ("Great, thanks.", "My pleasure!"),
    ("Thanks, that helps me a lot.", "I am glad that I could help!"),
    ("Good night!", "Good night! Sleep well!"),
    ("ok thanks", "You're welcome! Just ask if you need more."),
    ("I have to go now.", "See you soon! Take care!"),
]
LAST_ZH = [
    ("谢谢！", "不客气！"),
    ("好的，再见", "再见！祝你愉快。"),
    ("明白了", "很高兴能帮到你。"),
    ("谢谢你，晚安", "晚安，做个好梦！"),
]


def memory(rng):
    """Things that the user said about himself and asks for later."""
    name, like, place = rng.choice(NAMES), rng.choice(LIKES), rng.choice(LIVES)
    age = rng.randint(6, 70)
    hello = rng.choice(
        [
            f"Hi, my name is {name}.",
            f"Hello, I'm {name}.",
            f"I am {name}. Nice to meet you!",
            f"My name is {name}.",
            f"You can call me {name}.",
        ]
    )
    answer = rng.choice(
        [
            f"Nice to meet you, {name}! How can I help you?",
            f"Hello, {name}! What would you like to talk about?",
            f"Hi {name}! It is nice to meet you.",
            f"Hello {name}, I am Tandem. How are you?",
        ]
    )
    facts = [
        (
            rng.choice([f"I like {like}.", f"I really love {like}."]),
            rng.choice(
                [
                    "That sounds nice! What do you like about it?",
                    f"Oh, {like}! Tell me more.",
                    "How nice! Many people feel the same.",
                ]
            ),
            rng.choice(["What do I like?", "Do you remember what I like?"]),
            f"You like {like}.",
        ),
        (
            f"I live in {place}.",
            rng.choice(
                [
                    "That sounds like a nice place to live.",
                    "Do you like it there?",
                    "How is life there?",
                ]
            ),
            rng.choice(["Where do I live?", "Do you remember where I live?"]),
            f"You live in {place}.",
        ),
        (
            f"I am {age} years old.",
            rng.choice(["Thank you for telling me.", "That is a good age!", "Nice!"]),
            "How old am I?",
            f"You are {age} years old.",
        ),
    ]
    turns = [hello, answer]
    fact = rng.choice(facts)
    if rng.random() < 0.7:
        turns += [fact[0], fact[1]]
    questions = [
        (
            rng.choice(["What is my name?", "Do you remember my name?", "What's my name?"]),
            rng.choice([f"Your name is {name}.", f"You told me that your name is {name}."]),
        )
    ]
    if len(turns) > 2:
        questions.append((fact[2], fact[3]))
    if rng.random() < 0.3:
        topic = rng.choice(knowledge.EN)
        turns += [knowledge.ask_en(rng, topic), " ".join(knowledge.some_facts(rng, topic[3], 1, 2))]
    turns += rng.choice(questions)
    return chat(*turns)


def memory_zh(rng):
    name = rng.choice(NAMES_ZH)
    like = rng.choice("猫 狗 足球 音乐 画画 做饭 看书 旅行 游泳 唱歌".split())
    turns = [
        rng.choice([f"你好，我叫{name}。", f"我是{name}", f"我的名字是{name}。"]),
        rng.choice([f"你好，{name}！很高兴认识你。", f"{name}，你好！有什么可以帮你的吗？"]),
    ]
    if rng.random() < 0.6:
        turns += [
            f"我喜欢{like}。",
            rng.choice(["听起来很不错！", f"{like}很有意思，你喜欢多久了？", "真好！"]),
        ]
        if rng.random() < 0.5:
            return chat(*turns, "我喜欢什么？", f"你喜欢{like}。")
    return chat(
        *turns,
        rng.choice(["我叫什么名字？", "你还记得我的名字吗？"]),
        rng.choice([f"你叫{name}。", f"你的名字是{name}。"]),
    )
