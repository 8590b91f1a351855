"""Reads a log of revocations and judges tokens. Python 3, standard library only. See README.md and docs/events.md."""
import base64, hashlib, json, re
OWN, SHA256 = "https://rescind.dev/events", bytes.fromhex("3031300d060960864801650304020105000420")
DENIAL = {"iss", "claim", "value", "issuedUntil", "expiresAt", "endsSession"}
whole = lambda n, least=0: type(n) is int and least <= n < 2**53
text = lambda t, most=128: isinstance(t, str) and 0 < len(t) <= most
def decode(part):
    if not re.fullmatch(r"[\w-]*", part, re.ASCII): raise ValueError(part)
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
def verify(jws, keys, log):
    """The payload and kid of a record that a key of the log signed (RS256, RFC 8017 8.2.2); else ValueError."""
    header, payload, signature = jws.split(".") if len(jws) <= 65536 else ()
    head, key = json.loads(decode(header)), None
    if head.get("alg") == "RS256" and head.get("typ") == "secevent+jwt" and "crit" not in head: key = keys.get(head.get("kid"))
    if key is None: raise ValueError("key")
    n, e = (int.from_bytes(decode(key[name]), "big") for name in "ne")
    size, digest = (n.bit_length() + 7) // 8, SHA256 + hashlib.sha256(f"{header}.{payload}".encode()).digest()
    padded = b"\0\1" + b"\xff" * (size - len(digest) - 3) + b"\0" + digest
    if len(raw := decode(signature)) != size or pow(int.from_bytes(raw, "big"), e, n) != int.from_bytes(padded, "big"): raise ValueError("signature")
    claims = json.loads(decode(payload))
    at, jti = claims.get("iat_ms"), claims.get("jti")
    if claims.get("iss") != log or "exp" in claims or not (whole(at) and at // 1000 == claims.get("iat") and text(jti)): raise ValueError("claims")
    return claims, head["kid"]
class Reader:
    def __init__(self, log, issuers, wall):
        self.log, self.issuers, self.wall, self.rows, self.texts, self.revoked = log, issuers, wall, {}, [], set()
        self.keys, self.complete_at = {}, self.enter("", None) or 0
    def enter(self, epoch, kid):  # position 0; rows stay
        self.epoch, self.epoch_kid, self.seq, self.id, self.head = epoch, kid, 0, None, 0
        self.beat, self.beyond, self.quarantined, self.fork, self.floor = None, {}, set(), False, 0
    def take_keys(self, document):
        """A fetched set of event keys: names the epoch to follow. What was read before is read again."""
        self.keys = {key["kid"]: key for key in document["keys"]}
        epoch, kid = document["epoch"], document["epoch_kid"]
        if kid not in self.keys or kid in self.revoked: self.enter("", None)
        elif (epoch, kid) != (self.epoch, self.epoch_kid): self.enter(epoch, kid)
        for jws in list(self.texts): self.apply(jws)
    def take(self, jws): self.apply(self.texts.append(jws) or jws)
    def apply(self, jws):
        try: claims, kid = verify(jws, self.keys, self.log)
        except (ValueError, AttributeError, TypeError, KeyError): return  # count it
        if kid not in self.revoked: self.heartbeat(claims, kid) if "seq" not in claims and OWN + "/heartbeat" in claims.get("events", {}) else self.event(claims, kid)
    def event(self, c, kid):
        epoch, seq, prev = c.get("epoch"), c.get("seq"), c.get("prev")
        if not (text(epoch) and whole(seq, 1) and (prev is None if seq == 1 else text(prev))): return
        understood = c.get("version", 1) == 1 and all(self.readable(d) for d in c.get("deny") or [None])
        for d in c["deny"] if understood else []: self.deny(d, c["iat_ms"], kid)
        if (epoch, kid) != (self.epoch, self.epoch_kid) or seq <= self.seq: return
        if not understood: self.quarantined.add(seq)
        self.beyond[seq], self.head = (prev, c["jti"]), max(self.head, seq)
        self.advance()
    def readable(self, d):
        bounded = isinstance(d, dict) and (whole(d.get("issuedUntil")) or "issuedUntil" not in d and d.get("claim") in ("jti", "sid", "kid"))
        return bounded and set(d) <= DENIAL and text(d.get("iss"), 2048) and text(d.get("claim")) and text(d.get("value"), 1024) and whole(d.get("expiresAt")) and isinstance(d.get("endsSession"), bool)
    def deny(self, d, at, kid):
        if d["claim"] == "event_kid":  # only of itself: for another key, ask for the set of keys
            if d["iss"] == self.log and d["value"] == kid: self.revoked.add(kid); kid == self.epoch_kid and self.enter("", None)
        elif d["iss"] in self.issuers:
            until = min(d["issuedUntil"], at // 1000 * 1000 + 999) if "issuedUntil" in d else 2**53 - 1
            row, key = (until, until if d["endsSession"] else -1), (d["iss"], d["claim"], d["value"])
            self.rows[key] = tuple(map(max, row, self.rows.get(key, row)))
    def advance(self):
        while self.seq + 1 in self.beyond and not self.fork:
            prev, jti = self.beyond.pop(self.seq + 1)
            if self.seq == 0 or self.id is not None: self.fork = prev != self.id
            if not self.fork: self.seq, self.id = self.seq + 1, jti
        self.settle()
    def heartbeat(self, c, kid):
        head, last, floor = c.get("head"), c.get("last"), c.get("floor")
        if not (whole(head) and whole(floor, 1) and floor <= head + 1 and (last is None if head == 0 else text(last))): return
        if (c.get("epoch"), kid) != (self.epoch, self.epoch_kid): return
        if c["iat_ms"] <= self.wall + 60000: self.floor = max(self.floor, floor)
        if self.seq < self.floor - 1: self.seq, self.id = self.floor - 1, None
        self.quarantined = {seq for seq in self.quarantined if seq >= self.floor}
        if head >= self.head: self.head, self.beat = head, (head, last, c["iat_ms"])  # a lower one is late
        self.advance()
    def settle(self):
        if self.beat is None or self.seq != self.beat[0]: return
        self.id, self.fork = self.id or self.beat[1], self.fork or self.id not in (None, self.beat[1])
        if not self.view()["suspect"]: self.complete_at = max(self.complete_at, self.beat[2])
    def view(self):
        reached = self.beat is not None and self.seq == self.head == self.beat[0]
        ahead = reached and self.complete_at == 0 and self.beat[2] > self.wall + 60000
        reasons = {"epoch": not self.epoch, "fork": self.fork, "gap": self.seq < self.head, "not_understood": self.quarantined, "clock": ahead}
        suspect = next(filter(reasons.get, reasons), None)
        return {"epoch": self.epoch, "seq": self.seq, "head": self.head, "complete": reached and suspect is None, "completeAt": self.complete_at, "suspect": suspect}
    def judge(self, kid, token):
        """None: accepted. Else (claim, value, ends the session); value None: it cannot be compared, so it is denied."""
        iat, at, denied = token.get("iat"), token.get("iat_ms"), []
        if not isinstance(token.get("iss"), str) or type(iat) not in (int, float): return ("iat" if isinstance(token.get("iss"), str) else "iss", None, False)
        at = at if whole(at) and at // 1000 == iat // 1 else iat // 1 * 1000
        for claim in {claim for iss, claim, _ in self.rows if iss == token["iss"]}:
            held = [kid] if claim == "kid" else token.get(claim, [])
            held = held if isinstance(held, list) else [held]
            values = [v if isinstance(v, str) else json.dumps(v) for v in held if isinstance(v, (str, bool)) or whole(v, 1 - 2**53)]
            if len(values) != len(held) or len(values) > 256: return (claim, None, False)
            keys = [key for v in values if (key := (token["iss"], claim, v)) in self.rows and at <= self.rows[key][0]]
            denied += [(at <= self.rows[key][1], self.rows[key][0], key) for key in keys]
        return denied and (lambda d: (d[2][1], d[2][2], d[0]))(max(denied)) or None
