"""Small skills with words: opposites, plurals, spelling, sorting, rhymes, translation, lists."""

from grammar import GIRLS_AND_BOYS, a, capital, chat, listed, typed
from word_lists import (
    CHECKED,
    DAYS,
    EN_ZH,
    LISTS,
    LONGER,
    MONTHS,
    OPPOSITES,
    PASTS,
    PLURALS,
    POLITE,
    RHYMES,
    SYNONYMS,
    ZH_LISTS,
    ZH_OPPOSITES,
)


def skill(rng):
    question, answer = rng.choice(
        [
            opposite,
            opposite,
            synonym,
            plural,
            past,
            rhyme,
            spelling,
            letters,
            sorting,
            one_of_list,
            one_of_list,
            fixing,
            fixing,
            polite,
            days,
            odd_one,
            sentence_with,
            count_words,
            first_letter,
            make_question,
        ]
    )(rng)
    return chat(typed(rng, question), answer)


def opposite(rng):
    one, two = rng.choice(OPPOSITES)
    if rng.random() < 0.5 and (one, two) not in (("new", "old"), ("heavy", "light")):
        one, two = two, one
    return rng.choice(
        [
            f"What is the opposite of {one}?",
            f'What\'s the opposite of "{one}"?',
            f"Give me the opposite of {one}.",
            f'Which word is the opposite of "{one}"?',
            f"Opposite of {one}?",
            f"Name an antonym of {one}.",
        ]
    ), rng.choice(
        [
            f"The opposite of {one} is {two}.",
            f'The opposite of "{one}" is "{two}".',
            f"It is {two}.",
        ]
    )


def synonym(rng):
    one, two = rng.choice(SYNONYMS)
    return rng.choice(
        [
            f"What is another word for {one}?",
            f'Give me a synonym for "{one}".',
            f"What means the same as {one}?",
            f"Find a synonym of {one}.",
        ]
    ), rng.choice(
        [
            f"Another word for {one} is {two}.",
            f'A synonym for "{one}" is "{two}".',
            f'You can say "{two}".',
        ]
    )


def plural(rng):
    one, many = rng.choice(PLURALS)
    return rng.choice(
        [
            f"What is the plural of {one}?",
            f'What is the plural form of "{one}"?',
            f"One {one}, two ...?",
            f'Write "{one}" in the plural.',
        ]
    ), rng.choice(
        [
            f"The plural of {one} is {many}.",
            f'The plural of "{one}" is "{many}".',
            f"One {one}, two {many}.",
        ]
    )


def past(rng):
    now, then = rng.choice(PASTS)
    return rng.choice(
        [
            f"What is the past tense of {now}?",
            f'What is the past form of "{now}"?',
            f'Put the verb "{now}" into the past tense.',
        ]
    ), rng.choice(
        [
            f"The past tense of {now} is {then}.",
            f'The past tense of "{now}" is "{then}".',
            f'It is "{then}".',
        ]
    )


def rhyme(rng):
    group = rng.choice(RHYMES)
    word = rng.choice(group)
    others = rng.sample([w for w in group if w != word], min(2, len(group) - 1))
    if rng.random() < 0.4:
        wrong = rng.choice([g for g in RHYMES if g is not group])[0]
        if rng.random() < 0.5:
            return f"Does {word} rhyme with {others[0]}?", f"Yes, {word} rhymes with {others[0]}."
        return (
            f"Does {word} rhyme with {wrong}?",
            f"No, {word} does not rhyme with {wrong}. But {others[0]} rhymes with {word}.",
        )
    return rng.choice(
        [
            f"What rhymes with {word}?",
            f'Give me words that rhyme with "{word}".',
            f"Find a rhyme for {word}.",
        ]
    ), rng.choice(
        [
            f"{capital(listed(others))} {'rhyme' if len(others) > 1 else 'rhymes'} with {word}.",
            f'"{capital(others[0])}" rhymes with "{word}".',
        ]
    )


def spelling(rng):
    word = rng.choice(LONGER)
    return rng.choice(
        [f"How do you spell {word}?", f'Spell the word "{word}".', f"Can you spell {word}?"]
    ), rng.choice(
        [f"{capital(word)} is spelled {'-'.join(word)}.", f"It is spelled {', '.join(word)}."]
    )


def letters(rng):
    word = rng.choice([w for w in LONGER if len(w) < 9])
    return rng.choice(
        [f'How many letters are in the word "{word}"?', f"How many letters does {word} have?"]
    ), rng.choice(
        [
            f'The word "{word}" has {len(word)} letters: {", ".join(word)}.',
            f"{capital(word)} has {len(word)} letters.",
        ]
    )


def first_letter(rng):
    word = rng.choice(LONGER)
    if rng.random() < 0.5:
        return (
            f'What is the first letter of "{word}"?',
            f'The first letter of "{word}" is {word[0]}.',
        )
    return f'What is the last letter of "{word}"?', f'The last letter of "{word}" is {word[-1]}.'


def count_words(rng):
    text = rng.choice(CHECKED)[1]
    count = len(text.split())
    return (
        rng.choice(
            [f'How many words are in this sentence: "{text}"', f'Count the words: "{text}"']
        ),
        f"There are {count} words in it.",
    )


def sorting(rng):
    words = rng.sample(LISTS[rng.choice(list(LISTS))], rng.choice([3, 4, 5]))
    return (
        rng.choice(
            [
                f"Sort these words in alphabetical order: {', '.join(words)}.",
                f"Put {listed(words)} in alphabetical order.",
                f"Arrange alphabetically: {', '.join(words)}",
            ]
        ),
        ", ".join(sorted(words, key=str.lower)) + ".",
    )


def one_of_list(rng):
    name = rng.choice(list(LISTS))
    count = rng.choice([2, 3, 3, 3, 4, 5, 5])
    number = {2: "two", 3: "three", 4: "four", 5: "five"}[count]
    words = rng.sample(LISTS[name], count)
    ask = rng.choice(
        [
            f"Name {number} {name}.",
            f"Give me {number} {name}.",
            f"List {number} {name}.",
            f"Can you name {number} {name}?",
            f"Tell me {count} {name}.",
            f"Write a list of {number} {name}.",
            f"What are {number} {name}?",
        ]
    )
    if rng.random() < 0.35:
        return ask, "\n".join(f"{i + 1}. {capital(w)}" for i, w in enumerate(words))
    return ask, rng.choice(
        [
            f"{capital(listed(words))}.",
            f"{capital(number)} {name} are {listed(words)}.",
            f"Here are {number} {name}: {listed(words)}.",
        ]
    )


def odd_one(rng):
    one, two = rng.sample(
        [
            "fruits",
            "animals",
            "colors",
            "sports",
            "jobs",
            "vehicles",
            "drinks",
            "musical instruments",
            "countries",
        ],
        2,
    )
    words = rng.sample(LISTS[one], 3)
    odd = rng.choice([w for w in LISTS[two] if w not in LISTS[one] and w != "orange"])
    mixed = words + [odd]
    rng.shuffle(mixed)
    return (
        rng.choice(
            [
                f"Which word does not belong: {', '.join(mixed)}?",
                f"Find the odd one out: {', '.join(mixed)}.",
            ]
        ),
        f"{capital(odd)} does not belong, because the others are {one}.",
    )


def sentence_with(rng):
    name, he = rng.choice(GIRLS_AND_BOYS)
    noun = rng.choice(
        [
            w
            for k in ("fruits", "farm animals", "musical instruments", "toys", "vehicles")
            for w in LISTS[k]
        ]
    )
    text = rng.choice(
        [
            f"{name} saw {a(noun)} yesterday.",
            f"There is {a(noun)} in the picture.",
            f"{name} drew {a(noun)} at school.",
            f"I have never seen such a beautiful {noun}.",
            f"{name} dreamed of {a(noun)} last night.",
        ]
    )
    return (
        rng.choice(
            [
                f'Use the word "{noun}" in a sentence.',
                f"Write a sentence with the word {noun}.",
                f"Make a sentence with {noun}.",
            ]
        ),
        text,
    )


def fixing(rng):
    wrong, right = rng.choice(CHECKED)
    name, he = rng.choice(GIRLS_AND_BOYS)
    for start, subject in (("He ", "he"), ("She ", "she")):
        if wrong.startswith(start) and rng.random() < 0.7:
            who = rng.choice([n for n, p in GIRLS_AND_BOYS if p == subject])
            wrong, right = who + wrong[len(start) - 1 :], who + right[len(start) - 1 :]
    ask = rng.choice(
        [
            f'Correct this sentence: "{wrong}"',
            f"Is this sentence correct? {wrong}",
            f"Please correct: {wrong}",
            f'Find the mistake: "{wrong}"',
            f"Fix this sentence: {wrong}",
            f"Correct the grammar: {wrong}",
        ]
    )
    if ask.startswith("Is this"):
        return ask, f"No. It should be: {right}"
    return ask, rng.choice([right, f'The correct sentence is: "{right}"', f"It should be: {right}"])


def polite(rng):
    rude, nice = rng.choice(POLITE)
    return rng.choice(
        [
            f'Say this politely: "{rude}"',
            f"Make this more polite: {rude}",
            f'Rewrite it politely: "{rude}"',
            f'How can I say "{rude}" in a polite way?',
        ]
    ), rng.choice([nice, f'You could say: "{nice}"'])


def days(rng):
    row, what = (DAYS, "day") if rng.random() < 0.5 else (MONTHS, "month")
    i = rng.randrange(len(row))
    after, before = row[(i + 1) % len(row)], row[i - 1]
    return rng.choice(
        [
            (f"Which {what} comes after {row[i]}?", f"{after} comes after {row[i]}."),
            (f"Which {what} comes before {row[i]}?", f"{before} comes before {row[i]}."),
            (f"What {what} is after {row[i]}?", f"The {what} after {row[i]} is {after}."),
            (
                ("Name the days of the week.", listed(DAYS) + ".")
                if what == "day"
                else ("Name the months of the year.", listed(MONTHS) + ".")
            ),
            (
                (f"If today is {row[i]}, what is tomorrow?", f"Tomorrow is {after}.")
                if what == "day"
                else (
                    f"Is {row[i]} a month?",
                    f"Yes, {row[i]} is month number {i + 1} of the year.",
                )
            ),
        ]
    )


def make_question(rng):
    name, he = rng.choice(GIRLS_AND_BOYS)
    thing = rng.choice(LISTS["fruits"] + LISTS["toys"])
    colour = rng.choice(LISTS["colors"])
    return (
        f'Turn this into a question: "{name} has {a(colour)} {thing}."',
        f"Does {name} have {a(colour)} {thing}?",
    )


def translation(rng):
    en, zh = rng.choice(EN_ZH)
    low = en.rstrip(".?")
    zh_word = zh.rstrip("。？")
    kind = rng.randrange(4)
    if kind == 0:
        return chat(
            rng.choice(
                [
                    f'Translate "{en}" into Chinese.',
                    f'How do you say "{low}" in Chinese?',
                    (
                        f"What is {low} in Chinese?"
                        if len(en.split()) < 3
                        else f'Say "{en}" in Chinese.'
                    ),
                    f"Translate into Chinese: {en}",
                ]
            ),
            rng.choice([zh, f'"{low}" is {zh_word} in Chinese.', f"In Chinese it is {zh_word}."]),
        )
    if kind == 1:
        return chat(
            rng.choice(
                [
                    f"Translate {zh} into English.",
                    f"What does {zh_word} mean?",
                    f"What does {zh_word} mean in English?",
                    f"Translate to English: {zh}",
                ]
            ),
            rng.choice([f'It means "{low}".', en, f'In English it is "{low}".']),
        )
    if kind == 2:
        return chat(
            rng.choice(
                [
                    f"“{zh}”用英语怎么说？",
                    f"把“{zh}”翻译成英语。",
                    f"{zh_word}的英文是什么？",
                    f"请把{zh}翻译成英文",
                ]
            ),
            rng.choice([en, f"“{zh}”的英语是“{en}”。", f"英语是：{en}"]),
        )
    return chat(
        rng.choice(
            [
                f"“{en}”是什么意思？",
                f"把“{en}”翻译成中文。",
                f"{low}用中文怎么说？",
                f"请翻译：{en}",
            ]
        ),
        rng.choice([zh, f"“{en}”的意思是“{zh}”。", f"中文是：{zh}"]),
    )


def skill_zh(rng):
    if rng.random() < 0.3:
        one, two = rng.sample(rng.choice(ZH_OPPOSITES), 2)
        return chat(
            rng.choice(
                [f"“{one}”的反义词是什么？", f"{one}的反义词是什么", f"说出“{one}”的反义词。"]
            ),
            rng.choice([f"“{one}”的反义词是“{two}”。", f"{one}的反义词是{two}。"]),
        )
    name = rng.choice(list(ZH_LISTS))
    count = rng.choice([2, 3, 3, 4])
    words = rng.sample(ZH_LISTS[name], count)
    number = {2: "两", 3: "三", 4: "四"}[count]
    return chat(
        rng.choice(
            [
                f"说出{number}种{name}。",
                f"列举{number}种{name}",
                f"请写出{number}个{name}。",
                f"举{number}个{name}的例子。",
            ]
        ),
        rng.choice(
            [
                "、".join(words) + "。",
                f"{number}种{name}：" + "、".join(words) + "。",
                f"比如{'、'.join(words)}。",
            ]
        ),
    )
