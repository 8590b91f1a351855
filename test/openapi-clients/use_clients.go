// Drives a running user-management by the clients that openapi-generator makes of its two documents.
package main

import (
	"context"
	"log"
	"net/http"
	"os"

	"github.com/rescind/admin"
	"github.com/rescind/public"
)

const username, password = "go-client", "correct horse battery staple"

func must(what string, holds bool, err error) {
	if err != nil {
		log.Fatalf("%s: %v", what, err)
	}
	if !holds {
		log.Fatal(what)
	}
}

func refused(what string, status int, response *http.Response, err error) {
	if err == nil || response == nil || response.StatusCode != status {
		log.Fatalf("%s: expected %d, got %v (%v)", what, status, response, err)
	}
}

func main() {
	configuration := public.NewConfiguration()
	configuration.Servers = public.ServerConfigurations{{URL: os.Getenv("RESCIND_URL")}}
	client := public.NewAPIClient(configuration)
	anonymous := context.Background()

	register := *public.NewRegisterRequest(username, password)
	registered, _, err := client.AccountsAPI.Register(anonymous).RegisterRequest(register).Execute()
	must("register", registered.GetUsername() == username, err)
	_, response, err := client.AccountsAPI.Register(anonymous).RegisterRequest(register).Execute()
	refused("register again", http.StatusConflict, response, err)

	login := *public.NewLoginRequest(username, password)
	login.SetDeviceName("Go client")
	tokens, _, err := client.SessionsAPI.Login(anonymous).LoginRequest(login).Execute()
	must("login", tokens.GetSid() != "", err)

	// A token of a login is for the services; a token for the account is bought with the refresh token (RFC 8707).
	caller := context.WithValue(anonymous, public.ContextAccessToken, tokens.GetAccessToken())
	_, response, err = client.AccountsAPI.GetAccount(caller).Execute()
	refused("account by a token for the services", http.StatusUnauthorized, response, err)
	refresh := client.OAuthAPI.Token(anonymous).GrantType("refresh_token").ClientId("web")
	refresh = refresh.Resource([]string{os.Getenv("RESCIND_URL") + "/account"})
	first, _, err := refresh.RefreshToken(tokens.GetRefreshToken()).Execute()
	must("refresh", first.GetSid() == tokens.GetSid(), err)
	caller = context.WithValue(anonymous, public.ContextAccessToken, first.GetAccessToken())
	account, _, err := client.AccountsAPI.GetAccount(caller).Execute()
	must("account", account.GetUsername() == username && account.GetCreatedAt() > 1<<32, err)
	listed, _, err := client.SessionsAPI.ListSessions(caller).Execute()
	must("sessions", len(listed.GetItems()) == 1 && listed.Items[0].GetDeviceName() == "Go client", err)

	refreshed, _, err := refresh.RefreshToken(first.GetRefreshToken()).Execute()
	must("refresh again", refreshed.GetSid() == tokens.GetSid(), err)
	caller = context.WithValue(anonymous, public.ContextAccessToken, refreshed.GetAccessToken())

	administration := admin.NewConfiguration()
	administration.Servers = admin.ServerConfigurations{{URL: os.Getenv("RESCIND_ADMIN_URL")}}
	basic := admin.BasicAuth{UserName: os.Getenv("RESCIND_OPERATOR"), Password: os.Getenv("RESCIND_OPERATOR_SECRET")}
	operator := context.WithValue(anonymous, admin.ContextBasicAuth, basic)
	users, _, err := admin.NewAPIClient(administration).UsersAPI.ListUsers(operator).Username(username).Execute()
	must("users", len(users.GetItems()) == 1 && users.Items[0].GetSub() == account.GetSub(), err)

	_, err = client.SessionsAPI.Logout(caller).Execute()
	must("logout", true, err)
	_, response, err = client.SessionsAPI.ListSessions(caller).Execute()
	refused("sessions after the logout", http.StatusUnauthorized, response, err)
	_, response, err = refresh.RefreshToken(refreshed.GetRefreshToken()).Execute()
	refused("refresh after the logout", http.StatusBadRequest, response, err)
	_, _, err = client.OAuthAPI.Revoke(anonymous).Token(refreshed.GetRefreshToken()).ClientId("web").Execute()
	must("revoke", true, err)
}
