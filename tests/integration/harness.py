"""Starts the real programs in a directory of their own and talks to them as independent clients would (grpcio, cryptography)."""
import datetime
import http.client
import json
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.parse

import grpc
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import NameOID
from google.protobuf import json_format, struct_pb2

BUILD = pathlib.Path(os.environ["SIGNET_BUILD"])
BIN = BUILD / "bin"
SANITIZED = BUILD.name == "san"
PATH = "/istio.v1.auth.IstioCertificateService/CreateCertificate"
START_S = 20  # sanitized builds are slow to start


def free_port():
    """Below the kernel's ephemeral ports: one of those could be taken by any client while a daemon is away."""
    while True:
        port = random.randrange(20000, 32000)
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


def wait_for(condition, seconds=10):
    """The condition's value once it is true."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError("it did not come to that")


def points_build():
    """The programs with hooks for tests, which are never installed; sanitized ones have the hooks anyway."""
    if SANITIZED:
        return BUILD
    env = {k: v for k, v in os.environ.items() if not k.startswith("MAKE") and k != "VARIANT"}
    subprocess.run(["make", "-s", "-j2", "VARIANT=points", "all"], check=True, cwd=BUILD.parent.parent, env=env)
    return BUILD.parent / "points"


# ---- the request and response of the CSR API, encoded by hand: an implementation that is not ours ----

def varint(n):
    out = b""
    n &= (1 << 64) - 1
    while n >= 0x80:
        out += bytes([n & 0x7F | 0x80])
        n >>= 7
    return out + bytes([n])


def field(number, data):
    return varint(number << 3 | 2) + varint(len(data)) + data


def encode_request(csr, validity=0, metadata=None):
    out = field(1, csr.encode() if isinstance(csr, str) else csr)
    if validity:
        out += varint(3 << 3) + varint(validity)
    if metadata is not None:
        s = struct_pb2.Struct()
        json_format.ParseDict(metadata, s)
        out += field(4, s.SerializeToString())
    return out


def decode_response(data):
    chain, i = [], 0
    while i < len(data):
        assert data[i] == 0x0A, "only field 1, length-delimited, is expected"
        i, n, shift = i + 1, 0, 0
        while True:
            b = data[i]
            i, n, shift = i + 1, n | (b & 0x7F) << shift, shift + 7
            if b < 0x80:
                break
        chain.append(data[i:i + n].decode())
        i += n
    return chain


# ---- keys and requests ----

def make_key(kind="p256"):
    return {"p256": lambda: ec.generate_private_key(ec.SECP256R1()),
            "p384": lambda: ec.generate_private_key(ec.SECP384R1()),
            "ed25519": ed25519.Ed25519PrivateKey.generate,
            "rsa1024": lambda: rsa.generate_private_key(65537, 1024),
            "rsa2048": lambda: rsa.generate_private_key(65537, 2048)}[kind]()


def make_csr(key, uri=None, subject=None, dns=(), critical=True):
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(subject or []))
    names = [x509.UniformResourceIdentifier(uri)] if uri else []
    names += [x509.DNSName(d) for d in dns]
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical)
    algorithm = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return builder.sign(key, algorithm).public_bytes(serialization.Encoding.PEM).decode()


def key_pem(key):
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def certs_of(pem):
    return [x509.load_pem_x509_certificate(("-----BEGIN CERTIFICATE" + part).encode())
            for part in pem.split("-----BEGIN CERTIFICATE")[1:]]


def serial_hex(cert):
    return cert.serial_number.to_bytes((cert.serial_number.bit_length() + 7) // 8, "big").hex()


def san_uris(cert):
    return cert.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(
        x509.UniformResourceIdentifier)


def verify_chain(leaf, roots_pem, workdir):
    """By OpenSSL's strict verifier, as server and as client."""
    roots, cert = pathlib.Path(workdir, "verify-roots.pem"), pathlib.Path(workdir, "verify-leaf.pem")
    roots.write_text(roots_pem)
    cert.write_bytes(leaf.public_bytes(serialization.Encoding.PEM))
    for purpose in ("sslserver", "sslclient"):
        subprocess.run(["openssl", "verify", "-x509_strict", "-purpose", purpose, "-CAfile", roots, cert], check=True,
                       capture_output=True)


class UnixHTTP(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=30)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Signet:
    """One daemon in a directory of its own; use as a context manager."""

    def __init__(self, config="", build=None, env=None):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="signet-test-"))
        self.bin = (build or BUILD) / "bin"
        self.port, self.metrics_port = free_port(), free_port()
        self.config = self.dir / "signet.yaml"
        self.log_path = self.dir / "log"
        self.env = {**os.environ, **(env or {})}
        self.process = None
        self.write_config(config)
        if os.getuid() == 0:  # the daemon leaves root: give the directory to whom it becomes
            shutil.chown(self.dir, "nobody", "nogroup")
            self.dir.chmod(0o755)

    def write_config(self, extra=""):
        """The file: `extra`, and a default for each key that it does not have at the top level."""
        defaults = {"trust_domain": "example.org", "data_dir": "@DIR@/data", "run_dir": "@DIR@/run", "user": "nobody",
                    "listen": "{ address: '127.0.0.1:@PORT@', fronts: 2 }", "metrics": "{ address: '127.0.0.1:@METRICS@' }",
                    "log": "{ format: json, level: debug }"}
        text = "".join(f"{k}: {v}\n" for k, v in defaults.items() if not re.search(f"^{k}:", extra, re.M)) + extra
        for name, value in (("@DIR@", self.dir), ("@PORT@", self.port), ("@METRICS@", self.metrics_port)):
            text = text.replace(name, str(value))
        self.config.write_text(text)
        self.config.chmod(0o644)

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.stop()
        shutil.rmtree(self.dir, ignore_errors=True)

    def spawn(self):
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen([self.bin / "signetd", "-c", self.config], stderr=log, stdin=subprocess.DEVNULL,
                                            env=self.env, cwd=self.dir)

    def start(self):
        self.spawn()
        end = time.monotonic() + START_S
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise AssertionError(f"signetd ended with {self.process.returncode}:\n{self.log()}")
            if self.ready():
                return
            time.sleep(0.02)
        raise AssertionError("signetd is not ready:\n" + self.log())

    def ready(self):
        status, _ = self.http("/healthz/ready")
        return status == 200

    def http(self, path):
        try:
            c = http.client.HTTPConnection("127.0.0.1", self.metrics_port, timeout=5)
            c.request("GET", path)
            r = c.getresponse()
            return r.status, r.read().decode()
        except OSError:
            return 0, ""

    def metric(self, name):
        """Value of one metric with its labels as printed, for example 'x{y="z"}'."""
        for line in self.http("/metrics")[1].splitlines():
            if line.startswith(name + " "):
                return float(line.rsplit(" ", 1)[1])
        raise AssertionError("no metric " + name)

    def stop(self, sig=signal.SIGTERM, timeout=20):
        if self.process is None or self.process.poll() is not None:
            return self.process.returncode if self.process else None
        self.process.send_signal(sig)
        try:
            code = self.process.wait(timeout)
            if sig == signal.SIGKILL:
                wait_for(self.is_gone)
            return code
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError("signetd did not stop:\n" + self.log())

    def is_gone(self):
        """Its children end with it; one that is killed may do so a moment later, and has the listening socket until then."""
        with socket.socket() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                s.bind(("127.0.0.1", self.port))
                return True
            except OSError:
                return False

    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def events(self, name):
        out = []
        for line in self.log().split("\n")[:-1]:  # of a line that is just being written a reader may see a part
            if line.startswith("{"):
                event = json.loads(line)
                if event["event"] == name:
                    out.append(event)
        return out

    def pids(self, role):
        """Process ids of our children whose program is signet-ROLE."""
        out = []
        for p in pathlib.Path("/proc").iterdir():
            if not p.name.isdigit():
                continue
            try:
                stat = (p / "stat").read_text()
                if int(stat.rsplit(")", 1)[1].split()[1]) == self.process.pid and (p / "comm").read_text().strip() == f"signet-{role}"[:15]:
                    out.append(int(p.name))
            except (OSError, IndexError):
                continue
        return out

    # ---- the admin API: what a test needs of it, without a process for each question ----

    def admin(self, method, path, body=None, socket_path=None):
        """(status, JSON or None).  `body`: an object, or the bytes to send."""
        c = UnixHTTP(str(socket_path or self.dir / "run/admin.sock"))
        try:
            data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
            c.request(method, path, body=data)
            r = c.getresponse()
            text = r.read().decode()
            return r.status, json.loads(text) if text else None
        finally:
            c.close()

    def api(self, method, path, body=None):
        status, answer = self.admin(method, path, body)
        assert status == 200, f"{method} {path}: {status} {answer}"
        return answer

    def new_token(self, spiffe_id, lifetime=None):
        """{"token", "id", "expires"}"""
        return self.api("POST", "/v1/tokens", {"spiffe_id": spiffe_id, **({"lifetime": lifetime} if lifetime else {})})

    def token(self, spiffe_id, lifetime=None):
        return self.new_token(spiffe_id, lifetime)["token"]

    def tokens(self):
        return {t["id"]: t for t in self.pages("/v1/tokens?limit=1000")}

    def roots(self):
        return self.api("GET", "/v1/roots")["roots_pem"]

    def ban(self, kind, subject, reason="test"):
        self.api("POST", "/v1/bans", {"kind": kind, "subject": subject, "reason": reason})

    def unban(self, kind, subject):
        self.api("DELETE", "/v1/bans?" + urllib.parse.urlencode({"kind": kind, "subject": subject}))

    def pages(self, path):
        """Every element of a list, page by page."""
        items, key = [], "after" if path.startswith("/v1/certs") else "cursor"
        page = self.api("GET", path)
        while True:
            items += page["items"]
            if "next" not in page:
                return items
            page = self.api("GET", f"{path}&{key}={page['next']}")

    def records(self, **query):
        return self.pages("/v1/certs?" + urllib.parse.urlencode({"limit": 1000, "newest_first": "false", **query}))

    def record_of(self, leaf):
        """The one record of this certificate."""
        found = self.records(serial=serial_hex(leaf))
        assert len(found) == 1, found
        return found[0]

    # ---- the command line ----

    def signet(self, *args, check=True, stdin=None):
        r = subprocess.run([self.bin / "signet", *args, "--config", self.config], capture_output=True, text=True, input=stdin,
                           env=self.env, timeout=60)
        if check and r.returncode != 0:
            raise AssertionError(f"signet {args} ended with {r.returncode}: {r.stdout}{r.stderr}")
        return r

    # ---- the CSR API ----

    def channel(self, key=None, chain=None, roots=None):
        credentials = grpc.ssl_channel_credentials((roots or self.roots()).encode(), key, chain)
        return grpc.secure_channel(f"localhost:{self.port}", credentials)

    def ask(self, csr, token=None, validity=0, metadata=None, headers=(), channel=None, timeout=20):
        """The chain (list of PEM), or grpc.RpcError."""
        own = channel is None
        channel = channel or self.channel()
        headers = list(headers) + ([("authorization", "Bearer " + token)] if token else [])
        try:
            call = channel.unary_unary(PATH, request_serializer=lambda b: b, response_deserializer=decode_response)
            return call(encode_request(csr, validity, metadata), metadata=headers, timeout=timeout)
        finally:
            if own:
                channel.close()


def now():
    return datetime.datetime.utcnow()
