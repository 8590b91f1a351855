"""How schemathesis proves who it is: a person who logs in anew whenever the last login has been ended by a test."""

import os

import requests
import schemathesis

ISSUER = os.environ["RESCIND_ISSUER"]
USER = {"username": os.environ["RESCIND_USERNAME"], "password": os.environ["RESCIND_PASSWORD"]}
CLIENT = (os.environ["RESCIND_CLIENT_ID"], os.environ["RESCIND_CLIENT_SECRET"])
FEED = (os.environ["RESCIND_FEED_ID"], os.environ["RESCIND_FEED_SECRET"])
OPERATOR = (os.environ["RESCIND_OPERATOR"], os.environ["RESCIND_OPERATOR_SECRET"])


class Person:
    """Access tokens of a user, who is registered again after deleting the account."""

    token = None

    def current(self):
        if self.token is None or not self.is_good():
            answer = requests.post(f"{ISSUER}/login", json={**USER, "resource": f"{ISSUER}/account"}, timeout=10)
            if answer.status_code != 200:
                USER["username"] += "x"
                requests.post(f"{ISSUER}/register", json=USER, timeout=10).raise_for_status()
                answer = requests.post(f"{ISSUER}/login", json={**USER, "resource": f"{ISSUER}/account"}, timeout=10)
                answer.raise_for_status()
            self.token = answer.json()["access_token"]
        return self.token

    def is_good(self):
        headers = {"Authorization": f"Bearer {self.token}"}
        return requests.get(f"{ISSUER}/account", headers=headers, timeout=10).status_code == 200


PERSON = Person()


def schemes_of_operation(operation):
    wanted = operation.definition.raw.get("security", [])
    return {name for one in wanted for name in one}


@schemathesis.auth(refresh_interval=None)
class Proof:
    def get(self, case, context):
        # Something, or nothing is set.
        return True

    def set(self, case, data, context):
        schemes = schemes_of_operation(case.operation)
        if "operatorBasic" in schemes:
            case.headers["Authorization"] = requests.auth._basic_auth_str(*OPERATOR)
        elif "accessToken" in schemes:
            case.headers["Authorization"] = f"Bearer {PERSON.current()}"
        elif "feedBasic" in schemes:
            case.headers["Authorization"] = requests.auth._basic_auth_str(*FEED)
        elif "clientBasic" in schemes:
            case.headers["Authorization"] = requests.auth._basic_auth_str(*CLIENT)


CLIENT_PROOFS = ("client_id", "client_secret", "client_assertion", "client_assertion_type")


@schemathesis.hook
def before_call(context, case, kwargs):
    """A client proves itself in one way, here by HTTP Basic; that the others exclude it is beyond a schema."""
    is_as_it_should_be = case.meta is not None and case.meta.generation.mode.is_positive
    takes_proofs = case.operation.path == "/login" or "clientBasic" in schemes_of_operation(case.operation)
    if is_as_it_should_be and takes_proofs and isinstance(case.body, dict):
        case.body = {name: value for name, value in case.body.items() if name not in CLIENT_PROOFS}
