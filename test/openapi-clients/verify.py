"""Reads tokens, one a line, and writes of each whether the example of docs/verifiers.md accepts it."""

import os
import sys

import jwt
from access_tokens import AccessTokens

tokens = AccessTokens(os.environ["ISSUER"], os.environ["AUDIENCE"])
for line in sys.stdin:
    try:
        print("accepted", tokens.verify(line.strip())["sub"])
    except jwt.PyJWTError:
        print("refused")
