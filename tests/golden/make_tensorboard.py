#!/usr/bin/env python3
"""Writes tests/golden/tensorboard: a small event file as TensorBoard's own writer makes it.

    pip install tensorboard
    tests/golden/make_tensorboard.py
"""
import pathlib

from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.summary.writer.record_writer import RecordWriter

OUT = pathlib.Path(__file__).resolve().parent / "tensorboard" / "events.out.tfevents.1790000000.golden"
TIME = 1790000000.25


def scalars(step, values):
    event = Event(wall_time=TIME, step=step)
    for tag, value in values:
        event.summary.value.add(tag=tag, simple_value=value)
    return event


def step(number, loss, balance_loss, gradient_norm, rate, tokens_per_second):
    return scalars(number, [("train/loss", loss), ("train/balance_loss", balance_loss),
                            ("train/gradient_norm", gradient_norm), ("train/rate", rate),
                            ("train/tokens_per_second", tokens_per_second)])


def main():
    OUT.parent.mkdir(exist_ok=True)
    events = [
        Event(wall_time=TIME, file_version="brain.Event:2"),
        Event(wall_time=TIME, step=3, session_log=SessionLog(status=SessionLog.START)),
        step(0, 9.5, 0.0, 1.25, 3e-4, 2048.0),
        step(300, 2.75, 0.125, 1e-3, 1e-5, 0.0),
        step(1 << 40, float("nan"), float("inf"), float("-inf"), 0.0, 1.0),
        scalars(300, [("evaluation/loss", 3.1), ("evaluation/verlust in \u00fc", -0.0)]),
    ]
    with OUT.open("wb") as file:
        writer = RecordWriter(file)
        for event in events:
            writer.write(event.SerializeToString())


if __name__ == "__main__":
    main()
