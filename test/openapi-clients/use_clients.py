"""Drives a running user-management by the clients that openapi-generator makes of its two documents."""

import os

import rescind_admin
import rescind_public
from rescind_public.models.login_request import LoginRequest
from rescind_public.models.register_request import RegisterRequest


def refused(status: int, call) -> None:
    try:
        call()
    except rescind_public.ApiException as error:
        assert error.status == status, error
    else:
        raise AssertionError(f"expected {status}")


def main() -> None:
    username, password = "python-client", "correct horse battery staple"
    configuration = rescind_public.Configuration(host=os.environ["RESCIND_URL"])
    client = rescind_public.ApiClient(configuration)
    accounts = rescind_public.AccountsApi(client)
    sessions = rescind_public.SessionsApi(client)
    oauth = rescind_public.OAuthApi(client)

    registered = accounts.register(RegisterRequest(username=username, password=password))
    assert registered.username == username, registered
    refused(409, lambda: accounts.register(RegisterRequest(username=username, password=password)))
    refused(401, lambda: sessions.login(LoginRequest(username=username, password="wrong")))
    tokens = sessions.login(LoginRequest(username=username, password=password, deviceName="Python client"))

    # A token of a login is for the services; a token for the account is bought with the refresh token (RFC 8707).
    for_account = [os.environ["RESCIND_URL"] + "/account"]
    configuration.access_token = tokens.access_token
    refused(401, accounts.get_account)
    refresh = {"grant_type": "refresh_token", "client_id": "web", "resource": for_account}
    first = oauth.token(refresh_token=tokens.refresh_token, **refresh)
    configuration.access_token = first.access_token
    account = accounts.get_account()
    assert account.username == username and account.claims == {}, account
    [session] = sessions.list_sessions().items
    assert session.sid == tokens.sid and session.device_name == "Python client" and session.acr == "aal1", session

    refreshed = oauth.token(refresh_token=first.refresh_token, **refresh)
    assert refreshed.sid == tokens.sid and refreshed.refresh_token != first.refresh_token, refreshed
    configuration.access_token = refreshed.access_token
    assert accounts.get_account().username == username

    operator = rescind_admin.Configuration(
        host=os.environ["RESCIND_ADMIN_URL"],
        username=os.environ["RESCIND_OPERATOR"],
        password=os.environ["RESCIND_OPERATOR_SECRET"],
    )
    users = rescind_admin.UsersApi(rescind_admin.ApiClient(operator))
    [user] = users.list_users(username=username).items
    assert user.sub == account.sub and user.scopes is None and user.state_reason is None, user

    sessions.logout()
    # A revoked token ends nothing.
    refused(401, sessions.logout)
    refused(401, sessions.list_sessions)
    refused(400, lambda: oauth.token(refresh_token=refreshed.refresh_token, **refresh))
    assert oauth.revoke(token=refreshed.refresh_token, client_id="web") is not None


main()
