"""Makes simple children's stories from plots_en.txt and plots_zh.txt, and questions about them."""

import re

from grammar import a, capital, choose, fill, load_blocks

BOYS = """Tom Ben Sam Max Leo Jack Tim Noah Adam Finn Oscar Hugo Theo Luke Jake Eli Omar Ravi Kofi
Milo Felix Henry Oliver Daniel Peter Paul Nico Ali Ken Will""".split()
GIRLS = """Lily Mia Anna Emma Lucy Sara Zoe Ella Nora Ruby Ivy Rosa Clara Maya Nina Amy Lena Kate
Alice Grace Ada Tara Mei Leila Julia Sophie Hannah Molly Eva Daisy""".split()
ANIMALS = """fox rabbit bear mouse squirrel hedgehog owl frog duck turtle cat dog pig goat lamb
elephant lion monkey penguin deer beaver badger otter raccoon kitten puppy pony donkey panda
sparrow crow goose hen chick mole snail""".split()
ANIMAL_NAMES = """Pip Bobo Coco Fluff Hazel Nutmeg Biscuit Momo Tiko Bramble Pepper Olive Dot Rusty
Pebble Toto Lulu Button Clover Maple Ziggy Poppy Sunny Buddy Muffin Honey Juno Kiki Patch Binky
Willow Ollie Tilly Moss Berry""".split()
PLACES = """the forest|the river|the big hill|the old mill|the meadow|the pond|the village square|the
 park|the beach|the school|the farm|the lake|the garden|the market|the old oak tree|the mountain|the
 red barn|the playground|the apple orchard|the harbor|the library|the train station""".replace(
    "\n", ""
).split(
    "|"
)
TOYS = """ball kite teddy bear drum hat scarf book whistle doll spoon key lantern bell shoe ring
 shell"""
TOYS = [
    "ball",
    "kite",
    "teddy bear",
    "drum",
    "hat",
    "scarf",
    "picture book",
    "whistle",
    "doll",
    "key",
    "lantern",
    "bell",
    "toy boat",
    "shell",
    "ring",
    "toy train",
    "marble",
    "button",
    "umbrella",
    "blanket",
    "basket",
    "flute",
    "bucket",
    "wooden horse",
]
FOODS = [
    "apple pie",
    "bread",
    "cheese",
    "cake",
    "soup",
    "honey bread",
    "pancakes",
    "noodles",
    "rice",
    "strawberry jam",
    "cookies",
    "corn",
    "dumplings",
    "pumpkin soup",
    "plum cake",
    "porridge",
]
COLOURS = "red blue green yellow golden silver purple orange white pink brown".split()
NUMBERS = "three four five six seven eight nine ten".split()
TRAITS = """kind curious brave clever shy cheerful quiet gentle funny lazy busy careful stubborn
friendly lively dreamy polite hungry tiny proud patient""".split()
ELDERS = [
    ("{his} grandmother", "she"),
    ("{his} mother", "she"),
    ("{his} father", "he"),
    ("{his} grandfather", "he"),
    ("the old owl", "she"),
    ("the wise turtle", "he"),
    ("{his} aunt", "she"),
    ("{his} uncle", "he"),
]
ROBOT_NAMES = ["Beep", "Zip", "Bolt", "Tick", "Dino", "Spark", "Tiny", "Flip", "Gizmo", "Sprout"]

OPENINGS = """Once upon a time, there was {a_kind} named {hero}. | Once there was {a_kind} called {hero}.
 | There once lived {a_kind} whose name was {hero}. | In a small house near {place2} lived {hero},
 {a_kind}. | {hero} was {a_kind} who lived close to {place2}. | A long time ago, {a_kind} named {hero}
 lived near {place2}. | This is the story of {hero}, {a_kind}. | Far away, behind {place2}, there lived
 {a_kind} called {hero}. | Do you know {hero}? {hero} was {a_kind} and lived near {place2}. | One {weather}
 day, {a_kind} named {hero} was sitting near {place2}.""".replace(
    "\n", ""
)
DETAILS = """{He} liked {food} and long walks. | {He} had a {colour} {toy2} that {he} took everywhere. |
 {He} loved to play with {his} friends. | Everyone in the village knew {him}. | {He} had a {colour} hat
 and a big smile. | Every morning {he} ate {food} for breakfast. | {He} liked to sing when it was
 {weather}. | {He} always asked a lot of questions. | {He} lived there with {elder}. | At night {he} liked
 to count the stars. | {He} could run very fast. | {He} had {number} best friends. | """.replace(
    "\n", ""
)
ENDINGS = {
    "search": (
        "It is easier to find things with a friend. | And from that day on, {hero} always put {his}"
        " {toy} back in its place. | {hero} learned that it helps to stay calm and think."
    ),
    "courage": (
        "Since that night, {hero} has not been afraid of the dark. | {hero} learned that being"
        " brave means to go on even when you are afraid. | And that is how a little courage made a"
        " new friend."
    ),
    "patience": (
        "{hero} learned that good things take time. | And every spring, {hero} plants a new seed"
        " and waits. | Patience makes small things grow."
    ),
    "sharing": (
        "{hero} learned that sharing makes everyone happy. | And that is why {hero} always keeps a"
        " place at the table for a friend. | What we share gets bigger, not smaller."
    ),
    "honesty": (
        "{hero} learned that it is always better to tell the truth. | From that day on, {hero} was"
        " always honest. | The truth may be hard, but it makes the heart light."
    ),
    "kindness": (
        "{hero} learned that a kind heart is worth more than gold. | Everyone remembered the day"
        " when {hero} was kind. | A little kindness can change everything."
    ),
    "friendship": (
        "And they stayed friends for ever. | {hero} learned that a good friend is the best gift of"
        " all. | It was the best day of {his} life."
    ),
    "helping": (
        "{hero} learned that those who help others are never alone. | And they all lived happily"
        " together. | From then on, everybody in the village helped each other."
    ),
    "imagination": (
        "And if you look closely, you may find such a place too. | Good night, {hero}. Sweet"
        " dreams. | Since then, {hero} has known that dreams can be very big."
    ),
    "practice": (
        "{hero} learned that practice makes perfect. | Now {he} teaches the little ones, and {he}"
        " never laughs at them. | If you try every day, you will get better and better."
    ),
    "surprise": (
        "It was the funniest day of the year. | And they still laugh about it today. | {hero}"
        " learned that the world is full of surprises."
    ),
    "talent": (
        "{hero} learned to believe in {himself}. | From then on, {hero} sang every day. | Everyone"
        " has something special to give."
    ),
    "greed": (
        "{hero} learned not to be greedy. | If you want too much, you may get nothing at all. |"
        " From that day on, {he} always took only what {he} needed."
    ),
    "cooperation": (
        "They learned that it is better to help each other than to fight. | Two who work together"
        " can go anywhere. | And that is how they became good friends."
    ),
    "adventure": (
        "They slept very well that night. | And soon they planned the next trip. | {hero} learned"
        " that it is good to stay calm when things go wrong."
    ),
    "trying again": (
        "{hero} learned that you should never give up too soon. | If it does not work the first"
        " time, try again. | That is how {hero} learned to be patient."
    ),
    "modesty": (
        "{hero} learned that nobody is too small to help. | From then on, {hero} listened to"
        " others. | And {he} never laughed at anyone again."
    ),
    "wisdom": (
        "{hero} learned that the best things cannot be bought. | And this answer is still true"
        " today. | {hero} became known as the wisest in the land."
    ),
    "understanding": (
        "{hero} learned to ask first before {he} got angry. | Sometimes a friend is only a stranger"
        " whom we do not know yet. | It is good to listen before you judge."
    ),
}
TITLES = [
    "{hero} and {theme}",
    "{hero} and {pal}",
    "The story of {hero}",
    "{hero}'s big day",
    "{hero} and the {palkind}",
    "A day at {place}",
    "A lesson for {hero}",
]

HE = {"he": "he", "him": "him", "his": "his", "himself": "himself"}
SHE = {"he": "she", "him": "her", "his": "her", "himself": "herself"}


def load_plots(name):
    plots = []
    for header, steps in load_blocks(name):
        title, theme, moral = [part.strip() for part in header.split("|")]
        plots.append({"name": title, "theme": theme, "moral": moral, "steps": steps})
    return plots


def new_cast(rng, hero_kind=None, pal_kind=None):
    """Slots for a story: who, where and with what. hero_kind is an animal, "girl" or "boy"."""
    is_girl = rng.random() < 0.5
    if hero_kind in ("girl", "boy"):
        is_girl = hero_kind == "girl"
    elif hero_kind is None and rng.random() < 0.5:
        hero_kind = "girl" if is_girl else "boy"
    slots = dict(SHE if is_girl else HE)
    if hero_kind in ("girl", "boy"):
        slots["hero"] = rng.choice(GIRLS if is_girl else BOYS)
        slots["kind"] = hero_kind
    else:
        slots["hero"] = rng.choice(ANIMAL_NAMES)
        slots["kind"] = hero_kind or rng.choice(ANIMALS)
    slots["trait"] = rng.choice(TRAITS)
    size = rng.choice(["little ", "young ", "small ", "", "", ""])
    if slots["trait"] == "tiny":
        size = ""
    slots["a_kind"] = a(
        rng.choice(
            [f"{slots['trait']} {size}{slots['kind']}"] * 2
            + [f"{size or 'little '}{slots['kind']}"]
        )
    )
    slots["pal"] = rng.choice([n for n in ANIMAL_NAMES if n != slots["hero"]])
    slots["palkind"] = pal_kind or rng.choice([k for k in ANIMALS if k != slots["kind"]])
    slots["palhis"] = rng.choice(["his", "her"])
    slots["place"], slots["place2"] = rng.sample(PLACES, 2)
    slots["toy"], slots["toy2"] = rng.sample(TOYS, 2)
    slots["food"] = rng.choice(FOODS)
    slots["colour"] = rng.choice(COLOURS)
    slots["number"] = rng.choice(NUMBERS)
    slots["weather"] = rng.choice(["sunny", "rainy", "windy", "warm", "cold", "bright", "cloudy"])
    slots["toyname"] = rng.choice(ROBOT_NAMES)
    elder, pronoun = rng.choice(ELDERS)
    slots["elder"] = fill(elder, slots)
    slots["elder_said"] = f"said {slots['elder']}"
    slots["his2"] = capital(slots["his"])
    return slots


def tell(rng, plot, slots, most_steps=99):
    """(sentences of the steps as a list of paragraphs' parts) of one story."""
    parts = [fill(choose(rng, OPENINGS), slots), fill(choose(rng, DETAILS), slots)]
    for step in plot["steps"][:most_steps]:
        parts.append(fill(choose(rng, step), slots))
    if most_steps >= len(plot["steps"]):
        parts.append(fill(choose(rng, ENDINGS[plot["moral"]]), slots))
    introduce(parts, slots)
    return [part for part in parts if part]


def introduce(parts, slots):
    """The friend's kind is said where the friend is named first, unless a part says it already."""
    for index, part in enumerate(parts):
        if slots["pal"] in part:
            if slots["palkind"] not in part:
                parts[index] = part.replace(
                    slots["pal"], f"{slots['pal']} the {slots['palkind']}", 1
                )
            return


def paragraphs(rng, parts):
    """One paragraph, or two or three."""
    if rng.random() < 0.5:
        return " ".join(parts)
    cut = rng.randint(2, max(2, len(parts) - 3))
    return " ".join(parts[:cut]) + "\n\n" + " ".join(parts[cut:])


def make_story(rng, plots, **wanted):
    """A dictionary with text, slots, plot, parts and title."""
    plot = wanted.pop("plot", None) or rng.choice(plots)
    slots = new_cast(rng, **wanted)
    parts = tell(rng, plot, slots)
    theme = fill(plot["theme"], slots)
    title = capital(fill(rng.choice(TITLES), {**slots, "theme": theme}))
    return {
        "plot": plot,
        "slots": slots,
        "parts": parts,
        "theme": theme,
        "title": title,
        "text": paragraphs(rng, parts),
    }


def shorter(rng, story):
    """The story in three or four sentences: opening, a step of the beginning, the end."""
    parts = story["parts"]
    return " ".join([parts[0]] + [parts[2] if len(parts) > 9 else parts[1]] + parts[-2:])


def check_plots(plots):
    for plot in plots:
        for step in plot["steps"]:
            if re.search(r"\{(?!\w+\})", step):
                raise ValueError(f"plot {plot['name']}: bad slot in {step}")
