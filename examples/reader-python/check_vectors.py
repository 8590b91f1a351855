"""Reads each file that is named and compares what the reader concludes. Exit status 1: something differs."""
import json, sys
from reader import Reader

failed = 0
for path in sys.argv[1:]:
    with open(path, encoding="utf-8") as file: vector = json.load(file)
    reader = Reader(vector["log"], vector["issuers"], vector["wall"])
    for step in vector["steps"]:
        if "keys" in step: reader.take_keys(step["keys"])
        for jws in step.get("records", []): reader.take(jws)
    view, differs = reader.view(), []
    differs += [f"{name}: {view[name]!r}, not {value!r}" for name, value in vector["expected"].items() if view[name] != value]
    for number, token in enumerate(vector["tokens"]):
        by, got = token["by"], reader.judge(token["kid"], token["payload"])
        wanted = None if by is None else (by["unjudgeable"], None, False) if "unjudgeable" in by else (by["claim"], by["value"], token["endsSession"])
        if got != wanted: differs.append(f"token {number}: {got!r}, not {wanted!r}")
    print("failed" if differs else "ok", vector["name"], *differs, sep="  ")
    failed += bool(differs)
sys.exit(1 if failed or len(sys.argv) == 1 else 0)
