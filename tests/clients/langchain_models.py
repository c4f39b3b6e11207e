#!/usr/bin/env python3
"""LangChain's chat and text models on the server: invoke, stream, batch, usage, log-probabilities.

    python tests/clients/langchain_models.py --tandem build/cpu/bin/tandem | --url http://127.0.0.1:8000

Needs `pip install langchain-openai`; without it this says SKIPPED and ends with 77.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent / "support"))
from tandem_server import parse_arguments, server_of, skip  # noqa: E402

try:
    from langchain_core.messages import HumanMessage, SystemMessage
    from langchain_openai import ChatOpenAI, OpenAI
except ImportError:
    skip("the Python package langchain-openai is not installed")

MESSAGES = [SystemMessage("be brief"), HumanMessage("hello")]


def chat(url, model):
    llm = ChatOpenAI(base_url=url, api_key="none", model=model, max_tokens=8, seed=5,
                     temperature=0.7, stream_usage=True)
    whole = llm.invoke(MESSAGES)
    assert whole.usage_metadata["output_tokens"] <= 8
    assert whole.response_metadata["finish_reason"] in ("stop", "length")
    merged = None
    for chunk in llm.stream(MESSAGES):
        merged = chunk if merged is None else merged + chunk
    assert merged.content == whole.content, (merged.content, whole.content)
    for name in ("input_tokens", "output_tokens"):
        assert merged.usage_metadata[name] == whole.usage_metadata[name]
    batch = llm.batch([MESSAGES] * 6)
    assert [answer.content for answer in batch] == [whole.content] * 6
    scored = llm.bind(logprobs=True, top_logprobs=2).invoke(MESSAGES)
    assert len(scored.response_metadata["logprobs"]["content"]) > 0


def text(url, model):
    llm = OpenAI(base_url=url, api_key="none", model=model, max_tokens=6, seed=5)
    whole = llm.invoke("once")
    assert "".join(llm.stream("once")) == whole


def main():
    with server_of(parse_arguments(__doc__)) as server:
        from openai import OpenAI as Client
        url = server.url + "/v1"
        model = Client(base_url=url, api_key="none").models.list().data[0].id
        chat(url, model)
        text(url, model)
    print("langchain-openai: all passed")


if __name__ == "__main__":
    main()
