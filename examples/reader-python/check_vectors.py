"""Reads each file that is named and compares what the reader concludes. Exit status 1: something differs."""
import json
import sys

from reader import Reader


def differences(vector):
    reader, served = Reader(vector["log"], vector["issuers"], vector["wall"]), None
    for step in vector["steps"]:
        served = step.get("keys") or step.get("served") or served
        if "keys" in step:
            reader.take_keys(served)
        for text in step.get("records", []):
            reader.take(text)
        while reader.wants_keys():
            reader.take_keys(served)
    view = reader.view()
    for name, value in vector["expected"].items():
        if view[name] != value:
            yield f"{name}: {view[name]!r}, not {value!r}"
    for number, token in enumerate(vector["tokens"]):
        got, expected = reader.rows.judge(token["kid"], token["payload"]), verdict(token)
        if got != expected:
            yield f"token {number}: {got!r}, not {expected!r}"


def verdict(token):
    by = token["by"]
    if by is None:
        return None
    return (by["unjudgeable"], None, False) if "unjudgeable" in by else (by["claim"], by["value"], token["endsSession"])


failed = 0
for path in sys.argv[1:]:
    with open(path, encoding="utf-8") as file:
        vector = json.load(file)
    found = list(differences(vector))
    print("failed" if found else "ok", vector["name"], *found, sep="  ")
    failed += bool(found)
sys.exit(1 if failed or len(sys.argv) == 1 else 0)
