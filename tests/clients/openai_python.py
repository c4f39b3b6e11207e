#!/usr/bin/env python3
"""The official Python client, unchanged: sync, async, streams, log-probabilities, errors, retries.

    python tests/clients/openai_python.py --tandem build/cpu/bin/tandem | --url http://127.0.0.1:8000

Needs `pip install openai`; without it this says SKIPPED and ends with 77.
"""

import asyncio
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent / "support"))
from tandem_server import Server, parse_arguments, server_of, skip  # noqa: E402

try:
    import openai
except ImportError:
    skip("the Python package openai is not installed")

MESSAGES = [{"role": "system", "content": "be brief"}, {"role": "user", "content": "hello there"}]


def models(client):
    listed = client.models.list().data
    assert listed and listed[0].object == "model"
    assert client.models.retrieve(listed[0].id).id == listed[0].id
    return listed[0].id


def chat(client, model):
    answer = client.chat.completions.create(model=model, messages=MESSAGES, max_completion_tokens=9,
                                            seed=1)
    choice = answer.choices[0]
    assert answer.object == "chat.completion" and answer.model == model
    assert choice.message.role == "assistant" and choice.message.refusal is None
    assert choice.finish_reason in ("stop", "length")
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    assert answer._request_id
    return choice.message.content


def chat_stream(client, model, expected):
    stream = client.chat.completions.create(model=model, messages=MESSAGES, max_tokens=9, seed=1,
                                            stream=True, stream_options={"include_usage": True})
    chunks = list(stream)
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [c.choices[0].finish_reason for c in chunks[:-2]] == [None] * (len(chunks) - 2)
    assert chunks[-2].choices[0].finish_reason in ("stop", "length")
    assert chunks[-1].choices == [] and chunks[-1].usage.completion_tokens <= 9
    text = "".join(c.choices[0].delta.content or "" for c in chunks[:-1])
    assert text == expected, (text, expected)


def chat_helper_stream(client, model, expected):
    with client.chat.completions.stream(model=model, messages=MESSAGES, max_tokens=9,
                                        seed=1) as stream:
        kinds = {event.type for event in stream}
        try:
            final = stream.get_final_completion()
        except openai.LengthFinishReasonError as error:  # how this helper tells of a length limit
            final = error.completion
    assert "content.delta" in kinds or expected == ""
    assert final.choices[0].message.content == expected


def logprobs(client, model):
    answer = client.chat.completions.create(model=model, messages=MESSAGES, max_tokens=4, seed=1,
                                            logprobs=True, top_logprobs=3)
    entries = answer.choices[0].logprobs.content
    text = b"".join(bytes(entry.bytes) for entry in entries).decode(errors="replace")
    assert text == answer.choices[0].message.content, (text, answer.choices[0].message.content)
    for entry in entries:
        assert entry.logprob <= 0 and len(entry.top_logprobs) == 3
        values = [top.logprob for top in entry.top_logprobs]
        assert values == sorted(values, reverse=True)


def completions(client, model):
    answer = client.completions.create(model=model, prompt=["once", "twice"], max_tokens=5, n=2,
                                       logprobs=2, echo=True, seed=3)
    assert [choice.index for choice in answer.choices] == [0, 1, 2, 3]
    for choice, prompt in zip(answer.choices, ("once", "once", "twice", "twice")):
        assert choice.text.startswith(prompt)
        assert choice.logprobs.token_logprobs[0] is None
        assert len(choice.logprobs.tokens) == len(choice.logprobs.text_offset)
    pieces = client.completions.create(model=model, prompt="once", max_tokens=5, seed=3,
                                       stream=True)
    text = "".join(piece.choices[0].text for piece in pieces)
    assert "once" + text == answer.choices[0].text


def errors(client, model):
    def fails(kind, call, param=None, code=None):
        try:
            call()
        except kind as error:
            assert error.param == param and error.code == code, (error.param, error.code)
            return
        raise AssertionError(f"no {kind.__name__}")

    create = client.chat.completions.create
    fails(openai.NotFoundError, lambda: create(model="nothing", messages=MESSAGES), "model",
          "model_not_found")
    fails(openai.BadRequestError, lambda: create(model=model, messages=[]), "messages")
    fails(openai.BadRequestError, lambda: create(model=model, messages=MESSAGES, temperature=3),
          "temperature")
    fails(openai.BadRequestError, lambda: create(model=model, messages=MESSAGES,
                                                 max_tokens=10_000_000),
          "messages", "context_length_exceeded")
    tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
    fails(openai.BadRequestError, lambda: create(model=model, messages=MESSAGES, tools=[tool]),
          "tools")


async def concurrently(url, model, expected):
    async with openai.AsyncOpenAI(base_url=url, api_key="none") as client:
        async def one():
            stream = await client.chat.completions.create(model=model, messages=MESSAGES,
                                                          max_tokens=9, seed=1, stream=True)
            return "".join([c.choices[0].delta.content or "" async for c in stream])
        texts = await asyncio.gather(*(one() for _ in range(16)))
    assert texts == [expected] * 16, "the same bits in a batch"


def leaves_early(client, model):
    stream = client.chat.completions.create(model=model, messages=MESSAGES, stream=True)
    next(iter(stream))
    stream.close()


def retries(tandem):
    """A full queue is tried again by the client itself, and answered in the end."""
    with Server(tandem, "--max-num-seqs", "1", "--max-queued-requests", "1") as server:
        async def main():
            async with openai.AsyncOpenAI(base_url=server.url + "/v1", api_key="none",
                                          max_retries=20) as client:
                calls = [client.completions.create(model="letters", prompt="a", max_tokens=200,
                                                   extra_body={"ignore_eos": True})
                         for _ in range(8)]
                return await asyncio.gather(*calls)
        for answer in asyncio.run(main()):
            assert answer.usage.completion_tokens == 200


def keys(tandem):
    with Server(tandem, "--api-key", "secret") as server:
        for key, works in (("secret", True), ("wrong", False)):
            client = openai.OpenAI(base_url=server.url + "/v1", api_key=key, max_retries=0)
            try:
                client.completions.create(model="letters", prompt="a", max_tokens=1)
                assert works
            except openai.AuthenticationError:
                assert not works


def main():
    arguments = parse_arguments(__doc__)
    with server_of(arguments) as server:
        url = server.url + "/v1"
        client = openai.OpenAI(base_url=url, api_key="none")
        model = models(client)
        text = chat(client, model)
        chat_stream(client, model, text)
        chat_helper_stream(client, model, text)
        logprobs(client, model)
        completions(client, model)
        errors(client, model)
        leaves_early(client, model)
        asyncio.run(concurrently(url, model, text))
    if arguments.tandem:
        retries(arguments.tandem)
        keys(arguments.tandem)
    print(f"openai {openai.__version__}: all passed")


if __name__ == "__main__":
    main()
