"""Small templates for make_chat_templates.py. Each is rendered over CONTEXT."""

CONTEXT = {
    "s": "Hello, World", "empty": "", "u": "héllo wörld 你好🙂", "pad": "  \n x y \t", "n": 7, "neg": -7, "z": 0,
    "f": 2.5, "t": True, "nil": None, "nums": [3, 1, 2], "words": ["b", "A", "c", "a"], "nested": [[1, 2], [3, [4]]],
    "d": {"b": 1, "a": "x", "items": "shadow", "nested": {"k": [1, 2]}},
    "users": [{"name": "Zoe", "age": 30, "tags": ["x"]}, {"name": "adam", "age": 25, "tags": []},
              {"name": "Bob", "age": 30}],
    "messages": [{"role": "system", "content": "S"}, {"role": "user", "content": "Q1"},
                 {"role": "assistant", "content": "A1"}, {"role": "user", "content": "Q2"}],
    "html": "<a href=\"x\">'&'</a>", "multi": "line1\nline2\n\nline4", "quote": "it's \"q\" \\ \u0007 \u00a0 é",
    "big": 9007199254740993, "tiny": 1e-7, "huge": 1e22,
    "tree": [{"v": 1, "kids": [{"v": 2, "kids": [{"v": 3, "kids": []}]}]}, {"v": 4, "kids": []}],
    "tool": {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties":
             {"a": {"type": "string"}, "b": {"type": "integer"}}, "required": ["a"]}}},
}

# Expressions, each printed by {{ }}.
EXPRESSIONS = r"""
1 + 2 * 3
(1 + 2) * 3
7 // 2
neg // 2
7 % 3
neg % 3
7 % -3
7 / 2
6 / 2
2 ** 3 ** 2
2 ** -1
-2 ** 2
2.5 // 1
-7.5 // 2
-7.5 % 2
5.5 % -2
1 / 0
1 // 0
1 % 0
1.0 % 0
0.1 + 0.2
1e3
1e16
1e15
123456789012345680.0
1.0
-0.0
1e-5
0.0001
tiny
huge
1_000 + 0x1F + 0b11 + 0o17
1.5e3
big + 1
9223372036854775807
n ~ s
n ~ none ~ true ~ 1.5
'a' ~ 'b' + 'c'
'a' 'b' "c"
'x' * 3
3 * 'x'
'x' * -1
[1] * 2
[1] + [2]
(1,) + (2, 3)
[1] + (2,)
'a' + 1
1 + 'a'
none + 1
true + 1
true and 'x'
0 or 'x'
'' or none
not 0
not not 1
1 if true
1 if false
(1 if false) is defined
1 if false else 2 if false else 3
1 == 1.0
1 == true
'1' == 1
none == none
none == false
foo == bar
foo == none
[1, 2] == [1, 2]
(1, 2) == [1, 2]
{'a': 1} == {'a': 1.0}
1 < 2 < 3
1 < 3 < 2
1 < 'a'
none < 1
[1, 2] < [1, 3]
'a' < 'b'
'B' < 'a'
(1, 'a') < (1, 'b')
1 != 2
1 <= 1 >= 1
'a' in 'abc'
'a' not in 'abc'
1 in [1, 2]
1.0 in [1, 2]
'b' in d
'zz' in d
1 in 'abc'
1 in 5
'x' in foo
foo in [1]
'' in ''
big == 9007199254740992.0
s[0]
s[-1]
s[100]
s[1:4]
s[:-1]
s[::-1]
s[::2]
s[10:2:-3]
s[-3:]
s[5:2]
u[1]
u[12]
u[-1]
u[::-1]
u[-3:]
u[2:14:3]
nums[0]
nums[-1]
nums[5]
nums[1:]
nums[::-1]
nums[:100]
nums[-100:2]
nums['a']
nums[1.0]
nums[true]
(1, 2, 3)[1:]
d['b']
d.b
d.nope
d['nope']
d.items
d['items']
d.nested.k[1]
d.nope.deeper
foo
foo.bar
foo['bar']
foo()
foo + 1
foo ~ 'x'
-foo
foo[0:1]
foo.bar is defined
nil.x
nil.x.y
nil['x']
n.x
s.nope
s.nope is defined
s.nope()
s.upper
nums.append
nums.append(1)
nums.append is defined
d.update({'x': 1})
d.pop('a')
s.__class__
s.__class__.__mro__
d.__class__
''['__class__']
d._x
range.__globals__
foo is defined
foo is undefined
n is defined
nil is none
nil is defined
foo is none
s is string
n is string
n is number
f is number
t is number
n is integer
t is integer
f is integer
f is float
t is boolean
n is boolean
t is true
1 is true
t is false
d is mapping
nums is mapping
nums is sequence
s is sequence
d is sequence
n is sequence
foo is sequence
nums is iterable
s is iterable
n is iterable
foo is iterable
d.items() is sequence
range is callable
s is callable
s.upper is callable
foo is callable
n is odd
n is even
n is divisibleby 7
n is divisibleby(2)
n is eq 7
n is eq(7)
n is equalto 8
n is ne 7
n is lt 8
n is le 7
n is gt 8
n is ge 7
n is in [7, 8]
n is in(nums)
n is sameas 7
nil is sameas none
t is sameas true
'ABC' is upper
'abc' is lower
'aBc' is upper
'123' is upper
n is not odd
n is not none
not n is odd
foo is not defined and true
n is defined is true
n is nosuch
s|upper
s|lower
u|upper
'straße'|upper
'hello world-foo it\'s (bar) x2y'|title
'hELLO wORLD'|capitalize
pad|trim
'xxaxx'|trim('x')
'xyaxy'|trim('xy')
s|replace('l', 'L')
s|replace('l', 'L', 1)
s|replace('', '-')
'abc'|replace('', '-', 2)
n|replace(7, 8)
s|length
u|length
nums|count
d|length
foo|length
n|length
none|length
words|join
words|join(', ')
nums|join('-')
users|join(', ', attribute='name')
users|join('|', 'age')
foo|join
'abc'|join('.')
foo|default('x')
foo|d('x')
''|default('x')
''|default('x', true)
nil|default('x')
nil|default('x', boolean=true)
foo.bar|default('x')
d.nope|default('x')
foo|default
words|first
words|last
[]|first
[]|last
s|first
s|last
d|first
foo|first
foo|last
5|first
words|sort
words|sort(case_sensitive=true)
words|sort(reverse=true)
nums|sort
users|sort(attribute='age')|map(attribute='name')|list
users|sort(attribute='age,name')|map(attribute='name')|list
users|sort(attribute='age', reverse=true)|map(attribute='name')|join
[1, 'a']|sort
s|sort|join
d|sort
d|dictsort
d|dictsort(by='value')
{'b': 2, 'a': 3, 'C': 1}|dictsort
{'b': 2, 'a': 3, 'C': 1}|dictsort(true)
{'b': 2, 'a': 3, 'C': 1}|dictsort(false, 'value')
{'b': 2, 'a': 3, 'C': 1}|dictsort(reverse=true)
{'b': 2}|dictsort(by='x')
d|items|list
foo|items|list
nums|items|list
words|reverse|list
s|reverse
foo|reverse|list
[1, 1, 2, 3, 2]|unique|list
['a', 'A', 'b']|unique|list
['a', 'A', 'b']|unique(true)|list
users|unique(attribute='age')|map(attribute='name')|list
nums|sum
users|sum(attribute='age')
nums|sum(start=10)
[]|sum
['a']|sum
nums|min
nums|max
words|min
words|max
[]|min
words|max(case_sensitive=true)
users|min(attribute='age')
'42'|int
'42.9'|int
' 42 '|int
'abc'|int
'abc'|int(5)
'0x1F'|int(0, 16)
'1f'|int(0, 16)
'0b11'|int(0, 2)
'1_000'|int
3.99|int
-3.99|int
nil|int
true|int
foo|int
'1e3'|int
'3.14'|float
'abc'|float
'abc'|float(1.5)
'1e400'|float
'inf'|float
nil|float(2)
7|float
n|string
[1, 'a', none, true, 1.5]|string
2.5|round
3.5|round
2.567|round(2)
2.5|round(0, 'floor')
2.1|round(method='ceil')
42|round
1234|round(-2)
1250|round(-2)
1350|round(-2)
'a'|round
-5|abs
-5.5|abs
'a'|abs
multi|indent
multi|indent(2)
multi|indent(2, true)
multi|indent(2, true, true)
multi|indent('> ')
n|indent
html|e
html|escape
html|safe
html|e|e
(html|e) + '<'
html|e ~ '<'
(html|safe) + '<'
html|forceescape
'<'|e is escaped
[1, 2, 3, 4, 5]|batch(2)|list
[1, 2, 3, 4, 5]|batch(2, 'x')|list
[1, 2, 3, 4, 5]|slice(2)|list
[1, 2, 3, 4, 5]|slice(3, 'x')|list
[1, 2, 3, 4, 5, 6, 7]|slice(3, 'x')|list
users|groupby('age')|list
'foo bar baz'|wordcount
'foo bar baz qux'|truncate(9)
'foo bar baz qux'|truncate(9, true)
'foo bar baz qux'|truncate(11, false, '..', 0)
'foo bar'|truncate(5)
5|truncate(3)
nums|truncate(6)
nums|truncate(3, leeway=0)
foo|truncate(6)
messages|truncate(3, true, leeway=0)
'%s-%s'|format(1, 'a')
'%(x)s'|format(x=3)
'%s'|format
'%d %5.2f %-5s| %05d %+d %x %o %e %g %%'|format(3, 2.5, 'ab', 42, 5, 255, 8, 12345.678, 0.0001)
'%5s|%-5s|%.2s'|format('a', 'b', 'cde')
'%d'|format('x')
'%r %s'|format('a', none)
'%s %s'|format(1)
'%s'|format(1, 2)
'%c%c'|format('x', 65)
'%*d'|format(5, 3)
'%i'|format(3.9)
'%#x'|format(255)
'%s' % 5
'%s %s' % (1, 2)
'%(a)s' % {'a': 1}
'%s' % [1, 2]
'%s' % foo
'no' % 5
'no' % foo
'no' % d
'no' % nums
'no' % ()
'%z' % 5
'a b&c/d?é'|urlencode
{'a': 1, 'b c': 'd&e'}|urlencode
[('a', 1)]|urlencode
d|tojson
d|tojson(indent=2)
d|tojson(indent=4)
[]|tojson(indent=2)
{}|tojson(indent=2)
nested|tojson(indent=1)
d|tojson(separators=(',', ':'))
{'b': 1, 'a': 2}|tojson(sort_keys=true)
html|tojson
u|tojson
u|tojson(ensure_ascii=true)
quote|tojson
'\x7f\x1f\u2028'|tojson
'\x7f\x1f\u2028'|tojson(true)
[1.0, 1e22, 1e-7, 0.1, true, none]|tojson
(1, 2)|tojson
{1: 2, none: 3, true: 4, 1.5: 5}|tojson
{(1, 2): 3}|tojson
foo|tojson
[foo]|tojson
d.items()|tojson
d.items()|list|tojson
range(3)|tojson
nums|map('string')|tojson
d|tojson(indent='--')
tool|tojson
tool|tojson(indent=4)
nums|map('string')|list
words|map('upper')|join
nums|map('string')
nums|map
nums|map('nosuch')|list
users|map(attribute='age')|list
users|map(attribute='tags')|list
users|map(attribute='tags', default='none')|list
users|map(attribute='tags.0')|list
users|map(attribute='tags.0', default='-')|list
users|map('attr', 'x')|list
words|map('replace', 'a', 'z')|list
nums|map('default', 'x')|list
[1, 2, 3, 4]|select('odd')|list
[1, 2, 3, 4]|reject('odd')|list
[0, 1, '', 'a', none]|select|list
[0, 1, '', 'a', none]|reject|list
[1, 2, 3, 4]|select('gt', 2)|list
[1, 2, 3, 4]|select('>', 2)|list
[1, 2, 3, 4]|select('in', [2, 4])|list
[1, 2]|select('nosuch')|list
users|selectattr('tags')|map(attribute='name')|list
users|rejectattr('tags')|map(attribute='name')|list
users|selectattr('age', 'eq', 30)|map(attribute='name')|list
users|selectattr('age', 'equalto', 25)|list|length
users|selectattr('tags', 'defined')|map(attribute='name')|list
messages|rejectattr('role', 'equalto', 'system')|list|length
messages|selectattr('role', '==', 'user')|list
(messages|selectattr('role', 'eq', 'user'))[0]
(messages|selectattr('role', 'eq', 'user')|list)[-1].content
(nums|map('string'))|length
(nums|select('gt', 100)) and 'truthy'
messages|map(attribute='content')|first
d|list
s|list
d.keys()|list
d.values()|list
d.items()
d.keys()
d.items()|list
d.items()[0]
d.items()|length
d.items()|first
d.get('b')
d.get('zz')
d.get('zz', 5)
d.get(key='b')
d.copy() == d
d|attr('b')
d|attr('items')
s|attr('upper')
range(3)
range(3)|list
range(1, 4)|list
range(5, 0, -2)|list
range(0)|list
range(3)[1]
range(10)[2:4]|list
range(1, 2, 0)
range(1000000)
range('a')
range(3) == [0, 1, 2]
3 in range(5)
s.strip('H')
pad.strip()
pad.lstrip()
pad.rstrip()
pad.strip(none)
s.split()
s.split(', ')
s.split('l', 1)
s.split('')
'a b  c '.split(' ')
' a b  c '.split()
' a b  c d '.split(none, 2)
' a b  c d '.rsplit(none, 1)
'a,b,c'.rsplit(',', 1)
'a,b,c'.split(',', maxsplit=1)
'a--b--c'.rsplit('--')
'aaa'.rsplit('aa')
'aaa'.split('aa')
multi.splitlines()
'a\r\nb\rc\n'.splitlines(true)
''.splitlines()
''.split()
''.split(',')
s.startswith('Hell')
s.startswith(('x', 'H'))
s.endswith('World')
s.endswith('x')
s.startswith('ello', 1)
s.startswith(5)
s.upper()
s.lower()
s.title()
"it's x2y".title()
s.capitalize()
s.swapcase()
s.replace('l', 'L')
s.replace('l', 'L', 2)
s.find('o')
s.find('zz')
s.rfind('o')
u.find('你')
u.rfind('l')
u.find('')
s.find('o', 5)
s.find('o', -4)
s.index('o')
s.index('zz')
s.count('l')
s.count('')
s.count('l', 4)
'aaaa'.count('aa')
', '.join(words)
', '.join(nums)
''.join([])
s.removeprefix('Hello')
s.removesuffix('World')
s.removesuffix('x')
'123'.isdigit()
'²'.isdigit()
'²'.isdecimal()
'½'.isnumeric()
'abc'.isalpha()
'abc1'.isalnum()
''.isalpha()
'你好'.isalpha()
' \t'.isspace()
'ABC'.isupper()
'abc'.islower()
'Abc Def'.istitle()
'abc'.isascii()
u.isascii()
'abc_1'.isidentifier()
'1abc'.isidentifier()
'a\x00'.isprintable()
'abc'.center(8, '*')
'abcd'.center(7)
'abc'.center(6)
'abc'.ljust(5) ~ '|'
'abc'.rjust(5)
'42'.zfill(5)
'-42'.zfill(5)
'a=b=c'.partition('=')
'a=b=c'.rpartition('=')
'abc'.partition('=')
'a\tb'.expandtabs(4)
'{} {}'.format(1, 'a')
'{0} {1} {0}'.format('x', 'y')
'{name:>5}|{v:<5}|{v:^5}|{v:*^5}'.format(name='a', v='b')
'{:05d} {:.2f} {:,} {:x} {:%} {:e} {:+}'.format(42, 3.14159, 1234567, 255, 0.25, 12345.0, 5)
'{!r} {!s}'.format('a', 'b')
'{0.b} {0[a]}'.format(d)
'{{}}'.format()
'{'.format()
'{}'.format()
'{:{w}}'.format('a', w=4)
'{.__class__}'.format(s)
'{:d}'.format('a')
'{:,.1f}'.format(1234567.891)
'{:g} {:g}'.format(0.00001, 1e10)
'{:b} {:o} {:#x}'.format(5, 8, 255)
'{:08.3f}'.format(-3.14159)
nums.index(2)
nums.index(9)
nums.count(1)
(1, 2, 1).count(1)
dict(a=1, b=2)
dict({'a': 1}, b=2)
dict([('a', 1)])
dict(nums)
namespace(a=1).a
namespace(a=1).b
namespace({'a': 1}).a
namespace(_a=1)
namespace(a=1)['a']
namespace(a=1)
cycler('a', 'b').next()
joiner(',')() ~ 'x'
strftime_now('%Y-%m-%d %H:%M:%S')
strftime_now('%d %b %Y')
strftime_now('%B %A %j %%')
raise_exception('boom')
raise_exception()
raise_exception('with ' ~ n)
[1, [2, 'x'], {'k': none}]
(1,)
()
[]
{}
{'a': 'it\'s', "b": "q\"", 1: [2], none: true}
['\n', '\t', '\\', '\x00', 'é', '\u200b', '\U0001f642', "'", '"', '\'"']
quote
[quote]
[1.0, 1e16, 1e-5, -0.0, 2.50]
[foo]
'\x41\u00e9\U0001f642\101\n\t\\\'\"\q'
"a\
b"
'a\'b'
nosuchfunc()
s()
loop is defined
[1,2,][1]
{'a': 1,}['a']
{'a': 1, 'a': 2}
{1: 'a', 1.0: 'b', true: 'c'}
{[]: 1}
{foo: 1}
d[['a']] is defined
1 is
1 +
(1
[1, 2
{'a' 1}
a b
1 2
'unclosed
s|nosuch
s|upper(1)
s|trim(chars=none)
(s|nosuch) if false
s..x
d.0
nums.0
nested.1.1.0
n and not z
n if z else s
-5|abs
-n|abs
+n
- -3
not n == 7
1 + -1
2 * -3
'a' if n is odd else 'b'
n in [1] or n == 7
[x]
*nums
s | upper | lower
s|upper|length
'a|b'|replace('|', '-')
1.5.x
.5
5.
0777
1__0
@
$x
x = 1
x == 
{{ 1 }}
{% 1 %}
users[0].tags[0]
users[2].tags[0]
users[2].tags
users|map(attribute='tags')|map('length')|list
nums is not sequence
'abc' is in 'xabcx'
3 is divisibleby 0
nums | list | length > 2 and true
(nums | length) ~ '/' ~ (words | length)
s[1:3] ~ s[-1:]
s[n:]
s['a':]
s[::0]
d[1:2]
messages[::-1][0].content
messages[1:]|length
messages[-1]['content'].split('')[0]
(messages | last).role
messages[0]['role'] == 'system'
'</think>' in 'a</think>b' and 'a</think>b'.split('</think>')[-1]
'x</think>y'.split('</think>')[0].rstrip('\n').split('<think>')[-1].lstrip('\n')
tool.function.parameters.properties.items()|list
tool.function.parameters.properties|items|list
tool.function.parameters|length
tool['function']['parameters']['required']|join(', ')
tool.function.name is string and tool.function.parameters is mapping
none is mapping
true is sameas 1
d is sameas d
3|default(5, boolean=False)
'a'.__len__()
'abc'.nope|default('dflt')
[[1, 2], [3, 4]]|map('sum')|list
[[1, 2], [3, 4]]|map('first')|sum
['x', 'y']|map('upper')|list|tojson
[3, 1]|sort|first
"%.3f"|format(3.14159)
'%s' % ('a',)
'%-10s|' % 'left'
'%+.1e' % 12345.678
1.0 == 1 and 1.0 is sameas 1
1e308 * 10
1e308 * 10 - 1e308 * 10
2 ** 0.5
10 ** 18
'ǆ'|title
'a' < 1
[] < {}
{} == []
not foo
foo or 'dflt'
foo and 'x'
foo is string
foo|upper
foo|trim
foo|list
foo|string
foo|replace('a', 'b')
foo|e
foo|wordcount
foo|sort
foo|map('upper')|list
foo|sum
foo|unique|list
foo|title
foo|capitalize
foo|indent
foo|round
foo|abs
foo|float
foo|dictsort
nil|upper
nil|trim
nil|join
nil|list
nil|first
nil|replace('N', 'n')
nil|map('upper')|list
nil|map|list
0|select|list
nil|selectattr('x')|list
nil|rejectattr|list
5|map('upper')|list
5|select|list
nil|sort
nil|unique|list
nil|sum
nil|items|list
nil|batch(2)|list
nil|reverse|list
nil|length
nil|min
nil|groupby('x')|list
nil|default('x')|upper
nil|tojson
nil|string
n|upper
n|trim
n|join
n|first
nums|upper
nums|trim
nums|string|length
d|join(',')
d|upper
d|max
d|sum
t|upper
t|int
'null'|tojson
s|attr('nope')
s|attr('__class__')
s|items
nums|dictsort
nums|selectattr('x')|list
'x'|center(5) ~ '|'
'a'|safe ~ '<b>'
nums|batch(0)|list
nums|slice(0)|list
u|title
u.title()
u|capitalize
u|wordcount
u.center(20, '·')
u|truncate(8, true)
u|center(24)
"tab\there"|tojson
'\u00ad'|string
['\u00ad', '\u0600', '\ue000', '\u3000', '\xa0']
'ß'.title() ~ 'ŉ'
'İ'|lower|length
'ÀÉ'|lower
'naïve café'|title
""" + "'\\N{DASH}'\n'\\xZ'\n"

# Whole templates.
TEMPLATES = [
    "", "plain", "plain\n", "plain\n\n", "a\r\nb\rc", "{{ '' }}\n", "{{ s }}\n\n", "{% if true %}\nx\n{% endif %}\ny",
    "  {% if true %}\n  x\n  {% endif %}\n  y\n", "  {%+ if true %}\n  x{%+ endif %}", "{% if true +%}\nx{% endif %}",
    "a  {%- if true -%}  x  {%- endif -%}  b", "a {{- ' x ' -}} b", "a {{+ 1 }}", "a\n\n {{- 1 -}} \n\n b",
    "a {# c #} b", "a {#- c -#} b", "  {# c #}\nx", "x {# c #}\ny", "{# a #}{# b #}\n\nz", "{# {{ x }} {% if %} #}ok",
    "{# unclosed", "{#-#}x", "a\n  {#+ c +#}\nb", "{% raw %}{{ x }}{% if %}{% endraw %}", "{% raw %}\n a\n{% endraw %}\nb",
    "a {%- raw -%}  x {{ y }}  {%- endraw -%}  b", "  {% raw %}x{% endraw %}\n  y", "{% raw %}", "{% raw %}x\n   {% endraw %}y",
    "{%raw%}{%endraw%}x", "{% raw %} {% endraw x %}{% endraw %}", "{%- raw %} a {% endraw -%} b", "{{", "{%", "{{ 1", "{% if %}",
    "{% if 1 %}", "{% endif %}", "{% nope %}", "{% if 1 %}a{% elif 0 %}b{% else %}c{% endif %}", "}} %} #}", "{ { x } }", "{{ '}}' }}",
    "{{ '%}' }}{% if '%}' %}x{% endif %}", "{{ {'a': {'b': 1}} }}", "{{ {'a': {'b': 1}}}}", "{{ [[1]] }}", "{{ ]", "{{ (] }}",
    "\t {% set x = 1 %}\n{{ x }}", "x {% set y = 1 %}\n {{ y }}", "{% set x = 1 %}\n\n{{ x }}", "a\n{% set x = 1 %}   \nb",
    "{%- set x = 1 -%}\n\n  {{ x }}", "\u2003{% set x = 1 %}y", "{% if a %}1{% elif n == 7 %}2{% else %}3{% endif %}",
    "{% for x in nums %}{{ x }},{% endfor %}", "{% for x in nums %}{{ loop.index }}{{ loop.index0 }}{{ loop.first }}{{ loop.last }}"
    "{{ loop.length }}{{ loop.revindex }}{{ loop.revindex0 }};{% endfor %}", "{% for x in [] %}a{% else %}none{% endfor %}",
    "{% for x in nums if x > 1 %}{{ loop.index }}/{{ loop.length }}:{{ x }} {% else %}e{% endfor %}",
    "{% for x in nums if x > 9 %}{{ x }}{% else %}e{% endfor %}", "{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}",
    "{% for k in d %}{{ k }}{% endfor %}", "{% for c in 'héy' %}[{{ c }}]{% endfor %}", "{% for x in foo %}a{% else %}b{% endfor %}",
    "{% for x in none %}a{% endfor %}", "{% for x in 5 %}a{% endfor %}", "{% for a, b in [(1, 2), [3, 4]] %}{{ a }}{{ b }}{% endfor %}",
    "{% for a, b in [1] %}{% endfor %}", "{% for a, b in [(1, 2, 3)] %}{% endfor %}", "{% for a, b in ['xy'] %}{{ b }}{{ a }}{% endfor %}",
    "{% for x in nums %}{% if x == 1 %}{% continue %}{% endif %}{{ x }}{% endfor %}",
    "{% for x in nums %}{% if x == 1 %}{% break %}{% endif %}{{ x }}{% else %}E{% endfor %}", "{% break %}", "{% continue %}",
    "{% for x in nums %}{% for y in nums %}{% if y == 1 %}{% break %}{% endif %}{{ x }}{{ y }} {% endfor %}{% endfor %}",
    "{% for x in nums %}{{ loop.previtem }}<{{ x }}>{{ loop.nextitem }} {% endfor %}", "{% for x in nums %}{{ loop.cycle('a', 'b') }}{% endfor %}",
    "{% for x in [1, 1, 2, 2, 1] %}{{ loop.changed(x) }} {% endfor %}", "{% for x in nums %}{{ loop.cycle() }}{% endfor %}",
    "{% for x in nums %}{{ loop }}{% endfor %}", "{% for x in nums %}{{ loop.nope }}{{ loop['index'] }}{% endfor %}{{ loop }}",
    "{% for x in nums %}{{ loop|length }}{% endfor %}", "{% for x in nums|map('string') %}{{ loop.length }}{{ loop.last }}{% endfor %}",
    "{% for x in tree recursive %}{{ x.v }}({{ loop.depth }}{{ loop(x.kids) }}){% endfor %}",
    "{% for x in tree recursive %}{{ x.v }}{% if x.kids %}[{{ loop(x.kids) }}]{% else %}.{% endif %}{% endfor %}",
    "{% for x in nums %}{{ loop(x) }}{% endfor %}", "{% for loop in nums %}{% endfor %}", "{% for x in range(3) %}{% for y in range(2) %}"
    "{{ loop.index }}{% endfor %}{{ loop.index }} {% endfor %}", "{% set x = 1 %}{% for i in nums %}{% set x = i %}{{ x }}{% endfor %}{{ x }}",
    "{% set x = 0 %}{% for i in nums %}{{ x }}{% set x = x + i %}{{ x }} {% endfor %}{{ x }}", "{% for i in nums %}{% set y = i %}{% endfor %}{{ y }}",
    "{% set ns = namespace(c=0) %}{% for i in nums %}{% set ns.c = ns.c + i %}{% endfor %}{{ ns.c }}", "{% set d.x = 1 %}", "{% set foo.x = 1 %}",
    "{% set ns = namespace() %}{% set ns.a, b = 1, 2 %}{{ ns.a }}{{ b }}", "{% set ns = namespace() %}{% set ns._a = 1 %}", "{% set ns = namespace(a=[]) %}"
    "{% set ns.a = ns.a + [1] %}{{ ns.a }}{{ ns }}", "{% set a, b = 1, 2 %}{{ a }}{{ b }}", "{% set a, b = [1] %}", "{% set (a, b) = (1, 2) %}{{ a + b }}",
    "{% set a = 1, 2 %}{{ a }}", "{% set x %}a{{ n }}b{% endset %}[{{ x }}]", "{% set x | upper %}abc{% endset %}{{ x }}",
    "{% set x | replace('a', 'z') | upper %}abc{% endset %}{{ x }}", "{% set x %}{% set y = 1 %}{% endset %}{{ y }}", "{% set 1 = 2 %}", "{% set x.y.z = 2 %}",
    "{% set x %}", "{% set true = 1 %}", "{% if true %}{% set x = 1 %}{% endif %}{{ x }}", "{% if false %}{% set n = 1 %}{% endif %}{{ n }}",
    "{% with a = 1, b = 2 %}{{ a }}{{ b }}{% endwith %}{{ a }}", "{% with a = 1 %}{% with b = a + 1 %}{{ b }}{% endwith %}{% endwith %}",
    "{% set a = 5 %}{% with a = 1, b = a %}{{ b }}{% endwith %}", "{% with %}{% set q = 1 %}{{ q }}{% endwith %}{{ q }}",
    "{% macro m(a, b=2) %}{{ a }}-{{ b }}{% endmacro %}{{ m(1) }} {{ m(1, 3) }} {{ m(b=5, a=4) }} {{ m() }}", "{% macro m(a) %}{{ a is defined }}{% endmacro %}{{ m() }}",
    "{% macro m(a) %}{% endmacro %}{{ m(1, 2) }}", "{% macro m(a) %}{% endmacro %}{{ m(x=2) }}", "{% macro m() %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, 2, x=3) }}",
    "{% macro m(a, b=a) %}{{ b }}{% endmacro %}{{ m(3) }}", "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, a=2) }}", "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(*[1]) }}{{ m(**{'a': 2}) }}",
    "{% macro m(n) %}{{ n }}{% if n > 0 %}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(5) }}", "{% macro m() %}{{ x }}{% endmacro %}{% set x = 1 %}{{ m() }}{% set x = 2 %}{{ m() }}",
    "{% macro m() %}{% set n = 99 %}{{ n }}{% endmacro %}{{ m() }}{{ n }}", "{% macro m() %}{{ caller() }}{% endmacro %}{% call m() %}body{% endcall %}",
    "{% macro m() %}<{{ caller(1, 2) }}>{% endmacro %}{% call(a, b) m() %}{{ a }}{{ b }}{{ n }}{% endcall %}", "{% macro m() %}{% endmacro %}{% call m() %}x{% endcall %}",
    "{% macro m() %}{{ caller() }}{% endmacro %}{{ m() }}", "{% macro m(x) %}{{ x }}{{ caller is defined }}{{ caller() if caller }}{% endmacro %}{{ m(1) }}{% call m(2) %}c{% endcall %}",
    "{% call n %}{% endcall %}", "{% macro m(a=1, b) %}{% endmacro %}", "{% macro m(a, a) %}{{ a }}{% endmacro %}x", "{% macro m(x) %}{{ x }}{% endmacro %}{{ m }}{{ m.name }}{{ m.arguments }}",
    "{% macro m(x) -%}\n  {{ x }}\n{%- endmacro %}[{{ m('a') }}]", "{% for i in nums %}{% macro m() %}{{ i }}{% endmacro %}{{ m() }}{% endfor %}", "{{ m() }}{% macro m() %}x{% endmacro %}",
    "{% macro m() %}{{ loop is defined }}{% endmacro %}{% for i in nums %}{{ m() }}{% endfor %}", "{% macro a() %}{{ b() }}{% endmacro %}{% macro b() %}B{% endmacro %}{{ a() }}",
    "{% macro m() %}{% for x in nums %}{% if x == 1 %}{% break %}{% endif %}{{ x }}{% endfor %}{% endmacro %}{{ m() }}", "{% for x in nums %}{% macro m() %}{% break %}{% endmacro %}{% endfor %}",
    "{% filter upper %}abc{{ s }}{% endfilter %}", "{% filter replace('a', 'b') | upper %}aaa{% endfilter %}", "{% filter nosuch %}{% endfilter %}", "{% filter upper %}{% set q = 1 %}{% endfilter %}{{ q }}",
    "{% print 1 %}", "{% print 1, 2 %}", "{% if foo is defined and foo.bar %}a{% else %}b{% endif %}", "{% if n|nosuch %}{% endif %}", "{% if false %}{{ n|nosuch }}{% endif %}ok",
    "{% if false %}{{ n is nosuch }}{% endif %}ok", "{{ n|nosuch if false else 1 }}", "{% if true %}{{ raise_exception('no ' ~ s) }}{% endif %}",
    "{% for m in messages %}{% if loop.index0 % 2 == 5 %}{{ raise_exception('x') }}{% endif %}{{ m['role'] }}: {{ m['content'] | trim }}\n{% endfor %}",
    "{% generation %}abc{% endgeneration %}", "a{% generation %}{% set q = 1 %}{{ q }}{% endgeneration %}{{ q }}", "{% generation %}", "{%- generation -%} x {%- endgeneration -%} y",
    "{% for x in nums %}{% generation %}{% break %}{% endgeneration %}{% endfor %}", "{% for x in nums %}{% generation %}{{ loop.index }}{{ x }}{% endgeneration %},{% endfor %}",
    "{% for x in nums %}{% set block %}{% if x == 1 %}{% continue %}{% endif %}{{ x }}{% endset %}[{{ block }}]{% endfor %}", "{% autoescape_x %}", "{% set c = cycler('a', 'b') %}{{ c.next() }}{{ c.next() }}"
    "{{ c.next() }}{{ c.current }}{{ c.reset() }}{{ c.current }}", "{% set j = joiner('|') %}{% for x in nums %}{{ j() }}{{ x }}{% endfor %}", "{{ cycler() }}",
    "{% set it = nums|map('string') %}{{ it|list }}{{ it|list }}", "{% set ns = namespace(x=none) %}{% set ns.x = ns %}{{ ns.x.x.x is defined }}", "{% if %}x{% endif %}", "{% for %}{% endfor %}",
    "{% for x %}{% endfor %}", "{% for x in %}{% endfor %}", "{% for x.y in nums %}{% endfor %}", "{% for x in nums %}", "{% for x in nums %}{% endif %}", "{% if 1 %}{% endfor %}", "{% macro %}{% endmacro %}",
    "{% for i in nums -%}\n  {{ i }}\n{%- endfor %}", "{% for i in nums %}\n{{ i }}\n{% endfor %}\n", "{%- for i in nums %}\n{{- i }}\n{%- endfor %}\n", "{% for i in nums %}{{ i }}{% if not loop.last %}, {% endif %}{% endfor %}",
    "{% for x in 1, 2, 3 %}{{ x }}{% endfor %}", "{% for x in nums + [9] %}{{ x }}{% endfor %}", "{% for x in (nums if n else []) %}{{ x }}{% endfor %}", "{% for (a, b) in [(1, 2)] %}{{ a }}{{ b }}{% endfor %}",
    "{% for u in users|groupby('age') %}{{ u.grouper }}:{{ u.list|length }} {% endfor %}", "{% for age, us in users|groupby('age') %}{{ age }}:{{ us|map(attribute='name')|join(',') }} {% endfor %}",
    "{% for row in [1, 2, 3]|batch(2) %}{{ row }}{% endfor %}", "{% for k, v in d|dictsort %}{{ k }}{% endfor %}", "{% for k, v in d|items %}{{ k }}{% endfor %}", "{{ 'a\r\nb' }}", "{{ \"\\r\\n\"|tojson }}",
    "{% set system = messages[0].content if messages[0].role == 'system' else '' %}{{ system }}", "{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}{% else %}{% set loop_messages = messages %}{% endif %}"
    "{{ loop_messages|length }}", "{%- set ns = namespace(last=messages|length - 1) %}{%- for m in messages[::-1] %}{%- set index = (messages|length - 1) - loop.index0 %}{%- if m.role == 'user' and not ns.found %}"
    "{%- set ns.last = index %}{%- set ns.found = true %}{%- endif %}{%- endfor %}{{ ns.last }}", "{% set x = 'a' %}{% set x = x ~ 'b' %}{{ x }}", "é{{ 'ü' }}你{% if true %}好{% endif %}", "{{ 'x' -}}\n y", "{{ 'x' }}\n y",
    "{{-1}}", "{{ -1 }}", "{{+1}}", "{%if n%}x{%endif%}", "{%-if n-%} x {%-endif-%}", "{% if (n) %}x{% endif %}", "{% if n,%}x{% endif %}", "{{ 1, 2 }}", "{{ }}", "{% set x = %}", "{{ x := 1 }}", "{% set x = 1 if true %}{{ x }}",
    "a{% if true %} {% endif %}b", " {{ 1 }} {{ 2 }} ", "{% set _ = nums.append(4) %}", "{{ nums.append }}x", "{{ [].extend is defined }}", "{% set x = [] %}{% set x = x + [1] %}{{ x }}", "{{ foo.bar.baz }}", "{{ d.missing }}x",
    "{{ d.missing.deep }}", "{% if d.missing %}a{% else %}b{% endif %}", "{{ messages[9].content }}", "{{ messages[0].tool_calls is defined }}{{ messages[0].tool_calls is not none }}", "{{ 'x' if messages[0].tool_calls else 'y' }}",
    "{% for t in messages[0].tool_calls %}x{% endfor %}ok", "{{ messages[0].get('tool_calls', []) }}", "{{ s[:5] + '...' if s|length > 5 else s }}", "{{ '<|' ~ messages[1].role ~ '|>\\n' }}{{ \"\\n\" }}x", "{{ '\\\\n' }}",
]

CASES = ["{{ " + line + " }}" for line in EXPRESSIONS.strip("\n").split("\n") if line != '"a\\' and line != 'b"'] + TEMPLATES
