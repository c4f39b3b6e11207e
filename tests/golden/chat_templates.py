"""Chat templates for make_chat_templates.py, written for it in the shape of those that models ship, and the
conversations they are rendered over."""

CHATML = """{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\\n' + m['content'] + '<|im_end|>' + '\\n' }}{% endfor %}
{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"""

LLAMA2 = """{% if messages[0]['role'] == 'system' %}{% set turns = messages[1:] %}{% set sys = messages[0]['content'] %}
{% else %}{% set turns = messages %}{% set sys = false %}{% endif %}
{% for m in turns %}
{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}
{{ raise_exception('Roles must alternate user/assistant, got ' ~ m['role'] ~ ' at ' ~ loop.index0) }}
{% endif %}
{% if loop.first and sys is not false %}{% set text = '<<SYS>>\\n' + sys + '\\n<</SYS>>\\n\\n' + m['content'] %}
{% else %}{% set text = m['content'] %}{% endif %}
{% if m['role'] == 'user' %}{{ bos_token + '[INST] ' + text.strip() + ' [/INST]' }}
{% elif m['role'] == 'assistant' %}{{ ' ' + text.strip() + ' ' + eos_token }}{% endif %}
{% endfor %}"""

LLAMA3 = """{{- bos_token }}
{%- if not date_string is defined %}{%- set date_string = strftime_now("%d %b %Y") %}{%- endif %}
{%- if messages[0].role == 'system' %}
    {%- set system = messages[0].content | trim %}
    {%- set messages = messages[1:] %}
{%- else %}{%- set system = "" %}{%- endif %}
{{- "<|start_header_id|>system<|end_header_id|>\\n\\n" }}
{%- if tools is not none %}{{- "Environment: ipython\\n" }}{%- endif %}
{{- "Today: " + date_string + "\\n\\n" }}
{%- if tools is not none and not in_user %}
    {{- "Answer with a call as JSON.\\n\\n" }}
    {%- for t in tools %}{{- t | tojson(indent=4) }}{{- "\\n\\n" }}{%- endfor %}
{%- endif %}
{{- system }}{{- "<|eot_id|>" }}
{%- for m in messages %}
    {%- if not (m.role == 'ipython' or m.role == 'tool' or 'tool_calls' in m) %}
        {{- '<|start_header_id|>' + m['role'] + '<|end_header_id|>\\n\\n' + m['content'] | trim + '<|eot_id|>' }}
    {%- elif 'tool_calls' in m %}
        {%- if not m.tool_calls|length == 1 %}{{- raise_exception("Only one call at once!") }}{%- endif %}
        {%- set call = m.tool_calls[0].function %}
        {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n{"name": "' + call.name + '", "parameters": ' }}
        {{- call.arguments | tojson }}{{- "}<|eot_id|>" }}
    {%- else %}
        {{- "<|start_header_id|>ipython<|end_header_id|>\\n\\n" }}
        {%- if m.content is mapping or m.content is iterable %}{{- m.content | tojson }}{%- else %}{{- m.content }}{%- endif %}
        {{- "<|eot_id|>" }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{%- endif %}
"""

MISTRAL_V1 = """{{ bos_token }}{% for message in messages %}{% if message['role'] == 'user' %}{{ '[INST] ' + message['content'] + ' [/INST]' }}
{%- elif message['role'] == 'assistant' %}{{ message['content'] + eos_token }}{% else %}
{{- raise_exception('Only user and assistant roles are supported!') }}{% endif %}{% endfor %}"""

MISTRAL_V3 = """{%- if messages[0]["role"] == "system" %}{%- set system_message = messages[0]["content"] %}
    {%- set loop_messages = messages[1:] %}
{%- else %}{%- set loop_messages = messages %}{%- endif %}
{%- if not tools is defined %}{%- set tools = none %}{%- endif %}
{%- set user_messages = loop_messages | selectattr("role", "equalto", "user") | list %}
{%- set ns = namespace(index=0) %}
{%- for message in loop_messages %}
    {%- if not (message.role == "tool" or (message.tool_calls is defined and message.tool_calls is not none)) %}
        {%- if (message["role"] == "user") != (ns.index % 2 == 0) %}
            {{- raise_exception("After the optional system message, roles must alternate") }}
        {%- endif %}
        {%- set ns.index = ns.index + 1 %}
    {%- endif %}
{%- endfor %}
{{- bos_token }}
{%- for message in loop_messages %}
    {%- if message["role"] == "user" %}
        {%- if tools is not none and (message == user_messages[-1]) %}
            {{- "[AVAILABLE_TOOLS] [" }}
            {%- for tool in tools %}{%- set tool = tool.function %}
                {{- '{"type": "function", "function": {' }}
                {%- for key, val in tool.items() if key != "return" %}
                    {%- if val is string %}{{- '"' + key + '": "' + val + '"' }}
                    {%- else %}{{- '"' + key + '": ' + val|tojson }}{%- endif %}
                    {%- if not loop.last %}{{- ", " }}{%- endif %}
                {%- endfor %}
                {{- "}}" }}{%- if not loop.last %}{{- ", " }}{%- else %}{{- "]" }}{%- endif %}
            {%- endfor %}{{- "[/AVAILABLE_TOOLS]" }}
        {%- endif %}
        {%- if loop.last and system_message is defined %}{{- "[INST] " + system_message + "\\n\\n" + message["content"] + "[/INST]" }}
        {%- else %}{{- "[INST] " + message["content"] + "[/INST]" }}{%- endif %}
    {%- elif message.tool_calls is defined and message.tool_calls is not none %}
        {{- "[TOOL_CALLS] [" }}
        {%- for tool_call in message.tool_calls %}
            {%- set out = tool_call.function|tojson %}{{- out[:-1] }}
            {%- if not tool_call.id is defined or tool_call.id|length != 9 %}{{- raise_exception("Ids have length 9!") }}{%- endif %}
            {{- ', "id": "' + tool_call.id + '"}' }}{%- if not loop.last %}{{- ", " }}{%- else %}{{- "]" + eos_token }}{%- endif %}
        {%- endfor %}
    {%- elif message["role"] == "assistant" %}{{- " " + message["content"]|trim + eos_token }}
    {%- elif message["role"] in ["tool_results", "tool"] %}
        {%- set content = message.content.content if message.content is mapping and message.content.content is defined else message.content %}
        {{- '[TOOL_RESULTS] {"content": ' + content|string + ", " }}{{- '"call_id": "' + message.tool_call_id|default('none') + '"}[/TOOL_RESULTS]' }}
    {%- else %}{{- raise_exception("Unknown role " + message.role) }}{%- endif %}
{%- endfor %}"""

QWEN_TOOLS = """{{- "# Tools\\n\\nYou may call functions.\\n\\n<tools>" }}
    {%- for tool in tools %}{{- "\\n" }}{{- tool | tojson }}{%- endfor %}
    {{- "\\n</tools>\\n\\nAnswer <tool_call>\\n{\\"name\\": <name>, \\"arguments\\": <json>}\\n</tool_call><|im_end|>\\n" }}"""

QWEN_RESULTS = """{%- elif message.role == "tool" %}
        {%- if (loop.index0 == 0) or (messages[loop.index0 - 1].role != "tool") %}{{- '<|im_start|>user' }}{%- endif %}
        {{- '\\n<tool_response>\\n' }}{{- message.content }}{{- '\\n</tool_response>' }}
        {%- if loop.last or (messages[loop.index0 + 1].role != "tool") %}{{- '<|im_end|>\\n' }}{%- endif %}"""

QWEN25 = """{%- if tools %}
    {{- '<|im_start|>system\\n' }}
    {%- if messages[0]['role'] == 'system' %}{{- messages[0]['content'] }}{%- else %}{{- 'Be helpful.' }}{%- endif %}
    {{- "\\n\\n" }}""" + QWEN_TOOLS + """
{%- else %}
    {%- if messages[0]['role'] == 'system' %}{{- '<|im_start|>system\\n' + messages[0]['content'] + '<|im_end|>\\n' }}
    {%- else %}{{- '<|im_start|>system\\nBe helpful.<|im_end|>\\n' }}{%- endif %}
{%- endif %}
{%- for message in messages %}
    {%- if (message.role == "user") or (message.role == "system" and not loop.first) or (message.role == "assistant" and not message.tool_calls) %}
        {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>' + '\\n' }}
    {%- elif message.role == "assistant" %}
        {{- '<|im_start|>' + message.role }}
        {%- if message.content %}{{- '\\n' + message.content }}{%- endif %}
        {%- for tool_call in message.tool_calls %}
            {%- if tool_call.function is defined %}{%- set tool_call = tool_call.function %}{%- endif %}
            {{- '\\n<tool_call>\\n{"name": "' }}{{- tool_call.name }}{{- '", "arguments": ' }}{{- tool_call.arguments | tojson }}{{- '}\\n</tool_call>' }}
        {%- endfor %}
        {{- '<|im_end|>\\n' }}
    """ + QWEN_RESULTS + """
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}
"""

QWEN3 = """{%- if tools %}
    {{- '<|im_start|>system\\n' }}{%- if messages[0].role == 'system' %}{{- messages[0].content + '\\n\\n' }}{%- endif %}
    """ + QWEN_TOOLS + """
{%- elif messages[0].role == 'system' %}{{- '<|im_start|>system\\n' + messages[0].content + '<|im_end|>\\n' }}{%- endif %}
{%- set ns = namespace(looking=true, last_query=messages|length - 1) %}
{%- for message in messages[::-1] %}
    {%- set index = (messages|length - 1) - loop.index0 %}
    {%- if ns.looking and message.role == "user" and message.content is string and not (message.content.startswith('<tool_response>') and message.content.endswith('</tool_response>')) %}
        {%- set ns.looking = false %}{%- set ns.last_query = index %}
    {%- endif %}
{%- endfor %}
{%- for message in messages %}
    {%- if message.content is string %}{%- set content = message.content %}{%- else %}{%- set content = '' %}{%- endif %}
    {%- if (message.role == "user") or (message.role == "system" and not loop.first) %}
        {{- '<|im_start|>' + message.role + '\\n' + content + '<|im_end|>' + '\\n' }}
    {%- elif message.role == "assistant" %}
        {%- set reasoning = '' %}
        {%- if message.reasoning_content is string %}{%- set reasoning = message.reasoning_content %}
        {%- elif '</think>' in content %}
            {%- set reasoning = content.split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n') %}
            {%- set content = content.split('</think>')[-1].lstrip('\\n') %}
        {%- endif %}
        {%- if loop.index0 > ns.last_query and (loop.last or reasoning) %}
            {{- '<|im_start|>assistant\\n<think>\\n' + reasoning.strip('\\n') + '\\n</think>\\n\\n' + content.lstrip('\\n') }}
        {%- else %}{{- '<|im_start|>assistant\\n' + content }}{%- endif %}
        {%- if message.tool_calls %}
            {%- for tool_call in message.tool_calls %}
                {%- if (loop.first and content) or (not loop.first) %}{{- '\\n' }}{%- endif %}
                {%- if tool_call.function %}{%- set tool_call = tool_call.function %}{%- endif %}
                {{- '<tool_call>\\n{"name": "' }}{{- tool_call.name }}{{- '", "arguments": ' }}
                {%- if tool_call.arguments is string %}{{- tool_call.arguments }}{%- else %}{{- tool_call.arguments | tojson }}{%- endif %}
                {{- '}\\n</tool_call>' }}
            {%- endfor %}
        {%- endif %}
        {{- '<|im_end|>\\n' }}
    """ + QWEN_RESULTS + """
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}{{- '<think>\\n\\n</think>\\n\\n' }}{%- endif %}
{%- endif %}"""

# The trainer's form: what the assistant wrote stands in generation blocks.
MINIMIND2 = """{% if messages[0]['role'] == 'system' %}{{ '<|im_start|>system\\n' + messages[0]['content'] + '<|im_end|>\\n' }}
{%- else %}{{ '<|im_start|>system\\nYou are a helpful assistant<|im_end|>\\n' }}{% endif %}
{%- for message in messages %}
{%- if message['role'] == 'user' %}{{ '<|im_start|>user\\n' + message['content'] + '<|im_end|>\\n' }}
{%- elif message['role'] == 'assistant' %}{{ '<|im_start|>assistant\\n' }}
{%- generation %}{{ message['content'] + '<|im_end|>' }}{% endgeneration %}{{ '\\n' }}{% endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% if enable_thinking is defined and not enable_thinking %}{{ '<think>\\n\\n</think>\\n\\n' }}{% endif %}{% endif %}"""

MINIMIND3 = """{%- macro calls(message) %}
    {%- for call in message.tool_calls %}
        {%- set call = call.function if call.function else call %}
        {{- '\\n<tool_call>\\n{"name": "' ~ call.name ~ '", "arguments": ' }}
        {{- (call.arguments if call.arguments is string else call.arguments | tojson) ~ '}\\n</tool_call>' }}
    {%- endfor %}
{%- endmacro %}
{%- if tools %}{{- '<|im_start|>system\\n' }}
    {%- if messages[0].role == 'system' %}{{- messages[0].content ~ '\\n\\n' }}{%- endif %}
    """ + QWEN_TOOLS + """
{%- elif messages[0].role == 'system' %}{{- '<|im_start|>system\\n' ~ messages[0].content ~ '<|im_end|>\\n' }}{%- endif %}
{%- for message in messages %}
    {%- set content = message.content if message.content is string else '' %}
    {%- if message.role == 'user' or (message.role == 'system' and not loop.first) %}
        {{- '<|im_start|>' ~ message.role ~ '\\n' ~ content ~ '<|im_end|>\\n' }}
    {%- elif message.role == 'assistant' %}
        {%- set reasoning = message.reasoning_content | default('', true) %}
        {%- if not reasoning and '</think>' in content %}
            {%- set reasoning = content.split('</think>')[0].split('<think>')[-1].strip('\\n') %}
            {%- set content = content.split('</think>')[-1].lstrip('\\n') %}
        {%- endif %}
        {{- '<|im_start|>assistant\\n' }}
        {%- generation %}
        {{- '<think>\\n' ~ reasoning ~ '\\n</think>\\n\\n' ~ content ~ calls(message) ~ '<|im_end|>' }}
        {%- endgeneration %}
        {{- '\\n' }}
    """ + QWEN_RESULTS + """
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' ~ ('<think>\\n' if open_thinking else '<think>\\n\\n</think>\\n\\n') }}{%- endif %}"""

GEMMA = """{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}
{%- for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Roles must alternate') }}{% endif %}
{%- set role = 'model' if message['role'] == 'assistant' else message['role'] %}{{ '<start_of_turn>' + role + '\\n' }}
{%- if message['content'] is string %}{{ message['content'] | trim }}
{%- else %}{%- for part in message['content'] %}{% if part['type'] == 'image' %}{{ '<image>' }}{% elif part['type'] == 'text' %}{{ part['text'] | trim }}{% endif %}{% endfor %}{% endif %}{{ '<end_of_turn>\\n' }}{% endfor %}
{%- if add_generation_prompt %}{{ '<start_of_turn>model\\n' }}{% endif %}"""

PHI = """{% for message in messages %}{% if message['role'] == 'system' and message['content'] %}{{'<|system|>\\n' + message['content'] + '<|end|>\\n'}}
{% elif message['role'] == 'user' %}{{'<|user|>\\n' + message['content'] + '<|end|>\\n'}}
{% elif message['role'] == 'assistant' %}{{'<|assistant|>\\n' + message['content'] + '<|end|>\\n'}}{% endif %}{% endfor %}
{% if add_generation_prompt %}{{ '<|assistant|>\\n' }}{% else %}{{ eos_token }}{% endif %}"""

DEEPSEEK = """{% if not add_generation_prompt is defined %}{% set add_generation_prompt = false %}{% endif %}
{%- set ns = namespace(is_first=true, is_tool=false, system='') %}
{%- for message in messages %}{% if message['role'] == 'system' %}
    {%- set ns.system = message['content'] if ns.is_first else ns.system + '\\n\\n' + message['content'] %}{% set ns.is_first = false %}
{%- endif %}{% endfor %}{{ bos_token }}{{ ns.system }}
{%- for message in messages %}
{%- if message['role'] == 'user' %}{% set ns.is_tool = false %}{{ '<｜User｜>' + message['content'] }}{% endif %}
{%- if message['role'] == 'assistant' and message['tool_calls'] %}
    {%- for tool in message['tool_calls'] %}
        {%- if loop.first %}{{ '<｜Assistant｜>' + (message['content'] or '') + '<｜calls｜>' }}{% else %}{{ '\\n' }}{% endif %}
        {{- '<｜call｜>' + tool['type'] + '<｜sep｜>' + tool['function']['name'] + '\\n```json\\n' + tool['function']['arguments'] | tojson + '\\n```' }}
    {%- endfor %}{{ '<｜end｜>' }}
{%- elif message['role'] == 'assistant' %}
    {%- set content = message['content'].split('</think>')[-1] if '</think>' in message['content'] else message['content'] %}
    {{- ('<｜outputs end｜>' if ns.is_tool else '<｜Assistant｜>') + content + '<｜end｜>' }}{% set ns.is_tool = false %}
{%- elif message['role'] == 'tool' %}
    {{- ('\\n' if ns.is_tool else '<｜outputs｜>') + '<｜output｜>' + message['content'] }}{% set ns.is_tool = true %}
{%- endif %}
{%- endfor %}
{%- if add_generation_prompt and not ns.is_tool %}{{ '<｜Assistant｜><think>\\n' }}{% endif %}"""

TYPES = """{%- macro type_of(spec, level=0) -%}
{%- if spec.type == 'object' -%}{
{%- for name, inner in spec.properties | dictsort %}{{ '\\n' + '  ' * (level + 1) }}{{ name }}{{ '' if name in (spec.required or []) else '?' }}: {{ type_of(inner, level + 1) }}{{ ',' if not loop.last }}
{%- if inner.description %} // {{ inner.description | replace('\\n', ' ') | truncate(20, true, '') }}{% endif %}{% endfor -%}
{{ '\\n' + '  ' * level }}}
{%- elif spec.type == 'array' -%}{{ type_of(spec['items'], level) }}[]
{%- elif spec.enum -%}{{ spec.enum | map('tojson') | join(' | ') }}
{%- else -%}{{ spec.type | default('any') }}{%- endif -%}
{%- endmacro -%}
{% for tool in tools or [] -%}
type {{ tool.function.name }} = (_: {{ type_of(tool.function.parameters) }}) => any;
{% endfor -%}
{% for message in messages if message.content -%}
{{ loop.index }}. {{ message.role | capitalize }}: {{ message.content if message.content is string else message.content | selectattr('type', 'equalto', 'text') | map(attribute='text') | join(' ') }}
{% endfor %}"""

TEMPLATES = {"chatml": CHATML, "llama2": LLAMA2, "llama3": LLAMA3, "mistral_v1": MISTRAL_V1, "mistral_v3": MISTRAL_V3,
             "qwen2_5": QWEN25, "qwen3": QWEN3, "minimind2": MINIMIND2, "minimind3": MINIMIND3, "gemma": GEMMA,
             "phi": PHI, "deepseek": DEEPSEEK, "types": TYPES}

TOOLS = [{"type": "function", "function": {
    "name": "get_weather", "description": "The weather at a \"place\", <now> & here: °C\nin lines",
    "parameters": {"type": "object", "properties": {
        "place": {"type": "string", "description": "A city, such as Zürich or 北京, with its country"},
        "unit": {"enum": ["c", "f"]}, "days": {"type": "array", "items": {"type": "integer"}},
        "at": {"type": "object", "properties": {"lat": {"type": "number", "minimum": -90.0}}, "required": []}},
        "required": ["place"]}}},
    {"type": "function", "function": {"name": "noop", "parameters": {"type": "object", "properties": {}}}}]


def call(name, arguments, number=0):
    return {"id": f"call{number:05d}", "type": "function", "function": {"name": name, "arguments": arguments}}


U, A, S = "user", "assistant", "system"


def turns(*pairs):
    return [{"role": role, "content": content} for role, content in pairs]


WEATHER = turns((U, "Weather in Zürich?")) + [
    {"role": A, "content": None, "tool_calls": [call("get_weather", {"place": "Zürich", "unit": "c", "n": 1.0})]},
    {"role": "tool", "content": "{\"t\": 21}", "tool_call_id": "call00000"}]

CONVERSATIONS = [
    {"messages": turns((U, "Hi")), "prompt": True},
    {"messages": turns((U, "Hi"))},
    {"messages": turns((S, "Be brief."), (U, "Hi")), "prompt": True},
    {"messages": turns((S, "Be brief."), (U, "Hi"), (A, "Hello!"), (U, "How?")), "prompt": True},
    {"messages": turns((U, "1+1?"), (A, "2"), (U, "2+2?"), (A, "4"))},
    {"messages": turns((S, "  sys \n"), (U, "  padded\n\n"), (A, "\n\n out  "), (U, "\ttab\r\nline "))},
    {"messages": turns((U, "héllo 你好 🙂 \u200d\u00a0"), (A, "ünï\u0301 <b>&amp;</b> \"q\" 'a' \\n"), (U, "{{ x }} {% if %}"))},
    {"messages": turns((U, ""), (A, ""), (U, "")), "prompt": True},
    {"messages": turns((U, "a"), (U, "b"))},
    {"messages": turns((A, "I start"), (U, "ok")), "prompt": True},
    {"messages": turns((S, "s1"), (U, "u"), (S, "s2"), (A, "a"))},
    {"messages": []},
    {"messages": [{"role": "user"}], "prompt": True},
    {"messages": [{"content": "x"}]},
    {"messages": turns((U, "Q"), (A, "<think>\nhm\n</think>\n\nA"), (U, "Q2"), (A, "<think>\nhmm\n</think>\n\nA2"))},
    {"messages": turns((U, "Q")) + [{"role": A, "content": "A", "reasoning_content": "because\n"}]},
    {"messages": turns((U, "Q")) + [{"role": A, "content": "A", "reasoning": "old name"}] + turns((U, "Q2"))},
    {"messages": turns((U, "Q")) + [{"role": A, "content": "A", "thinking": "t", "reasoning_content": None}]},
    {"messages": turns((U, "Q")), "prompt": True, "options": {"enable_thinking": False}},
    {"messages": turns((U, "Q")), "prompt": True, "options": {"enable_thinking": True, "open_thinking": True}},
    {"messages": turns((U, "Q")), "prompt": True, "options": {"date_string": "1 Jan 2000", "in_user": True}, "tools": True},
    {"messages": turns((U, "Weather in Zürich?")), "prompt": True, "tools": True},
    {"messages": turns((S, "Use tools."), (U, "Weather?")), "prompt": True, "tools": True},
    {"messages": WEATHER, "prompt": True, "tools": True},
    {"messages": WEATHER + turns((A, "21 degrees."), (U, "Thanks")), "prompt": True, "tools": True},
    {"messages": turns((U, "Both")) + [
        {"role": A, "content": "On it", "tool_calls": [call("noop", {}, 1), call("get_weather", {"place": "北京", "days": [1, 2]}, 2)]},
        {"role": "tool", "content": "a", "tool_call_id": "call00001"}, {"role": "tool", "content": "b", "tool_call_id": "call00002"}],
     "prompt": True, "tools": True},
    {"messages": turns((U, "Str")) + [{"role": A, "content": "", "tool_calls": [call("noop", "{\"a\": 1}")]}], "tools": True},
    {"messages": [{"role": U, "content": [{"type": "text", "text": " part 1"}, {"type": "image"}, {"type": "text", "text": "part 2 "}]}],
     "prompt": True},
    {"messages": turns(*[((U, A)[i % 2], f"turn {i}") for i in range(20)]), "prompt": True},
]
