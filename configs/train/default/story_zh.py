"""Simple children's stories in Chinese, from plots_zh.txt, and requests for them."""

from grammar import chat, choose, fill
from story_maker import load_plots

PLOTS = load_plots("plots_zh.txt")
KINDS = (
    "小兔子 小熊 小猫 小狗 小松鼠 小老鼠 小狐狸 小刺猬 小鸭子 小猴子 小象 小鹿 小乌龟 小羊"
    " 小鸟 小青蛙".split()
)
NAMES = "贝贝 乐乐 豆豆 毛毛 点点 朵朵 团团 圆圆 果果 花花 奇奇 多多 米米 可可".split()
PLACES = "大树下 小河边 山坡上 森林里 花园里 池塘边 草地上 果园里 田野里 小桥边".split()
TOYS = "皮球 风筝 帽子 围巾 铃铛 钥匙 小鼓 图画书 小木船 手套".split()
FOODS = "草莓 苹果 饼干 蛋糕 胡萝卜 栗子 红薯 玉米 桃子 葡萄".split()
MORALS = {
    "帮助": "从那以后，它们成了最好的朋友。 | 朋友之间互相帮助，什么困难都能解决。",
    "坚持": "只要坚持，就一定会有进步。 | {hero}明白了，做事不能轻易放弃。",
    "分享": "{hero}明白了，分享会让快乐变多。 | 分享的食物最好吃。",
    "勇敢": "{hero}明白了，勇敢就是害怕的时候也去做对的事。 | 大家都说{hero}是个勇敢的孩子。",
    "诚实": "{hero}明白了，诚实比什么都重要。 | 做一个诚实的孩子，心里才会快乐。",
    "耐心": "{hero}明白了，做事要有耐心。 | 好事情值得慢慢等待。",
}


def make_story(rng):
    plot = rng.choice(PLOTS)
    kind, pal = rng.sample(KINDS, 2)
    name = rng.choice(NAMES)
    slots = {
        "hero": name,
        "pal": pal,
        "place": rng.choice(PLACES),
        "toy": rng.choice(TOYS),
        "food": rng.choice(FOODS),
        "kind": kind,
    }
    parts = [
        fill(
            choose(
                rng,
                "从前，有一只{kind}，名叫{hero}。 | 森林里住着一只{kind}，名字叫{hero}。 |"
                " 很久以前，{place}住着一只{kind}，大家都叫它{hero}。 | {hero}是一只可爱的{kind}。",
            ),
            slots,
        )
    ]
    parts.append(
        fill(
            choose(
                rng,
                "它活泼又善良。 | 它有点胆小，但是心地很好。 | 它最喜欢吃{food}。 | 它每天都很快乐。 | ",
            ),
            slots,
        )
    )
    parts += [fill(choose(rng, step), slots) for step in plot["steps"]]
    parts.append(fill(choose(rng, MORALS[plot["moral"]]), slots))
    return slots, fill(plot["theme"], slots), "".join(parts)


def request(rng):
    slots, theme, text = make_story(rng)
    ask = rng.choice(
        ["给我讲个故事吧。", "讲一个故事", "请讲一个睡前故事。", "说个小故事吧"]
        + [
            f"讲一个关于{slots['kind']}的故事。",
            f"请讲一个{slots['kind']}的故事",
            f"写一个关于{slots['kind']}和{slots['pal']}的小故事。",
            f"讲个关于{theme}的故事吧",
            f"编一个关于{slots['kind']}{slots['hero']}的故事。",
            f"我想听{slots['kind']}的故事。",
        ]
        * 2
    )
    lead = rng.choice(["", "", "", "好的。", "好呀！"])
    if rng.random() < 0.15:
        return chat(
            ask,
            text,
            rng.choice(["故事里的主角是谁？", "主角叫什么名字？"]),
            f"主角是{slots['kind']}{slots['hero']}。",
        )
    return chat(ask, lead + text)
