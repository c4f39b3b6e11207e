"""Arithmetic for a small model: sums, word problems with a short way, comparing, sequences."""

from grammar import GIRLS_AND_BOYS, capital, chat, listed, typed

THINGS = (
    """apples oranges books pencils cookies stickers marbles eggs flowers cards balloons candies
coins stamps toys bananas cups stones shells cherries grapes balls cakes carrots""".split()
)
WORDS = "zero one two three four five six seven eight nine ten eleven twelve".split()


def pair(rng, most):
    return rng.randint(1, most), rng.randint(1, most)


def plain_sum(rng):
    kind = rng.choice("++++----**/%")
    if kind == "+":
        x, y = pair(rng, rng.choice([10, 20, 50, 99]))
        forms = [
            f"What is {x} + {y}?",
            f"{x} + {y} = ?",
            f"What is {x} plus {y}?",
            f"How much is {x} plus {y}?",
            f"Add {x} and {y}.",
            f"Calculate {x} + {y}.",
            f"Can you add {x} and {y}?",
            f"{x}+{y}",
            f"What do you get if you add {y} to {x}?",
        ]
        answers = [
            f"{x} + {y} = {x + y}.",
            f"{x} plus {y} is {x + y}.",
            f"The answer is {x + y}.",
            f"The sum of {x} and {y} is {x + y}.",
            f"It is {x + y}.",
        ]
    elif kind == "-":
        x, y = sorted(pair(rng, rng.choice([10, 20, 50, 99])), reverse=True)
        forms = [
            f"What is {x} - {y}?",
            f"{x} - {y} = ?",
            f"What is {x} minus {y}?",
            f"Subtract {y} from {x}.",
            f"Calculate {x} - {y}.",
            f"Take {y} away from {x}.",
            f"{x}-{y}",
            f"How much is {x} minus {y}?",
            f"{x} take away {y} is what?",
        ]
        answers = [
            f"{x} - {y} = {x - y}.",
            f"{x} minus {y} is {x - y}.",
            f"The answer is {x - y}.",
            f"The difference is {x - y}.",
            f"It is {x - y}.",
        ]
    elif kind == "*":
        x, y = rng.randint(1, 12), rng.randint(1, 10)
        forms = [
            f"What is {x} times {y}?",
            f"What is {x} x {y}?",
            f"{x} * {y} = ?",
            f"Multiply {x} by {y}.",
            f"Calculate {x} * {y}.",
            f"How much is {x} times {y}?",
        ]
        answers = [
            f"{x} times {y} is {x * y}.",
            f"{x} x {y} = {x * y}.",
            f"The answer is {x * y}.",
            f"The product of {x} and {y} is {x * y}.",
        ]
    else:
        y, q = rng.randint(2, 10), rng.randint(1, 10)
        x = y * q
        forms = [
            f"What is {x} divided by {y}?",
            f"What is {x} / {y}?",
            f"Divide {x} by {y}.",
            f"How many times does {y} go into {x}?",
            f"Calculate {x} / {y}.",
        ]
        answers = [
            f"{x} divided by {y} is {q}.",
            f"{x} / {y} = {q}.",
            f"The answer is {q}.",
            f"It is {q}, because {q} times {y} is {x}.",
        ]
    return chat(typed(rng, rng.choice(forms)), rng.choice(answers))


def one(count, things):
    return f"1 {singular(things)}" if count == 1 else f"{count} {things}"


def singular(things):
    special = {"cherries": "cherry", "candies": "candy", "grapes": "grape"}
    return special.get(things, things[:-1])


def word_problem(rng):
    name, other = rng.sample(GIRLS_AND_BOYS, 2)
    who, he = name[0], name[1]
    friend = other[0]
    things = rng.choice(THINGS)
    kind = rng.randrange(9)
    if kind < 3:
        x, y = rng.randint(2, 30), rng.randint(1, 20)
        more = rng.choice(
            [
                f"{capital(he)} gets {y} more from {friend}.",
                f"{friend} gives {who} {y} more.",
                f"Then {he} buys {y} more.",
                f"{capital(he)} finds {y} more.",
            ]
        )
        ask = rng.choice(
            [
                f"How many {things} does {who} have now?",
                f"How many {things} are there in all?",
                f"How many does {he} have altogether?",
            ]
        )
        answer = rng.choice(
            [
                f"{who} has {x} + {y} = {x + y} {things} now.",
                f"{x} + {y} = {x + y}. So {who} has {x + y} {things}.",
                f"We add: {x} + {y} = {x + y}. {who} has {x + y} {things}.",
            ]
        )
        question = f"{who} has {x} {things}. {more} {ask}"
    elif kind < 6:
        x = rng.randint(3, 40)
        y = rng.randint(1, x - 1)
        less = rng.choice(
            [
                f"{capital(he)} gives {y} to {friend}.",
                f"{capital(he)} loses {y} of them.",
                f"{capital(he)} sells {y} of them.",
                f"{friend} takes {y} of them.",
            ]
        )
        ask = rng.choice(
            [
                f"How many {things} are left?",
                f"How many {things} does {who} still have?",
                "How many are left?",
            ]
        )
        answer = rng.choice(
            [
                (
                    f"{x} - {y} = {x - y}. There {'is' if x - y == 1 else 'are'}"
                    f" {one(x - y, things)} left."
                ),
                f"{who} has {x} - {y} = {one(x - y, things)} left.",
                f"We take away: {x} - {y} = {x - y}. {who} still has {one(x - y, things)}.",
            ]
        )
        question = f"{who} has {x} {things}. {less} {ask}"
    elif kind < 8:
        x, y = rng.randint(2, 10), rng.randint(2, 10)
        box = rng.choice(["boxes", "bags", "baskets", "bowls"])
        question = rng.choice(
            [
                f"There are {x} {box} with {y} {things} each. How many {things} are there?",
                (
                    f"{who} has {x} {box}. Each of them holds {y} {things}. How many {things} is"
                    " that in all?"
                ),
            ]
        )
        answer = rng.choice(
            [
                f"{x} times {y} is {x * y}, so there are {x * y} {things}.",
                f"There are {x} x {y} = {x * y} {things}.",
            ]
        )
    else:
        y, q = rng.randint(2, 6), rng.randint(2, 9)
        question = rng.choice(
            [
                f"{y} children share {y * q} {things} equally. How many does each child get?",
                (
                    f"{who} wants to share {y * q} {things} among {y} friends. How many does each"
                    " of them get?"
                ),
            ]
        )
        answer = rng.choice(
            [
                f"{y * q} divided by {y} is {q}, so each gets {q} {things}.",
                f"Each of them gets {y * q} / {y} = {q} {things}.",
            ]
        )
    return chat(question, answer)


def follow_up(rng):
    """A word problem with a second question that goes on from the first answer."""
    (who, he), (friend, _) = rng.sample(GIRLS_AND_BOYS, 2)
    me = rng.random() < 0.6
    things = rng.choice(THINGS)
    x, y = rng.randint(4, 30), rng.randint(1, 12)
    total = x + y
    z = rng.randint(1, min(total - 1, 12))
    if me:
        first = rng.choice(
            [
                f"I have {x} {things} and get {y} more. How many do I have?",
                f"I had {x} {things}, and {friend} gave me {y}. How many is that?",
            ]
        )
        answer = rng.choice(
            [
                f"You have {x} + {y} = {total} {things}.",
                f"{x} + {y} = {total}, so you have {total} {things} now.",
            ]
        )
        second = rng.choice(
            [
                f"And how many are left if I give away {z}?",
                f"And if I lose {z} of them?",
                f"Now I give {z} to my sister. How many are left?",
                f"What if I take {z} away?",
            ]
        )
        last = rng.choice(
            [
                f"Then you have {total} - {z} = {total - z} left.",
                (
                    f"{total} - {z} = {total - z}, so {total - z}"
                    f" {'is' if total - z == 1 else 'are'} left."
                ),
            ]
        )
    else:
        first = f"{who} has {x} {things}. {friend} gives {who} {y} more. How many does {who} have?"
        answer = f"{who} has {x} + {y} = {total} {things}."
        second = rng.choice(
            [f"And if {he} gives away {z}?", f"Then {he} loses {z}. How many are left?"]
        )
        last = f"Then {who} has {total} - {z} = {one(total - z, things)} left."
    return chat(first, answer, second, last)


def comparing(rng):
    x, y = rng.sample(range(1, 100), 2)
    big, small = max(x, y), min(x, y)
    kind = rng.randrange(6)
    if kind == 0:
        return chat(
            rng.choice(
                [
                    f"Which is bigger, {x} or {y}?",
                    f"Which number is larger: {x} or {y}?",
                    f"Is {x} greater than {y}?",
                ]
            ),
            rng.choice(
                [
                    f"{big} is bigger than {small}.",
                    f"{big} is the larger number.",
                    f"The bigger number is {big}.",
                ]
            ),
        )
    if kind == 1:
        return chat(
            rng.choice([f"Which is smaller, {x} or {y}?", f"Which number is less, {x} or {y}?"]),
            rng.choice([f"{small} is smaller than {big}.", f"{small} is the smaller number."]),
        )
    if kind == 2:
        is_even = x % 2 == 0
        word = "even" if is_even else "odd"
        asked = rng.choice(
            [
                f"Is {x} even or odd?",
                f"Is {x} an even number?",
                f"Is {x} odd?",
                f"Is the number {x} even or odd?",
            ]
        )
        why = "because it can be divided by 2" if is_even else "because it cannot be divided by 2"
        yes = ""
        if "even number" in asked:
            yes = "Yes, " if is_even else "No, "
        elif asked.startswith(f"Is {x} odd"):
            yes = "No, " if is_even else "Yes, "
        return chat(asked, rng.choice([f"{yes}{x} is {word}.", f"{yes}{x} is {word}, {why}."]))
    if kind == 3:
        start, step = rng.randint(1, 20), rng.choice([1, 2, 2, 3, 4, 5, 5, 10])
        row = [start + i * step for i in range(4)]
        shown = ", ".join(map(str, row))
        return chat(
            rng.choice(
                [
                    f"What comes next: {shown}, ...?",
                    f"Continue the sequence {shown}.",
                    f"Which number comes after {shown}?",
                ]
            ),
            rng.choice(
                [
                    f"The next number is {row[3] + step}.",
                    (
                        f"The next number is {row[3] + step}, because each number is {step} more"
                        " than the one before."
                    ),
                ]
            ),
        )
    if kind == 4:
        row = rng.sample(range(1, 60), rng.choice([3, 4, 5]))
        up = rng.random() < 0.6
        asked = "from the smallest to the largest" if up else "from the largest to the smallest"
        return chat(
            rng.choice(
                [
                    f"Sort these numbers {asked}: {', '.join(map(str, row))}.",
                    f"Put {listed(row)} in order, {asked}.",
                ]
            ),
            ", ".join(map(str, sorted(row, reverse=not up))) + ".",
        )
    first, last = rng.choice(
        [(1, 5), (1, 10), (5, 10), (1, 8), (3, 9), (10, 15), (10, 20), (6, 12), (1, 20)]
    )
    if rng.random() < 0.5:
        return chat(
            f"Count from {first} to {last}.", ", ".join(map(str, range(first, last + 1))) + "."
        )
    if rng.random() < 0.5:
        return chat(
            f"Count backwards from {last} to {first}.",
            ", ".join(map(str, range(last, first - 1, -1))) + ".",
        )
    return chat(
        rng.choice([f"What is double of {x}?", f"What is twice {x}?"]), f"Twice {x} is {2 * x}."
    )


def clock_and_money(rng):
    kind = rng.randrange(5)
    if kind == 0:
        h, d = rng.randint(1, 9), rng.randint(1, 3)
        what = rng.choice(["film", "lesson", "train ride", "party", "match", "walk"])
        return chat(
            f"A {what} starts at {h} o'clock and takes {d} hour{'s' if d > 1 else ''}. When does it"
            " end?",
            f"It ends at {h + d} o'clock, because {h} + {d} = {h + d}.",
        )
    if kind == 1:
        thing = rng.choice(["pen", "book", "cake", "ticket", "toy", "cup", "sandwich"])
        price, n = rng.randint(1, 12), rng.randint(2, 9)
        return chat(
            f"One {thing} costs {price} dollar{'s' if price > 1 else ''}. How much do {n} {thing}s"
            " cost?".replace("sandwichs", "sandwiches"),
            f"{n} x {price} = {n * price}, so they cost {n * price} dollars.",
        )
    if kind == 2:
        price = rng.randint(2, 19)
        return chat(
            f"I pay {price} dollars with a 20 dollar bill. How much do I get back?",
            f"You get {20 - price} dollar{'s' if price < 19 else ''} back, because 20 - {price} ="
            f" {20 - price}.",
        )
    if kind == 3:
        n = rng.randint(2, 9)
        unit, many, per = rng.choice(
            [
                ("minutes", "hours", 60),
                ("days", "weeks", 7),
                ("months", "years", 12),
                ("legs", "spiders", 8),
                ("legs", "dogs", 4),
                ("wheels", "cars", 4),
                ("hours", "days", 24),
                ("fingers", "hands", 5),
                ("legs", "birds", 2),
            ]
        )
        verb = "do" if many in ("spiders", "dogs", "cars", "hands", "birds") else "are there in"
        have = " have" if verb == "do" else ""
        asked = f"How many {unit} {verb} {n} {many}{have}?"
        return chat(asked, f"{n} x {per} = {n * per}, so {n} {many} have {n * per} {unit}.")
    age, years = rng.randint(3, 40), rng.randint(1, 15)
    who = rng.choice(GIRLS_AND_BOYS)[0]
    if rng.random() < 0.5:
        return chat(
            f"{who} is {age} years old. How old will {who} be in {years}"
            f" year{'s' if years > 1 else ''}?",
            f"{who} will be {age + years} years old.",
        )
    young = max(1, age - years)
    return chat(
        f"{who} is {age} years old, and the little brother is {age - young}"
        f" year{'s' if age - young != 1 else ''} younger. How old is the brother?",
        f"The brother is {age} - {age - young} = {young} year{'s' if young != 1 else ''} old.",
    )


def sum_zh(rng):
    kind = rng.randrange(8)
    name = rng.choice("小明 小红 小华 小丽 小刚 小美 小军 小芳 妈妈 爸爸 小东 小雨".split())
    thing, unit = rng.choice(
        [
            ("苹果", "个"),
            ("书", "本"),
            ("铅笔", "支"),
            ("糖", "颗"),
            ("花", "朵"),
            ("鸡蛋", "个"),
            ("橘子", "个"),
            ("贴纸", "张"),
            ("气球", "个"),
            ("饼干", "块"),
            ("玩具车", "辆"),
            ("邮票", "张"),
            ("桃子", "个"),
        ]
    )
    if kind == 0:
        x, y = pair(rng, rng.choice([10, 20, 50, 99]))
        return chat(
            rng.choice(
                [
                    f"{x}加{y}等于多少？",
                    f"{x}+{y}=？",
                    f"请计算{x}+{y}",
                    f"{x}+{y}是多少？",
                    f"{x}加上{y}是几？",
                ]
            ),
            rng.choice([f"{x}+{y}={x + y}。", f"{x}加{y}等于{x + y}。", f"答案是{x + y}。"]),
        )
    if kind == 1:
        x, y = sorted(pair(rng, rng.choice([10, 20, 50, 99])), reverse=True)
        return chat(
            rng.choice(
                [f"{x}减{y}等于多少？", f"{x}-{y}=？", f"请计算{x}-{y}", f"{x}减去{y}是几？"]
            ),
            rng.choice([f"{x}-{y}={x - y}。", f"{x}减{y}等于{x - y}。", f"答案是{x - y}。"]),
        )
    if kind == 2:
        x, y = rng.randint(1, 9), rng.randint(1, 9)
        return chat(
            rng.choice([f"{x}乘以{y}等于多少？", f"{x}×{y}=？", f"{x}乘{y}是多少？"]),
            rng.choice([f"{x}×{y}={x * y}。", f"{x}乘以{y}等于{x * y}。"]),
        )
    if kind == 3:
        y, q = rng.randint(2, 9), rng.randint(1, 9)
        return chat(
            rng.choice([f"{y * q}除以{y}等于多少？", f"{y * q}÷{y}=？"]), f"{y * q}÷{y}={q}。"
        )
    if kind in (4, 5):
        x, y = rng.randint(2, 30), rng.randint(1, 20)
        more = rng.choice([f"又买了{y}{unit}", f"朋友又给了{y}{unit}", f"又得到{y}{unit}"])
        return chat(
            f"{name}有{x}{unit}{thing}，{more}，现在一共有多少{unit}？",
            rng.choice(
                [
                    f"{x}+{y}={x + y}，现在一共有{x + y}{unit}{thing}。",
                    f"一共有{x + y}{unit}，因为{x}+{y}={x + y}。",
                ]
            ),
        )
    if kind == 6:
        x = rng.randint(3, 40)
        y = rng.randint(1, x - 1)
        less = rng.choice([f"送给朋友{y}{unit}", f"用掉了{y}{unit}", f"给了妹妹{y}{unit}"])
        return chat(
            f"{name}有{x}{unit}{thing}，{less}，还剩多少{unit}？",
            rng.choice(
                [
                    f"{x}-{y}={x - y}，还剩{x - y}{unit}{thing}。",
                    f"还剩{x - y}{unit}，因为{x}-{y}={x - y}。",
                ]
            ),
        )
    x, y = rng.sample(range(1, 100), 2)
    return chat(
        rng.choice([f"{x}和{y}哪个大？", f"{x}和{y}，哪个数更大？"]),
        rng.choice([f"{max(x, y)}比{min(x, y)}大。", f"{max(x, y)}更大。"]),
    )
