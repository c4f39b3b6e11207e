"""The pretraining texts that are taken from cleared sources: children's stories, books, Chinese.

Every function returns plain lists of texts; make_data.py writes them. Nothing here is random but for
a seeded shuffle, so the same data folder gives the same bytes.
"""

import json
import lzma
import random
import re
from pathlib import Path

STORY_FILES = ["childrens_stories_asp-source_en.md", "childrens_stories_pb-source_en.md"]
CHINESE_STORY_FILE = "childrens_stories_global-asp_zh.md"

# Whole books that are never trained on.
HELD_OUT_BOOKS = {
    "The Canterville Ghost",
    "A Kidnapped Santa Claus",
    "The Call of the Wild",
    "Old Christmas",
    "Rip Van Winkle",
}

# Plays, poems and old or strange language: they teach a small model little of today's English.
LEFT_OUT_BOOKS = {
    "An Ideal Husband",
    "The Importance of Being Earnest",
    "Poems",
    "The Night Land",
    "The Cherry Orchard",
    "The Seagull",
    "A Modest Proposal",
    "Women and Economics",
    "Journal of the Plague Year",
    "Moll Flanders",
    "Gulliver's Travels",
    "A Week on the Concord and Merrimack Rivers",
    "Time and the Gods",
    "The Gods of Pegana",
    "Love and Friendship and Other Early Works",
}

# Taken before all others, whatever their score.
CHILDRENS_AUTHORS = {
    "Anna Sewell",
    "Carlo Collodi",
    "Edith Nesbit",
    "Frances Hodgson Burnett",
    "Hans Christian Andersen",
    "J. M. Barrie",
    "Johanna Spyri",
    "Kenneth Grahame",
    "L. Frank Baum",
    "Lewis Carroll",
    "Louisa May Alcott",
    "Lucy Maud Montgomery",
    "The Brothers Grimm",
}

ATTRIBUTION = re.compile(r"^\* ([A-Z][A-Za-z ]*): ?(.*)$")
SENTENCE_END = re.compile(r"[.!?][\"'”’)]*\s")
WORD = re.compile(r"[a-z]+(?:'[a-z]+)?")


# ---------------------------------------------------------------------------- children's stories


def split_stories(markdown):
    """The pieces between top-level titles, each with its title line."""
    starts = [m.start() for m in re.finditer(r"^# ", markdown, re.M)]
    return [markdown[a:b] for a, b in zip(starts, starts[1:] + [len(markdown)])]


def is_verse(lines):
    """A page of short lines that each begin anew is verse or a list; its lines are kept."""
    if len(lines) < 3:
        return False
    begins = sum(1 for line in lines if not line[0].islower())
    return begins == len(lines) and max(len(line) for line in lines) < 60


def clean_story(piece, joiner):
    """(title, text, credits) of one story. `joiner` stands between joined lines."""
    title, credits, paragraphs, page = "", {}, [], []

    def close_page():
        if not page:
            return
        separator = "\n" if is_verse(page) else joiner
        paragraphs.append(separator.join(page))
        page.clear()

    for line in piece.splitlines():
        line = line.strip()
        found = ATTRIBUTION.match(line)
        if line.startswith("# ") and not title:
            title = line[2:].strip()
        elif found:
            credits[found.group(1).strip().title()] = found.group(2).strip()
        elif not line or line.startswith("##"):
            close_page()
        else:
            page.append(re.sub(r"[*_#]+", "", line).strip() or "...")
    close_page()
    return title, "\n".join([title] + join_pages(paragraphs, joiner)), credits


def join_pages(paragraphs, joiner):
    """Pages of one or two sentences run on into paragraphs of some 300 characters."""
    out = []
    limit = 300 if joiner else 90
    for paragraph in paragraphs:
        text = re.sub(r"[ \t]+", " ", paragraph).strip()
        starts_speech = text[:1] in "\"“'‘「"
        if (
            out
            and "\n" not in text
            and "\n" not in out[-1]
            and len(out[-1]) < limit
            and not starts_speech
            and out[-1][-1:] not in '"”’'
        ):
            out[-1] += joiner + text
        else:
            out.append(text)
    return out


def load_stories(path, joiner):
    """(training, held out), each a list of (title, text, credits); held out is the last tenth."""
    pieces = split_stories(path.read_text(encoding="utf-8"))
    total = sum(len(p.encode()) for p in pieces)
    training, held_out, seen = [], [], 0
    for piece in pieces:
        story = clean_story(piece, joiner)
        # A story that reaches into the last tenth belongs to it.
        seen += len(piece.encode())
        (training if seen <= total * 9 // 10 else held_out).append(story)
    return training, held_out


def attribution_markdown(stories_by_file):
    """Who wrote, drew and translated the stories, for the model card."""
    lines = [
        "# Attribution",
        "",
        "Children's stories used in training, each under CC-BY. Source: Global African and",
        "Pratham storybooks (github.com/global-asp).",
    ]
    for name, stories in stories_by_file:
        lines += ["", f"## {name}", ""]
        for title, _, credits in stories:
            people = "; ".join(
                f"{role.lower()}: {who}"
                for role, who in credits.items()
                if role not in ("License", "Language") and who
            )
            licence = credits.get("License", "").strip("[]") or "CC-BY"
            lines.append(f"* {title} ({licence}; {people})")
    return "\n".join(lines) + "\n"


# ---------------------------------------------------------------------------------------- books


def read_books(data):
    """(title, author, markdown) of all books, in a fixed order."""
    books = []
    for path in sorted((data / "pretrain/en_books").glob("*.md")):
        author, title = path.stem.split(" - ", 1)
        books.append((title, author, path.read_text(encoding="utf-8")))
    with lzma.open(data / "pretrain/en_books_more.txt.xz", "rt", encoding="utf-8") as file:
        text = file.read()
    # "# Book (Author)" followed by the book's own "# Title: Book".
    heads = list(re.finditer(r"^# (.+?) *\(([^()]+)\)\n\n# Title:", text, re.M))
    for head, after in zip(heads, heads[1:] + [None]):
        body = text[head.end() : after.start() if after else len(text)]
        books.append((head.group(1).strip(), head.group(2), body))
    return books


def book_paragraphs(markdown):
    """Running paragraphs: no headings, rules, emphasis, notes; lines joined."""
    body = markdown.split("\n-------", 1)[-1]
    body = body.replace("\r", "").replace("\ufeff", "")
    out = []
    for block in re.split(r"\n\s*\n", body):
        lines = [line.strip() for line in block.splitlines() if line.strip()]
        if not lines or lines[0][0] in "#|>[*-=" or lines[0].startswith("Transcriber"):
            continue
        text = re.sub(r"\s+", " ", " ".join(lines))
        text = re.sub(r"\[[^\]]{0,80}\]|<[^>]{0,80}>|\{[^}]{0,80}\}", "", text)
        text = re.sub(r"[*_\\]+", "", text)
        text = text.replace("``", '"').replace("''", '"').replace("--", " - ")
        text = re.sub(r"  +", " ", text).strip()
        letters = sum(c.isalpha() for c in text)
        if len(text) < 3 or letters < 0.6 * len(text) or text.isupper():
            continue
        if re.search(r"gutenberg|copyright|transcrib|ebook|https?:", text, re.I):
            continue
        out.append(text)
    return out


def cut_documents(paragraphs, target=1800, most=2500):
    """Documents of 1500 to 2500 characters at paragraph boundaries; a longer paragraph is cut."""
    out, now, size = [], [], 0

    def close():
        nonlocal now, size
        if size >= 600:
            out.append("\n".join(now))
        now, size = [], 0

    for paragraph in paragraphs:
        while len(paragraph) > most:
            ends = [m.end() for m in SENTENCE_END.finditer(paragraph, 400, target)]
            cut = ends[-1] if ends else target
            close()
            out.append(paragraph[:cut].strip())
            paragraph = paragraph[cut:].strip()
        if size + len(paragraph) > most:
            close()
        now.append(paragraph)
        size += len(paragraph) + 1
        if size >= target:
            close()
    close()
    return out


def common_words(texts, count=2500):
    counts = {}
    for text in texts:
        for word in WORD.findall(text.lower()):
            counts[word] = counts.get(word, 0) + 1
    return set(sorted(counts, key=lambda w: (-counts[w], w))[:count])


def hardness(text, common):
    """Words a sentence and the share of rare words; lower is easier."""
    words = WORD.findall(text.lower())
    if not words:
        return 1e9
    sentences = len(SENTENCE_END.findall(text + " ")) or 1
    rare = sum(w not in common for w in words)
    return len(words) / sentences + 100.0 * rare / len(words)


def make_books(data, story_texts, books_mb):
    """(documents, held-out texts): the easiest documents of the easiest books, up to books_mb."""
    books = [(t, a, book_paragraphs(m)) for t, a, m in read_books(data) if t not in LEFT_OUT_BOOKS]
    childrens = [p for _, a, ps in books if a in CHILDRENS_AUTHORS for p in ps[::3]]
    common = common_words(story_texts + childrens)
    held_out, scored = [], []
    for title, author, paragraphs in books:
        if title in HELD_OUT_BOOKS:
            held_out.append("\n".join(paragraphs))
            continue
        documents = cut_documents(paragraphs)
        if not documents:
            continue
        book_score = sorted(hardness(d, common) for d in documents[::5])[len(documents[::5]) // 2]
        bonus = 15.0 if author in CHILDRENS_AUTHORS else 0.0
        # Half the book's score, half the document's own: plain chapters of hard books count.
        scored += [(0.5 * book_score + 0.5 * hardness(d, common) - bonus, d) for d in documents]
    scored.sort(key=lambda pair: (pair[0], pair[1]))
    chosen, size = [], 0
    for _, document in scored:
        size += len(document.encode())
        if size > books_mb * 1_000_000:
            break
        chosen.append(document)
    shakespeare = (data / "pretrain/tinyshakespeare.txt").read_text(encoding="utf-8")
    chosen += cut_documents(shakespeare[:300_000].split("\n\n"))
    random.Random(11).shuffle(chosen)
    return chosen, held_out


# -------------------------------------------------------------------------------------- Chinese


def clean_recipe(piece):
    lines = []
    for line in piece.splitlines():
        line = re.sub(r"!\[[^\]]*\]\([^)]*\)", "", line)
        line = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", line)
        line = re.sub(r"https?://\S+|<[^>]*>|[*`]+", "", line).strip()
        if line.startswith(("## 附加内容", "## 参考")):
            break
        if not line or "Issue" in line or "Pull request" in line:
            continue
        lines.append(re.sub(r"^#+\s*", "", line))
    return "\n".join(lines)


def make_recipes(data, limit=700):
    text = (data / "pretrain/zh_howtocook.md").read_text(encoding="utf-8")
    out = []
    for piece in split_stories(text):
        recipe = clean_recipe(piece)
        while len(recipe) > limit:
            cut = recipe.rfind("\n", limit // 2, limit)
            cut = limit if cut < 0 else cut
            out.append(recipe[:cut].strip())
            recipe = recipe[cut:].strip()
        if len(recipe) > 60:
            out.append(recipe)
    return out


def make_poetry(data, max_bytes=2_000_000):
    """Song poems and collections that are in simplified characters already."""
    folder = data / "pretrain/zh_poetry"
    names = [
        "水墨唐诗-shuimotangshi",
        "宋词-宋词三百首",
        "纳兰性德-纳兰性德诗集",
        "曹操诗集-caocao",
        "诗经-shijing",
    ]
    names += [f"宋词-ci.song.{i}" for i in (0, 1000, 2000, 3000, 4000, 5000)]
    out, seen, size = [], set(), 0
    for name in names:
        path = folder / f"{name}.json"
        if not path.exists():
            continue
        for poem in json.loads(path.read_text(encoding="utf-8")):
            lines = poem.get("paragraphs") or poem.get("para") or poem.get("content") or []
            head = poem.get("title") or poem.get("rhythmic") or ""
            author = poem.get("author", "")
            body = "\n".join(lines)
            if not 20 < len(body) < 500 or "□" in body or body in seen:
                continue
            seen.add(body)
            text = f"《{head}》{author}\n{body}"
            if poem.get("prologue"):
                text += "\n" + poem["prologue"].strip()
            size += len(text.encode())
            if size > max_bytes:
                return out
            out.append(text)
    return out


def make_corpus(data, books_mb):
    """All of it, as a dictionary of file name -> list of texts, and the attribution."""
    training, held_out, credited = [], [], []
    for name in STORY_FILES:
        train, held = load_stories(data / "pretrain" / name, " ")
        training += train
        held_out += held
        credited.append((name, train))
    zh_train, zh_held = load_stories(data / "pretrain" / CHINESE_STORY_FILE, "")
    credited.append((CHINESE_STORY_FILE, zh_train))
    stories = [text for _, text, _ in training]
    books, books_held = make_books(data, stories, books_mb)
    chinese = make_recipes(data) + make_poetry(data)
    random.Random(12).shuffle(chinese)
    return {
        "stories": training,
        "stories_held_out": [t for _, t, _ in held_out],
        "stories_zh": zh_train,
        "stories_zh_held_out": [t for _, t, _ in zh_held],
        "books": books,
        "books_held_out": books_held,
        "chinese": chinese,
        "attribution": attribution_markdown(credited),
    }


def data_folder(name):
    path = Path(name)
    if not (path / "pretrain").is_dir():
        raise SystemExit(f"{path}: no folder pretrain in it; --data names the data folder")
    return path
