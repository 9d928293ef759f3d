"""An OIDC issuer whose keys are fetched, by the whole daemon: found by discovery, changed, away, and not to be believed."""
import http.server
import ipaddress
import json
import ssl
import threading

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from harness import Signet, free_port, key_pem, make_csr, make_key, now, wait_for
from test_brought import CA, DAY, PEM
from tokens import Issuer

ID = "spiffe://example.org/ns/a/sa/b"
CSR = make_csr(make_key(), ID)
CLAIMS = {"sub": "job", "aud": ["signet"]}


def server_certificate(root):
    key = make_key()
    cert = (x509.CertificateBuilder().subject_name(x509.Name([])).issuer_name(root.name).serial_number(x509.random_serial_number())
            .public_key(key.public_key()).not_valid_before(now() - DAY).not_valid_after(now() + DAY)
            .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), True)
            .sign(root.key, hashes.SHA256()))
    return cert.public_bytes(PEM) + key_pem(key)


class Server:
    """https on loopback: the discovery document and the JWK Set of `issuer`, as long as it is up."""

    def __init__(self, directory, root):
        self.port, self.asked = free_port(), 0
        self.url = f"https://127.0.0.1:{self.port}/oidc"
        self.keys, self.document_issuer = [], self.url
        self.pem = directory / "server.pem"
        self.pem.write_bytes(server_certificate(root))
        self.http = None

    def start(self):
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                documents = {"/oidc/.well-known/openid-configuration": {"issuer": outer.document_issuer, "jwks_uri": outer.url + "/keys"},
                             "/oidc/keys": {"keys": outer.keys}}
                body = json.dumps(documents.get(self.path, {})).encode()
                outer.asked += self.path == "/oidc/keys"
                self.send_response(200 if self.path in documents else 404)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass
        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.pem)
        self.http.socket = context.wrap_socket(self.http.socket, server_side=True)
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def stop(self):
        if self.http:
            self.http.shutdown()
            self.http.server_close()
            self.http = None


@pytest.fixture
def world(tmp_path):
    """The issuer's server, its root, its signer, and a daemon that believes them."""
    root = CA("Issuer's Root")
    server = Server(tmp_path, root)
    s = Signet(f"""jwt_issuers:
- {{ name: job, issuer: '{server.url}', discovery: true, ca_file: '@DIR@/oidc/ca.pem', audiences: [signet], keys_refresh: 1h }}
policy:
- {{ name: job, match: {{ issuer: job, claim.sub: job }}, spiffe_id: {ID} }}
- {{ name: machines, match: {{ method: join_token, spiffe_id: {ID} }}, spiffe_id: {ID} }}
""")
    (s.dir / "oidc").mkdir(mode=0o755)
    (s.dir / "oidc/ca.pem").write_text(root.pem)
    issuer = Issuer(server.url)
    server.keys = [issuer.jwk()]
    try:
        yield s, server, issuer
    finally:
        s.__exit__()
        server.stop()


def code_of(s, token):
    try:
        s.ask(CSR, token=token)
        return None
    except grpc.RpcError as e:
        return e.code()


def test_keys_are_discovered_change_and_serve_while_the_issuer_is_away(world):
    s, server, first = world
    server.start()
    with s:
        wait_for(lambda: code_of(s, first.token(CLAIMS)) is None)
        assert code_of(s, first.token({**CLAIMS, "aud": ["other"]})) is grpc.StatusCode.UNAUTHENTICATED
        second = Issuer(server.url, kid="k2")
        assert code_of(s, second.token(CLAIMS)) is grpc.StatusCode.UNAUTHENTICATED, "nobody knows this key"
        server.keys = [second.jwk()]
        wait_for(lambda: code_of(s, second.token(CLAIMS)) is None, 40)  # looked up again, but not sooner than ten seconds later
        assert code_of(s, first.token(CLAIMS)) is grpc.StatusCode.UNAUTHENTICATED, "a key that was withdrawn"
        asked = server.asked
        server.stop()
        assert all(code_of(s, second.token({**CLAIMS, "jti": str(i)})) is None for i in range(5))
        for i in range(20):  # unknown keys do not make it ask each time
            assert code_of(s, Issuer(server.url, kid=f"k{i + 9}").token(CLAIMS)) is not None
        assert server.asked == asked and len(s.events("keys_changed")) == 2


@pytest.mark.parametrize("wrong", ["issuer", "root", "away"])
def test_keys_of_somebody_else_are_not_believed(world, tmp_path, wrong):
    s, server, issuer = world
    if wrong == "issuer":
        server.document_issuer = "https://127.0.0.1/another"
    if wrong == "root":
        (s.dir / "oidc/ca.pem").write_text(CA("Another Root").pem)
    if wrong != "away":
        server.start()
    with s:
        wait_for(lambda: s.events("keys_failed"))
        assert code_of(s, issuer.token(CLAIMS)) is grpc.StatusCode.UNAVAILABLE
        assert s.ask(CSR, token=s.token(ID)), "others are served"
        if wrong == "away":  # and is there later
            server.start()
            wait_for(lambda: code_of(s, issuer.token(CLAIMS)) is None, 60)
            wait_for(lambda: s.events("keys_back"))
        else:
            assert server.asked == 0
