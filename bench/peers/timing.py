"""Seconds of a call, from as many as fill a while, and how the other side asks for them: a line of JSON each way."""

import json
import sys
import time

SECONDS = 0.1


def seconds_of(run, least=SECONDS):
    count, began = 0, time.perf_counter()
    while True:
        run()
        count += 1
        passed = time.perf_counter() - began
        if passed >= least:
            return passed / count


def answer_questions(prepare, seconds):
    """`prepare` and `seconds` answer `{"prepare": ...}` and `{"time": ...}`: what they give is printed."""
    for line in sys.stdin:
        question = json.loads(line)
        try:
            answer = prepare(question["prepare"]) if "prepare" in question else seconds(question["time"])
        except Exception as error:  # The other side prints what went wrong here.
            answer = {"error": repr(error)}
        print(json.dumps(answer), flush=True)
