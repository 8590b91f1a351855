"""Reads a log of revocations by the rules of docs/events.md. README.md says what it leaves out."""
from jws import InvalidRecord
from payload import is_understood, read
from rows import Rows


class Reader:
    def __init__(self, log, issuers, wall):
        """`issuers`: the token issuers of which the log may speak. `wall`: this machine's clock, in ms."""
        self.log, self.issuers, self.wall, self.rows = log, issuers, wall, Rows()
        self.keys, self.revoked, self.complete_at = {}, set(), 0
        self.records = {}  # in order, to be read again; a service reads its transport again instead
        self.announced, self.unknown, self.doubted = set(), set(), set()  # epochs and keys that the next fetch decides about
        self.enter("", None)

    def enter(self, epoch, kid):
        self.epoch, self.epoch_kid, self.seq, self.id, self.head, self.floor = epoch, kid, 0, None, 0, 0
        self.newest, self.beyond, self.quarantined, self.fork = None, {}, set(), False

    def wants_keys(self):
        return bool(self.announced or self.unknown or self.doubted)

    def take_keys(self, document):
        """A set of event keys. Its fetch passed every cache and began after the last `take` had returned."""
        known, self.keys = self.keys, {key["kid"]: key for key in document["keys"]}
        self.revoked |= self.doubted - self.keys.keys()
        if self.epoch_kid not in self.keys or self.epoch_kid in self.revoked:
            self.enter("", None)
        epoch, kid, announced = document["epoch"], document["epoch_kid"], self.announced
        self.announced, self.unknown, self.doubted = set(), set(), set()
        is_entered = epoch in announced and epoch > self.epoch and kid in self.keys and kid not in self.revoked
        if is_entered:
            self.enter(epoch, kid)
        for text in self.records if is_entered or self.keys.keys() - known.keys() else []:
            self.take(text)
        self.advance()

    def take(self, text):
        self.records[text] = None
        try:
            kid, claims = read(text, self.keys, self.log)
        except InvalidRecord as error:  # a service counts these
            return self.unknown.update([error.kid] if error.kid else [])
        if kid not in self.revoked:
            self.apply_event(claims, kid) if "seq" in claims else self.apply_heartbeat(claims, kid)
            self.advance()

    def is_followed(self, claims, kid):
        if claims["epoch"] > self.epoch and kid not in self.revoked:
            self.announced.add(claims["epoch"])
        return (claims["epoch"], kid) == (self.epoch, self.epoch_kid)

    def apply_event(self, event, kid):
        seq, understood = event["seq"], is_understood(event)
        for entry in event["deny"] if understood else []:
            if entry["claim"] != "event_kid" and entry["iss"] in self.issuers:
                self.rows.add(entry, event["iat_ms"])
            elif entry["claim"] == "event_kid" and entry["iss"] == self.log:
                self.doubted.add(entry["value"])
                self.revoked |= {kid} & {entry["value"]}  # only whoever holds a key can revoke it at once
        if self.epoch_kid in self.revoked:
            self.enter("", None)
        if self.is_followed(event, kid):
            if not understood and seq >= self.floor:
                self.quarantined.add(seq)
            if seq > self.seq:
                self.beyond[seq], self.head = (event["prev"], event["jti"]), max(self.head, seq)

    def apply_heartbeat(self, beat, kid):
        if not self.is_followed(beat, kid):
            return
        head, newest = beat["head"], self.newest or {"head": -1}
        if beat["iat_ms"] <= self.wall + 60_000:
            self.floor = max(self.floor, beat["floor"])
        if self.seq < self.floor - 1:  # nothing below still denies
            self.seq, self.id = self.floor - 1, None
        self.quarantined = {seq for seq in self.quarantined if seq >= self.floor}
        self.fork = self.fork or head == self.seq and self.id not in (None, beat["last"])
        if head >= self.head and (head > newest["head"] or beat["iat_ms"] > newest["iat_ms"]):
            self.head, self.newest = head, beat

    def advance(self):
        while self.seq + 1 in self.beyond and not self.fork:
            prev, jti = self.beyond.pop(self.seq + 1)
            self.fork = prev != self.id and (self.seq == 0 or self.id is not None)
            self.seq, self.id = (self.seq, self.id) if self.fork else (self.seq + 1, jti)
        if self.newest and self.newest["head"] == self.seq:
            self.fork = self.fork or self.id not in (None, self.newest["last"])
            self.id = self.id or self.newest["last"]
        if self.view()["complete"]:
            self.complete_at = max(self.complete_at, self.newest["iat_ms"])

    def view(self):
        reached = self.newest is not None and self.seq == self.head == self.newest["head"]
        ahead = reached and self.complete_at == 0 and self.newest["iat_ms"] > self.wall + 60_000
        reasons = {"epoch": not self.epoch, "fork": self.fork, "gap": self.seq < self.head, "clock": ahead}
        reasons.update(quarantined=self.quarantined, keys=self.unknown)
        suspect = next((reason for reason, holds in reasons.items() if holds), None)
        state = {"complete": reached and suspect is None, "completeAt": self.complete_at, "suspect": suspect}
        return {"epoch": self.epoch, "seq": self.seq, "head": self.head, **state}
