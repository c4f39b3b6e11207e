"""Conversations around stories: asking for one, going on with one, questions about one."""

from grammar import a, capital, chat, fill, typed
from story_maker import (
    ANIMALS,
    BOYS,
    COLOURS,
    FOODS,
    GIRLS,
    PLACES,
    TOYS,
    load_plots,
    make_story,
    shorter,
)

PLOTS = load_plots("plots_en.txt")

ASK_ONE = [
    "Tell me a story about {a_kind}.",
    "Can you tell me a story about {a_kind}?",
    "Write a short story about {a_kind}.",
    "Please tell me a short story about {a_kind}.",
    "I would like a story about {a_kind}.",
    "Make up a story about {a_kind}.",
    "Could you write a little story about {a_kind}?",
    "A story about {a_kind}, please.",
    "tell me a bedtime story about {a_kind}",
    "Do you know a story about {a_kind}?",
    "Write a story with {a_kind} in it.",
    "Tell my child a story about {a_kind}.",
]
ASK_TWO = [
    "Tell me a story about {a_hero} and {a_pal}.",
    "Write a short story about {a_hero} and {a_pal}.",
    "Can you tell a story with {a_hero} and {a_pal}?",
    "A story about {a_hero} and {a_pal}, please.",
    "Make up a story about {a_hero} who meets {a_pal}.",
    "I want a story in which {a_hero} and {a_pal} become friends.",
]
ASK_NAME = [
    "Tell me a story about {a_hero} named {hero}.",
    "Write a story about {hero}, {a_trait}.",
    "Can you tell me a story about {a_hero} called {hero}?",
    "Tell a story about {hero} and {pal} the {palkind}.",
]
ASK_THEME = [
    "Tell me a story about {theme}.",
    "Write a short story about {theme}.",
    "Can you write a story about {theme}?",
    "I want to hear a story about {theme}.",
    "Please make up a story about {theme}.",
    "A short story about {theme}, please.",
]
ASK_PLACE = ["Tell me a story that happens at {place}.", "Write a short story set at {place}."]
ASK_ANY = [
    "Tell me a story.",
    "Can you tell me a story?",
    "Please tell me a bedtime story.",
    "Tell me a short story.",
    "I want to hear a story.",
    "Write me a story.",
    "Story time!",
    "Could you tell me a nice story before bed?",
    "Write a short story for children.",
    "Tell me something nice before I sleep.",
    "Read me a story, please.",
    "Make up a little story for me.",
]
LEADS = ["", "", "", "", "", "", "Sure! ", "Of course. ", "Here is a story.\n\n", "Gladly!\n\n"]


def request_and_story(rng):
    """(request, story) that belong together."""
    kind = rng.random()
    if kind < 0.36:
        who = rng.choice(ANIMALS + ["girl", "boy"] * 5)
        story = make_story(rng, PLOTS, hero_kind=who)
        slots = story["slots"]
        trait = slots["trait"] if rng.random() < 0.5 and slots["trait"] in story["text"] else ""
        ask = fill(rng.choice(ASK_ONE), {"a_kind": a(f"{trait} {who}".strip())})
    elif kind < 0.56:
        story = make_story(rng, PLOTS)
        slots = story["slots"]
        ask = fill(rng.choice(ASK_TWO), {"a_hero": a(slots["kind"]), "a_pal": a(slots["palkind"])})
    elif kind < 0.68:
        story = make_story(rng, PLOTS)
        slots = story["slots"]
        ask = fill(
            rng.choice(ASK_NAME),
            {
                **slots,
                "a_hero": a(slots["kind"]),
                "a_trait": a(f"{slots['trait']} {slots['kind']}"),
            },
        )
    elif kind < 0.85:
        story = make_story(rng, PLOTS)
        ask = fill(rng.choice(ASK_THEME), {"theme": story["theme"]})
    elif kind < 0.91:
        story = make_story(rng, PLOTS)
        for _ in range(20):
            if story["slots"]["place"] in story["text"]:
                break
            story = make_story(rng, PLOTS)
        ask = fill(rng.choice(ASK_PLACE), story["slots"])
    else:
        story = make_story(rng, PLOTS)
        ask = rng.choice(ASK_ANY)
    return typed(rng, capital(ask)), story


def told(rng, story):
    titled = rng.random() < 0.12
    return (f"{story['title']}\n\n" if titled else rng.choice(LEADS)) + story["text"]


def request(rng):
    ask, story = request_and_story(rng)
    return chat(ask, told(rng, story))


def request_and_more(rng):
    """A story and a follow-up about it."""
    ask, story = request_and_story(rng)
    slots = story["slots"]
    kind = rng.randrange(6)
    if kind == 0:
        return chat(
            ask,
            told(rng, story),
            rng.choice(
                [
                    "Make it shorter, please.",
                    "Can you tell it shorter?",
                    "Shorter, please.",
                    "Can you summarize it?",
                    "That is too long. Make it shorter.",
                ]
            ),
            shorter(rng, story),
        )
    if kind == 1:
        return chat(
            ask,
            told(rng, story),
            rng.choice(
                [
                    "What is the moral of the story?",
                    "What do we learn from it?",
                    "And what is the lesson?",
                ]
            ),
            rng.choice(
                [
                    "The story tells us this: ",
                    "The lesson is about {m}. ",
                    "It is a story about {m}. ",
                ]
            ).replace("{m}", story["plot"]["moral"])
            + story["parts"][-1],
        )
    if kind == 2:
        ask2, other = rng.choice(
            [
                "Tell me another one.",
                "One more, please!",
                "Another story, please.",
                "That was nice. Do you have another one?",
            ]
        ), make_story(rng, PLOTS)
        return chat(ask, shorter(rng, story), ask2, told(rng, other))
    if kind == 3:
        return chat(
            ask,
            told(rng, story),
            rng.choice(["Who is the main character?", "What is the hero called?"]),
            f"The main character is {slots['hero']}, {a(slots['kind'])}.",
        )
    if kind == 4:
        return chat(
            ask,
            told(rng, story),
            rng.choice(["Can you give it a title?", "What is a good title for it?"]),
            rng.choice([f'A good title is "{story["title"]}".', f'How about "{story["title"]}"?']),
        )
    return chat(
        ask,
        told(rng, story),
        rng.choice(
            [
                "I like it!",
                "That was a nice story.",
                "Thank you, how lovely!",
                "My son loved it, thanks.",
            ]
        ),
        rng.choice(
            [
                f"I am glad that you like {slots['hero']}. Would you like to hear another story?",
                "Thank you! I enjoyed telling it.",
                "You're welcome! Just ask if you want another one.",
                f"Thank you! {slots['hero']} would be happy to hear it.",
            ]
        ),
    )


def go_on(rng):
    """The beginning is given, the rest is the answer."""
    story = make_story(rng, PLOTS)
    cut = rng.randint(2, 4)
    begin, rest = " ".join(story["parts"][:cut]), " ".join(story["parts"][cut:])
    ask = rng.choice(
        [
            "Continue this story: {b}",
            "Go on with this story: {b}",
            "{b}\n\nHow does it go on?",
            "Please finish this story.\n\n{b}",
            "What happens next? {b}",
            "Here is the beginning of a story: {b} Please continue.",
        ]
    )
    return chat(ask.replace("{b}", begin), rest)


VERBS = [
    ("found", "find"),
    ("lost", "lose"),
    ("bought", "buy"),
    ("saw", "see"),
    ("hid", "hide"),
    ("carried", "carry"),
    ("dropped", "drop"),
    ("painted", "paint"),
    ("made", "make"),
]
EATING = [("ate", "eat"), ("cooked", "cook"), ("shared", "share"), ("baked", "bake")]
TIMES = [
    "in the morning",
    "in the evening",
    "after lunch",
    "on Monday",
    "on Sunday",
    "at night",
    "on a rainy day",
    "in spring",
    "after school",
    "before breakfast",
]


def reading(rng):
    """A few sentences with facts, and one or two questions with answers from the text."""
    girl, boy = rng.choice(GIRLS), rng.choice(BOYS)
    (one_name, he), (two_name, he2) = rng.sample([(girl, "she"), (boy, "he")], 2)
    place, place2 = rng.sample(PLACES, 2)
    thing, thing2 = rng.sample(TOYS, 2)
    colour, colour2 = rng.sample(COLOURS, 2)
    verb, base = rng.choice(VERBS)
    food_verb, food_base = rng.choice(EATING)
    food = rng.choice(FOODS)
    time, time2 = rng.sample(TIMES, 2)
    animal = rng.choice(ANIMALS)
    pet = rng.choice(["Pip", "Rusty", "Coco", "Max", "Luna", "Momo", "Toto"])
    facts = [
        (
            f"{capital(time)}, {one_name} went to {place}.",
            [
                (f"Where did {one_name} go?", f"{one_name} went to {place}."),
                (f"When did {one_name} go to {place}?", f"{one_name} went there {time}."),
                (f"Who went to {place}?", f"{one_name} went to {place}."),
            ],
        ),
        (
            f"There {he} {verb} {a(colour + ' ' + thing)}.",
            [
                (f"What did {one_name} {base}?", f"{one_name} {verb} {a(colour + ' ' + thing)}."),
                (f"What color was the {thing}?", f"The {thing} was {colour}."),
                (f"Who {verb} the {thing}?", f"{one_name} {verb} the {thing}."),
            ],
        ),
        (
            f"{two_name} was at {place2} and {food_verb} some {food}.",
            [
                (f"Where was {two_name}?", f"{two_name} was at {place2}."),
                (f"What did {two_name} {food_base}?", f"{two_name} {food_verb} some {food}."),
                (f"Who {food_verb} some {food}?", f"{two_name} {food_verb} some {food}."),
            ],
        ),
        (
            f"{capital(he2)} had {a(animal)} called {pet}.",
            [
                (f"What was the name of the {animal}?", f"The {animal} was called {pet}."),
                (f"Which animal did {two_name} have?", f"{two_name} had {a(animal)}."),
                (f"Who was {pet}?", f"{pet} was {two_name}'s {animal}."),
            ],
        ),
        (
            (
                f"{capital(time2)}, {one_name} and {two_name} met and played with"
                f" {a(colour2 + ' ' + thing2)}."
            ),
            [
                (
                    f"What did {one_name} and {two_name} play with?",
                    f"They played with {a(colour2 + ' ' + thing2)}.",
                ),
                (f"What color was the {thing2}?", f"The {thing2} was {colour2}."),
                (f"When did {one_name} and {two_name} meet?", f"They met {time2}."),
            ],
        ),
    ]
    count = rng.choice([2, 3, 4, 5, 5])
    text = " ".join(sentence for sentence, _ in facts[:count])
    questions = [q for _, qs in facts[:count] for q in qs]
    chosen = rng.sample(questions, 3)
    frame = rng.choice(
        [
            "{t}\n\n{q}",
            "Read the text and answer: {t} {q}",
            "{t} {q}",
            "Text: {t}\nQuestion: {q}",
            "Here is a short story. {t}\n{q}",
        ]
    )
    first = frame.replace("{t}", text).replace("{q}", chosen[0][0])
    roll = rng.random()
    if roll < 0.12:
        unknown = rng.choice(
            [
                f"How old is {one_name}?",
                f"What is {two_name}'s favorite color?",
                f"What did {one_name} wear?",
                f"Where does {two_name} live?",
            ]
        )
        return chat(
            frame.replace("{t}", text).replace("{q}", unknown),
            rng.choice(["The text does not say that.", "I don't know. The text does not tell us."]),
        )
    turns = [first, chosen[0][1]]
    if roll > 0.5:
        turns += [chosen[1][0], chosen[1][1]]
    if roll > 0.85:
        turns += [chosen[2][0], chosen[2][1]]
    return chat(*turns)


def story_question(rng):
    """A whole story in the prompt and a question about it."""
    story = make_story(rng, PLOTS)
    slots, text = story["slots"], story["text"].replace("\n\n", " ")
    asks = [
        (f"Who is the story about?", f"The story is about {slots['hero']}, {a(slots['kind'])}."),
        (f"What does {slots['hero']} learn?", story["parts"][-1]),
        ("Summarize this story.", shorter(rng, story)),
        ("Give this story a title.", story["title"]),
    ]
    if slots["pal"] + " the " + slots["palkind"] in text:
        asks += [
            (f"Who is {slots['pal']}?", f"{slots['pal']} is {a(slots['palkind'])} in the story."),
            (
                f"What kind of animal is {slots['pal']}?",
                f"{slots['pal']} is {a(slots['palkind'])}.",
            ),
        ] * 2
    question, answer = rng.choice(asks)
    return chat(
        rng.choice(
            [
                f"{text}\n\n{question}",
                f"{question}\n\n{text}",
                f"Story: {text}\nQuestion: {question}",
            ]
        ),
        answer,
    )


def retold(rng, title, text):
    """A children's story of the training part, shortened at a paragraph to fit."""
    body = text.split("\n", 1)[1] if "\n" in text else text
    short = []
    for paragraph in body.split("\n"):
        if sum(map(len, short)) + len(paragraph) > 1100:
            break
        short.append(paragraph)
    if not short or sum(map(len, short)) < 0.95 * len(body) or len(body) < 150:
        return None
    ask = rng.choice(
        [
            'Tell me the story "{t}".',
            'Do you know the story "{t}"?',
            "Tell me the story called {t}",
            'Can you tell me "{t}"?',
            'I would like to hear the story "{t}".',
            'Write a story with the title "{t}".',
        ]
    )
    return chat(ask.replace("{t}", title), "\n".join(short))
