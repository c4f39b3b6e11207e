"""Small Python functions, asked for in many ways in English and Chinese."""

from grammar import chat, typed

# name in English, name in Chinese, code, what it does in English and in Chinese.
SNIPPETS = [
    (
        "prints hello world",
        "打印Hello World",
        'print("Hello, world!")',
        "It prints a greeting.",
        "它会打印一句问候。",
    ),
    (
        "computes the Fibonacci sequence",
        "计算斐波那契数列",
        (
            "def fibonacci(n):\n    a, b = 0, 1\n    result = []\n    for _ in range(n):\n       "
            " result.append(a)\n        a, b = b, a + b\n    return result"
        ),
        "It returns the first n numbers. Each number is the sum of the two before it.",
        "它返回前n个数，每个数都是前两个数的和。",
    ),
    (
        "returns the nth Fibonacci number",
        "求第n个斐波那契数",
        (
            "def fibonacci(n):\n    a, b = 0, 1\n    for _ in range(n):\n        a, b = b, a + b\n "
            "   return a"
        ),
        "It starts with 0 and 1 and adds the last two numbers n times.",
        "它从0和1开始，不断把前两个数相加。",
    ),
    (
        "computes the factorial of a number",
        "计算阶乘",
        (
            "def factorial(n):\n    result = 1\n    for i in range(2, n + 1):\n        result *="
            " i\n    return result"
        ),
        "It multiplies all numbers from 1 to n.",
        "它把从1到n的所有数相乘。",
    ),
    (
        "checks if a number is prime",
        "判断一个数是不是质数",
        (
            "def is_prime(n):\n    if n < 2:\n        return False\n    for i in range(2, int(n **"
            " 0.5) + 1):\n        if n % i == 0:\n            return False\n    return True"
        ),
        "It tries all divisors up to the square root of n.",
        "它检查从2到n的平方根之间有没有因数。",
    ),
    (
        "reverses a string",
        "把字符串反转",
        "def reverse(text):\n    return text[::-1]",
        "The slice with step -1 goes through the text backwards.",
        "切片的步长是-1，所以从后往前取。",
    ),
    (
        "adds up the numbers in a list",
        "计算列表中所有数的和",
        (
            "def add_up(numbers):\n    total = 0\n    for number in numbers:\n        total +="
            " number\n    return total"
        ),
        "You can also use sum(numbers).",
        "也可以直接用sum(numbers)。",
    ),
    (
        "finds the largest number in a list",
        "找出列表中最大的数",
        (
            "def largest(numbers):\n    best = numbers[0]\n    for number in numbers:\n        if"
            " number > best:\n            best = number\n    return best"
        ),
        "You can also use max(numbers).",
        "也可以直接用max(numbers)。",
    ),
    (
        "checks if a number is even",
        "判断一个数是不是偶数",
        "def is_even(n):\n    return n % 2 == 0",
        "A number is even if the rest of the division by 2 is 0.",
        "如果除以2的余数是0，就是偶数。",
    ),
    (
        "counts the words in a text",
        "统计一段文字里的单词数",
        "def count_words(text):\n    return len(text.split())",
        "The text is split at the spaces, and then the pieces are counted.",
        "它按空格把文字分开，再数一数有几个。",
    ),
    (
        "checks if a word is a palindrome",
        "判断一个词是不是回文",
        "def is_palindrome(word):\n    word = word.lower()\n    return word == word[::-1]",
        "A palindrome reads the same forwards and backwards.",
        "回文就是正着读和反着读都一样。",
    ),
    (
        "sorts a list",
        "给列表排序",
        "def sort_list(items):\n    return sorted(items)",
        "The function sorted returns a new list from small to large.",
        "sorted会返回一个从小到大排好的新列表。",
    ),
    (
        "computes the average of a list",
        "计算列表的平均值",
        "def average(numbers):\n    return sum(numbers) / len(numbers)",
        "The sum is divided by how many numbers there are.",
        "用总和除以数的个数。",
    ),
    (
        "counts from 1 to 10",
        "从1数到10",
        "for i in range(1, 11):\n    print(i)",
        "The end of a range is not included, so we write 11.",
        "range不包括最后一个数，所以写11。",
    ),
    (
        "multiplies two numbers",
        "计算两个数的乘积",
        "def multiply(a, b):\n    return a * b",
        "You can call it with multiply(3, 4), and you get 12.",
        "例如multiply(3, 4)的结果是12。",
    ),
    (
        "returns the sum of two numbers",
        "计算两个数的和",
        "def add(a, b):\n    return a + b",
        "For example, add(2, 3) returns 5.",
        "例如add(2, 3)返回5。",
    ),
    (
        "converts Celsius to Fahrenheit",
        "把摄氏度换算成华氏度",
        "def to_fahrenheit(celsius):\n    return celsius * 9 / 5 + 32",
        "For example, 0 degrees Celsius is 32 degrees Fahrenheit.",
        "例如0摄氏度等于32华氏度。",
    ),
    (
        "computes the greatest common divisor of two numbers",
        "求两个数的最大公约数",
        "def gcd(a, b):\n    while b:\n        a, b = b, a % b\n    return a",
        "This is called the algorithm of Euclid.",
        "这叫做欧几里得算法。",
    ),
]


def snippet(rng):
    en, zh, code, why, why_zh = rng.choice(SNIPPETS)
    block = f"```python\n{code}\n```"
    if rng.random() < 0.55:
        ask = rng.choice(
            [
                f"Write a Python program that {en}.",
                f"Write Python code that {en}.",
                f"Can you write a function that {en}?",
                f"I need a Python function that {en}.",
                f"Show me a Python function that {en}.",
                f"Please write code that {en}.",
                f"Give me Python code that {en}.",
                f"How do I write a function in Python that {en}?",
                f"Python: a function that {en}, please.",
                f"Help me write a Python script that {en}.",
            ]
        )
        lead = rng.choice(
            [
                "",
                "",
                "Here is the code:\n\n",
                "Sure!\n\n",
                "Here it is:\n\n",
                "You can write it like this:\n\n",
            ]
        )
        tail = rng.choice(["", "\n\n" + why, "\n\n" + why])
        if rng.random() < 0.15 and not tail:
            return chat(
                typed(rng, ask),
                lead + block,
                rng.choice(["Can you explain it?", "How does it work?", "What does it do?"]),
                why,
            )
        return chat(typed(rng, ask), lead + block + tail)
    ask = rng.choice(
        [
            f"用Python写一个函数，{zh}。",
            f"请用Python{zh}",
            f"用Python怎么{zh}？",
            f"请写一个Python函数{zh}。",
            f"帮我写一段Python代码，{zh}。",
            f"写一个{zh}的Python程序",
            f"怎样用Python{zh}？",
            f"我想用Python{zh}，怎么写？",
            f"能用Python写一个{zh}的函数吗？",
        ]
    )
    lead = rng.choice(["", "", "代码如下：\n\n", "好的：\n\n", "可以这样写：\n\n"])
    tail = rng.choice(["", "\n\n" + why_zh, "\n\n" + why_zh])
    return chat(ask, lead + block + tail)
