"""Seconds of a call, from as many as fill a while."""
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
