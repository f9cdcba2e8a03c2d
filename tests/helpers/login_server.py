"""A login provider (OpenID Connect) on loopback: every visitor is logged in at once, with the claims of a test."""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey


class Provider:
    """`claims` are those of the next login; `nonces` are by the code that the browser carries back."""

    def __init__(self) -> None:
        self.claims: dict[str, object] = {"email": "ada@example.org", "email_verified": True}
        self.key = RSAKey.generate_key(2048, parameters={"kid": "one"})
        self.nonces: dict[str, str] = {}
        self.address = ""

    def token(self, code: str) -> str:
        now = int(time.time())
        claims = {"iss": self.address, "aud": "petalscope", "sub": "1", "iat": now, "exp": now + 600}
        claims |= {**self.claims, "nonce": self.nonces.pop(code)}
        return jwt.encode({"alg": "RS256", "kid": "one"}, claims, self.key)


@contextmanager
def provider() -> Iterator[Provider]:
    """A running provider."""
    running = Provider()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            target = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(target.query).items()}
            if target.path == "/authorize":
                code = secrets.token_hex(8)
                running.nonces[code] = query.get("nonce", "")
                self.send_response(302)
                answer = urlencode({"code": code, "state": query["state"]})
                self.send_header("Location", f"{query['redirect_uri']}?{answer}")
                self.end_headers()
            elif target.path == "/keys":
                self.reply({"keys": [running.key.as_dict(private=False)]})
            else:
                self.reply(
                    {
                        "issuer": running.address,
                        "authorization_endpoint": f"{running.address}/authorize",
                        "token_endpoint": f"{running.address}/token",
                        "jwks_uri": f"{running.address}/keys",
                        "id_token_signing_alg_values_supported": ["RS256"],
                    }
                )

        def do_POST(self) -> None:
            form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
            token = running.token(form["code"][0])
            self.reply({"access_token": "unused", "token_type": "Bearer", "expires_in": 600, "id_token": token})

        def reply(self, document: object) -> None:
            body = json.dumps(document).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    running.address = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield running
    finally:
        server.shutdown()
        server.server_close()
