"""A service behind nginx and the gate. It listens on this machine only, so the identity in its headers is the gate's."""
import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote


class Orders(BaseHTTPRequestHandler):
    def do_GET(self):
        if not self.headers["Rescind-Subject"]:  # the proxy did not set it, or another one removed it
            self.send_error(403)
            return
        identity = {"subject": unquote(self.headers["Rescind-Subject"]), "scopes": self.headers["Rescind-Scope"].split(" ")}
        body = json.dumps({"path": self.path, **identity}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Orders)
print("listening", server.server_port, flush=True)
server.serve_forever()
