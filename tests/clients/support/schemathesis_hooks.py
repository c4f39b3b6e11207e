"""What JSON Schema cannot say about a request, for Schemathesis.

Its requests follow the schemas, which know neither the model (vocabulary, context) nor rules
between two fields. The server answers 400 to what breaks these, rightly; a fuzzer would call that a
valid request refused. So each request that is meant to be valid is bent to the rules before it is
sent. What is meant to be invalid stays as it is.
"""

import copy

import schemathesis

VOCABULARY = 30  # every model has as many tokens
# Together so small that the longest conversation fits a context of 512, with a token a byte.
MAX_TEXT = 8  # characters of a text
MAX_ITEMS = 3  # prompts, tokens of one, messages, or parts of one
MAX_TOKENS = 8  # of an answer


@schemathesis.hook
def before_call(context, case, kwargs):
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    if isinstance(case.body, dict):
        case.body = fitted(case.body)


def fitted(body):
    body = copy.deepcopy(body)
    fit_vocabulary(body)
    fit_context(body)
    fit_pairs(body)
    if body.get("messages"):
        fit_conversation(body)
    return body


def is_id(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def fitted_prompt(prompt):
    if isinstance(prompt, str):
        return prompt[:MAX_TEXT]
    if is_id(prompt):
        return int(prompt) % VOCABULARY
    return [fitted_prompt(part) for part in prompt[:MAX_ITEMS]]


def fit_vocabulary(body):
    for field in ("stop_token_ids", "tokens"):
        if body.get(field):
            body[field] = [int(token) % VOCABULARY for token in body[field]]
    if body.get("logit_bias"):
        body["logit_bias"] = {
            str(int(token) % VOCABULARY): bias for token, bias in body["logit_bias"].items()
        }


def fit_context(body):
    if body.get("prompt") is not None:
        body["prompt"] = fitted_prompt(body["prompt"])
    for field in ("max_tokens", "max_completion_tokens", "max_new_tokens"):
        if body.get(field) is not None:
            body[field] = min(body[field], MAX_TOKENS)
    # Both length fields may be there; the default of /v1/completions is 16.
    lengths = [body[f] for f in ("max_tokens", "max_completion_tokens") if body.get(f) is not None]
    if body.get("min_tokens"):
        body["min_tokens"] = min([body["min_tokens"], body.get("max_new_tokens") or 16, *lengths])


def fit_pairs(body):
    """Fields that need, or exclude, others."""
    if body.get("stream_options") is not None:
        body["stream"] = True
    if body.get("stream") and body.get("prompt_logprobs") is not None:
        del body["prompt_logprobs"]
    if body.get("best_of") is not None:
        body["best_of"] = body.get("n") or 1
    if body.get("top_logprobs"):
        body["logprobs"] = True
    for field in ("max_tokens", "max_completion_tokens"):
        if body.get(field) == 0:
            body["echo"] = True
    stops = body.get("stop")
    if isinstance(stops, str):
        body["stop"] = shortened(stops)
    elif stops:
        body["stop"] = [shortened(stop) for stop in stops]


def shortened(stop):
    """To 1024 bytes, which a schema cannot count."""
    return stop.encode("utf-8", "surrogatepass")[:1024].decode("utf-8", "ignore")


def fit_conversation(body):
    body["messages"] = body["messages"][:MAX_ITEMS]
    for message in body["messages"]:
        message["role"] = message["role"][:MAX_TEXT]
        if message.get("content") is not None:
            message["content"] = fitted_content(message["content"])
        for call in message.get("tool_calls") or []:
            function = call.get("function")
            if isinstance(function, dict) and isinstance(function.get("arguments"), str):
                function["arguments"] = "{}"
    if body.get("continue_final_message"):
        body["add_generation_prompt"] = False
        body["messages"][-1]["content"] = "Once"  # there must be a text to go on with


def fitted_content(content):
    if isinstance(content, str):
        return content[:MAX_TEXT]
    return [{**part, "text": part["text"][:MAX_TEXT]} for part in content[:MAX_ITEMS]]
