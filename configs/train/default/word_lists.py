"""The word lists that words.py asks about."""

OPPOSITES = """big small|hot cold|happy sad|fast slow|old young|light dark|high low|long short|hard soft|
clean dirty|full empty|rich poor|strong weak|early late|open closed|loud quiet|wet dry|good bad|
easy difficult|
near far|thick thin|sweet sour|brave afraid|true false|up down|left right|day night|first last|
begin end|buy sell|
give take|push pull|win lose|love hate|remember forget|laugh cry|inside outside|above below|
always never|
many few|wide narrow|deep shallow|new old|beautiful ugly|cheap expensive|polite rude|safe dangerous|
asleep awake|
friend enemy|summer winter|question answer|heavy light|smooth rough|alive dead|north south|east west"""
OPPOSITES = [pair.split() for pair in OPPOSITES.replace("\n", "").split("|")]
SYNONYMS = """big large|happy glad|sad unhappy|fast quick|smart clever|small little|begin start|end finish|
pretty beautiful|angry mad|scared afraid|tired sleepy|nice kind|funny amusing|hard difficult|
quiet silent|
rich wealthy|sick ill|speak talk|look watch|jump hop|shout yell|gift present|house home|road street|
stone rock|error mistake|help assist|choose pick|brave courageous|strange odd|correct right|rest relax"""
SYNONYMS = [pair.split() for pair in SYNONYMS.replace("\n", "").split("|")]
PLURALS = """cat cats|dog dogs|box boxes|child children|mouse mice|man men|woman women|foot feet|tooth teeth|
leaf leaves|knife knives|baby babies|city cities|sheep sheep|fish fish|bus buses|watch watches|
wolf wolves|
person people|goose geese|story stories|potato potatoes|tomato tomatoes|wife wives|day days|
key keys|cherry cherries|
dish dishes|glass glasses|book books|tree trees|party parties|hero heroes|loaf loaves|ox oxen|apple apples"""
PLURALS = [pair.split() for pair in PLURALS.replace("\n", "").split("|")]
PASTS = """go went|eat ate|see saw|run ran|take took|give gave|write wrote|buy bought|think thought|sing sang|
swim swam|come came|make made|find found|know knew|sleep slept|drink drank|fly flew|begin began|
teach taught|
catch caught|bring brought|break broke|speak spoke|drive drove|play played|walk walked|look looked|
stop stopped|
cry cried|try tried|is was|have had|do did|say said|tell told|read read|sit sat|stand stood|
fall fell|feel felt|
grow grew|hear heard|hold held|keep kept|leave left|lose lost|meet met|pay paid|sell sold|send sent|win won"""
PASTS = [pair.split() for pair in PASTS.replace("\n", "").split("|")]
RHYMES = """cat hat bat mat rat|light night bright sight kite|tree bee sea key free|house mouse blouse|
star car far jar|moon spoon noon soon|cake lake snake make|ring king sing wing|day play way say|
ball tall fall wall|
rain train plane chain|bear chair hair pear|boat coat goat note|book cook look hook|
hop top shop stop|
fun sun run bun|dog fog log frog|bell shell well tell|rose nose toes|blue shoe two zoo|hand sand land band"""
RHYMES = [group.split() for group in RHYMES.replace("\n", "").split("|")]
EN_ZH = """hello 你好|thank you 谢谢|goodbye 再见|water 水|fire 火|sun 太阳|moon 月亮|star 星星|mountain 山|river 河|
tree 树|flower 花|dog 狗|cat 猫|bird 鸟|fish 鱼|horse 马|cow 牛|tiger 老虎|rabbit 兔子|panda 熊猫|monkey 猴子|
apple 苹果|banana 香蕉|orange 橙子|watermelon 西瓜|rice 米饭|noodles 面条|bread 面包|egg 鸡蛋|milk 牛奶|tea 茶|
coffee 咖啡|book 书|pen 笔|table 桌子|chair 椅子|door 门|window 窗户|house 房子|school 学校|teacher 老师|
student 学生|friend 朋友|mother 妈妈|father 爸爸|brother 哥哥|sister 姐姐|doctor 医生|red 红色|blue 蓝色|
green 绿色|yellow 黄色|white 白色|black 黑色|big 大|small 小|good 好|happy 高兴|beautiful 美丽|today 今天|
tomorrow 明天|yesterday 昨天|morning 早上|evening 晚上|spring 春天|summer 夏天|autumn 秋天|winter 冬天|rain 雨|
snow 雪|wind 风|cloud 云|sea 大海|car 汽车|train 火车|airplane 飞机|bicycle 自行车|computer 电脑|telephone 电话|
music 音乐|love 爱|one 一|two 二|three 三|ten 十|China 中国|Beijing 北京|I love you 我爱你|good morning 早上好|
good night 晚安|happy birthday 生日快乐|Happy New Year 新年快乐|How are you? 你好吗？|What is your name? 你叫什么名字？|
I am a student. 我是学生。|I like apples. 我喜欢苹果。|She is my friend. 她是我的朋友。|It is raining today. 今天下雨。|
I drink tea. 我喝茶。|He is a teacher. 他是老师。|We go to school. 我们去上学。|The cat is sleeping. 猫在睡觉。|
I am very happy. 我很高兴。|Where are you? 你在哪里？|This is my book. 这是我的书。|The sky is blue. 天空是蓝色的。|
I want to drink water. 我想喝水。|My mother is a doctor. 我妈妈是医生。|See you tomorrow. 明天见。|
I like to read. 我喜欢看书。|The weather is good today. 今天天气很好。|I live in Beijing. 我住在北京。|
The dog is big. 这只狗很大。|Please sit down. 请坐。|I am hungry. 我饿了。|The flowers are beautiful. 花很美。"""
EN_ZH = [p.strip().rsplit(" ", 1) for p in EN_ZH.replace("\n", "").split("|")]
LISTS = {
    "fruits": (
        "apple banana orange pear grape cherry mango peach plum strawberry melon lemon kiwi"
        " pineapple"
    ),
    "vegetables": (
        "carrot potato tomato onion cucumber cabbage pea bean pepper spinach pumpkin broccoli"
    ),
    "animals": "dog cat lion elephant rabbit horse bear monkey tiger fox wolf giraffe zebra",
    "farm animals": "cow pig sheep goat hen horse duck donkey",
    "birds": "sparrow eagle owl parrot crow duck swan robin",
    "sea animals": "whale dolphin shark octopus seal crab starfish turtle",
    "insects": "bee ant butterfly fly beetle mosquito ladybug",
    "colors": "red blue green yellow orange purple white black brown pink gray",
    "sports": "football basketball tennis swimming running cycling volleyball skiing hockey boxing",
    "musical instruments": "piano guitar violin drum flute trumpet cello harp",
    "jobs": "doctor teacher farmer baker pilot nurse cook painter driver writer engineer",
    "countries": "France China Japan Brazil Egypt India Italy Canada Kenya Mexico Spain Germany",
    "cities": "Paris London Beijing Tokyo Rome Cairo Berlin Madrid Sydney Moscow",
    "drinks": "water tea coffee milk juice lemonade cocoa",
    "trees": "oak pine birch maple willow apple palm",
    "flowers": "rose tulip daisy lily sunflower violet orchid",
    "vehicles": "car bus train bicycle airplane ship truck tram",
    "pieces of clothing": "shirt jacket hat scarf coat sock skirt dress sweater",
    "planets": "Mercury Venus Earth Mars Jupiter Saturn Uranus Neptune",
    "things in a kitchen": "pot pan knife spoon plate cup oven bowl",
    "things in a classroom": "desk chair board book pen map ruler clock",
    "parts of the body": "head arm leg hand foot nose ear eye knee",
    "languages": "English Chinese Spanish French German Italian Arabic Japanese",
    "hobbies": "reading painting cooking dancing gardening fishing chess singing",
    "school subjects": "mathematics history biology music art geography physics English",
    "toys": "ball doll kite puzzle drum robot",
}
LISTS = {k: v.split() for k, v in LISTS.items()}
DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
MONTHS = (
    "January February March April May June July August September October November December".split()
)
CHECKED = """He go to the park.|He goes to the park.
She have a cat.|She has a cat.
I is happy.|I am happy.
They was late.|They were late.
We goes home.|We go home.
He don't like milk.|He doesn't like milk.
I seen a bird.|I saw a bird.
She can sings well.|She can sing well.
There is two dogs.|There are two dogs.
He is more tall than me.|He is taller than me.
I has a red ball.|I have a red ball.
The childs are playing.|The children are playing.
Yesterday I go to school.|Yesterday I went to school.
She eat an apple every day.|She eats an apple every day.
I am agree with you.|I agree with you.
He buyed a book.|He bought a book.
We was tired.|We were tired.
This are my shoes.|These are my shoes.
I likes to swim.|I like to swim.
Me and him is friends.|He and I are friends.
The cat sleep on the bed.|The cat sleeps on the bed.
She didn't went home.|She didn't go home.
How much apples do you have?|How many apples do you have?
I have a orange.|I have an orange.
He runs very quick.|He runs very quickly.
Where you are going?|Where are you going?
My brother are tall.|My brother is tall.
It rain every day.|It rains every day.
The mouses ran away.|The mice ran away.
I am go to bed now.|I am going to bed now."""
CHECKED = [line.split("|") for line in CHECKED.splitlines()]
POLITE = """Give me the book.|Could you please give me the book?
Close the door.|Could you please close the door?
I want tea.|I would like some tea, please.
Be quiet.|Could you please be a little quieter?
Come here.|Would you come here, please?
Send me the file.|Could you please send me the file?
Wait.|Could you please wait a moment?
Help me.|Could you please help me?
Tell me the time.|Could you tell me the time, please?
Move your car.|Would you mind moving your car, please?
I don't like your idea.|Thank you for your idea, but I would prefer another one.
Call me back.|Please call me back when you have time.
You are late.|I was worried, because you are a little late.
Open the window.|Would you mind opening the window?
Speak louder.|Could you speak a little louder, please?
Turn off the music.|Could you please turn off the music?"""
POLITE = [line.split("|") for line in POLITE.splitlines()]
LONGER = sorted(
    {w for pair in OPPOSITES for w in pair}
    | {w for ws in LISTS.values() for w in ws if w.islower()}
)
ZH_OPPOSITES = [
    p.split()
    for p in (
        "大 小|高 矮|长 短|多 少|快 慢|冷 热|黑 白|新 旧|好 坏|早 晚|前 后|左 右|上 下|里 外|开"
        " 关|胖 瘦|远 近|轻 重|干净 脏|高兴 难过|安静 吵闹|勇敢 胆小|容易 困难|聪明 笨|温暖"
        " 寒冷|成功 失败|增加 减少|认真 马虎".split("|")
    )
]
ZH_LISTS = {
    "水果": "苹果 香蕉 梨 葡萄 西瓜 桃子 橘子 草莓 芒果",
    "蔬菜": "白菜 萝卜 土豆 西红柿 黄瓜 茄子 菠菜",
    "动物": "猫 狗 老虎 大象 兔子 猴子 熊猫 马 牛",
    "颜色": "红色 黄色 蓝色 绿色 白色 黑色 紫色",
    "城市": "北京 上海 广州 成都 西安 杭州 南京",
    "运动": "跑步 游泳 篮球 足球 乒乓球 羽毛球",
    "职业": "医生 老师 农民 厨师 警察 司机 画家",
    "交通工具": "汽车 火车 飞机 轮船 自行车 公共汽车",
    "节日": "春节 中秋节 端午节 元宵节 清明节",
    "乐器": "钢琴 吉他 小提琴 笛子 古筝 二胡",
    "家具": "桌子 椅子 床 柜子 沙发",
    "季节": "春天 夏天 秋天 冬天",
    "中国菜": "麻婆豆腐 宫保鸡丁 北京烤鸭 红烧肉 小笼包 饺子 火锅 白切鸡",
}
ZH_LISTS = {k: v.split() for k, v in ZH_LISTS.items()}
