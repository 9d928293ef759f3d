#!/usr/bin/python3
"""An HTTPS server on loopback, ordinary and hostile, for tests/unit/k8s_csr/: the path says what it does.

    https_server.py DIR [PORT...]     # prints its ports: h1 expired mtls h2 old mute clear

DIR has server.pem, expired.pem (certificate and key) and ca.pem (whom the clients of mtls must have).  It ends with its standard
input.  old: TLS 1.1.  mute: takes connections and says nothing.  clear: HTTP without TLS.
What h1 answers to /NAME and below is written in DIR/NAME.script, if there is one: see Script.
"""
import ast
import email.utils
import gzip
import itertools
import json
import os
import socket
import ssl
import struct
import sys
import threading
import time
import warnings

import h2.config
import h2.connection
import h2.events
import h2.exceptions
import hyperframe.frame

DIR = sys.argv[1]
KINDS = ["h1", "expired", "mtls", "h2", "old", "mute", "clear"]
ports = {}
seen = {}  # path -> how often it was asked; "/connections/KIND" and "/open/KIND": how many there were and are
numbers = itertools.count(1)
lock = threading.Lock()


def context(kind):
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    c.load_cert_chain(f"{DIR}/{'expired' if kind == 'expired' else 'server'}.pem")
    c.sni_callback = lambda sock, name, ctx: setattr(sock, "sni", name)
    if kind == "mtls":
        c.load_verify_locations(f"{DIR}/ca.pem")
        c.verify_mode = ssl.CERT_REQUIRED
    if kind == "old":
        warnings.simplefilter("ignore")
        c.set_ciphers("ALL:@SECLEVEL=0")
        c.minimum_version = c.maximum_version = ssl.TLSVersion.TLSv1_1
    c.set_alpn_protocols(["h2"] if kind == "h2" else ["http/1.1"])
    return c


def count(path, n=1):
    with lock:
        seen[path] = seen.get(path, 0) + n


class Conn:
    def __init__(self, sock):
        self.sock, self.number, self.asked = sock, next(numbers), 0
        self.sni = getattr(sock, "sni", None)

    def send(self, data):
        self.sock.sendall(data if isinstance(data, bytes) else data.encode())

    def answer(self, status, body, *fields):
        body = body if isinstance(body, bytes) else body.encode()
        self.send("".join(f"{line}\r\n" for line in [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", *fields, ""]).encode() + body)

    def told(self, method, path, fields, body):
        wanted = ["host", "content-type", "authorization", "accept", "accept-encoding", "cookie", "expect", "user-agent"]
        peer = self.sock.getpeercert() or {}
        lines = [f"{method} {path}", f"conn: {self.number}", f"sni: {self.sni}", f"peer: {peer.get('serialNumber')}"]
        return "\n".join(lines + [f"{n}: {fields.get(n)}" for n in wanted] + [f"length: {len(body)}", f"body: {body[:1000].decode('latin-1')}", ""])


def chunk(data):
    return b"%x\r\n%s\r\n" % (len(data), data)


CHUNKED = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def drip(c, n):
    c.send("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    for _ in range(n):
        c.send("x")
        time.sleep(0.05)


def pieces(c):
    c.send(CHUNKED)
    for i in range(3):
        c.send(chunk(b"piece%d\n" % i))
        time.sleep(0.05)
    c.send(chunk(b""))


def stall(c, start=CHUNKED, data=None):
    c.send(start)
    c.send(chunk(b"piece0\n") if data is None else data)
    time.sleep(20)


def for_ever(c, start, again):
    c.send(start)
    while True:
        c.send(again)


def abrupt(c, data):
    c.send(data)
    c.sock.shutdown(socket.SHUT_RDWR)  # no close_notify
    raise ConnectionError


def reset(c, data=b""):
    if data:
        c.send(data)
        time.sleep(0.05)
    c.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    os.close(c.sock.detach())
    raise ConnectionError


def finish(c, data=b""):
    c.send(data)
    raise EOFError


def once(c):  # closes the second request on a connection without a word
    if c.asked > 1:
        raise EOFError
    c.answer(200, f"conn: {c.number}\n")


def file(c, name):
    """DIR/NAME, as it is now: a line with the status, then the body.  In NAME, "/" stands as "_"."""
    try:
        with open(f"{DIR}/{name.replace('/', '_')}", "rb") as f:
            status, _, body = f.read().partition(b"\n")
        c.answer(int(status), body)
    except FileNotFoundError:
        c.answer(404, "no such file")


CUT = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n0123456789"
OPEN = "HTTP/1.1 200 OK\r\n\r\nuntil the end"
STATUS = '{"kind":"Status","status":"Failure","reason":"Forbidden","code":403}'
HTTP1 = {
    "/silent": lambda c: time.sleep(20),
    "/drip": lambda c: drip(c, 400),
    "/cut": lambda c: finish(c, CUT),
    "/cut-abrupt": lambda c: abrupt(c, CUT),
    "/cut-chunk": lambda c: finish(c, CHUNKED.encode() + b"10\r\n01234"),
    "/cut-chunks": lambda c: finish(c, CHUNKED.encode() + chunk(b"whole chunk")),
    "/cut-headers": lambda c: finish(c, "HTTP/1.1 200 OK\r\nContent-Le"),
    "/open": lambda c: finish(c, OPEN),
    "/open-abrupt": lambda c: abrupt(c, OPEN),
    "/nothing": lambda c: finish(c),
    "/reset": reset,
    "/reset-late": lambda c: reset(c, CUT),
    "/once": once,
    "/endless": lambda c: for_ever(c, CHUNKED, chunk(b"x" * 8000)),
    "/endless-open": lambda c: for_ever(c, "HTTP/1.1 200 OK\r\n\r\n", b"x" * 8000),
    "/big": lambda c: c.answer(200, b"x" * 100000),
    "/headers": lambda c: for_ever(c, "HTTP/1.1 200 OK\r\n", "X-More: " + "y" * 100 + "\r\n"),
    "/header": lambda c: c.answer(200, "", "X-Long: " + "y" * 90000),
    "/header-some": lambda c: c.answer(200, "some", "X-Long: " + "y" * 50000),
    "/continue": lambda c: for_ever(c, "", "HTTP/1.1 100 Continue\r\n\r\n"),
    "/trailers": lambda c: for_ever(c, CHUNKED.encode() + b"1\r\nx\r\n0\r\n", b"X-Trailer: " + b"y" * 100 + b"\r\n"),
    "/garbage": lambda c: finish(c, "SSH-2.0-OpenSSH_9.2\r\n"),
    "/version": lambda c: finish(c, "HTTP/7.3 200 OK\r\n\r\n"),
    "/status": lambda c: c.answer(403, STATUS, "Content-Type: application/json"),
    "/status-big": lambda c: c.answer(403, b"x" * 70000),
    "/status-endless": lambda c: for_ever(c, CHUNKED.replace("200 OK", "500 No"), chunk(b"x" * 8000)),
    "/none": lambda c: c.send("HTTP/1.1 204 None\r\n\r\n"),
    "/unauthorized": lambda c: c.answer(401, "who?", "WWW-Authenticate: Basic realm=x", "WWW-Authenticate: Negotiate"),
    "/redirect": lambda c: c.answer(302, "there", f"Location: https://127.0.0.1:{ports['expired']}/leak"),
    "/redirect-same": lambda c: c.answer(307, "there", "Location: /leak"),
    "/redirect-clear": lambda c: c.answer(301, "there", f"Location: http://127.0.0.1:{ports['clear']}/leak"),
    "/later": lambda c: c.answer(429, "later", "Retry-After: 7"),
    "/later-date": lambda c: c.answer(503, "later", f"Retry-After: {email.utils.formatdate(time.time() + 30, usegmt=True)}"),
    "/later-far": lambda c: c.answer(429, "later", "Retry-After: 99999999999"),
    "/later-past": lambda c: c.answer(429, "later", f"Retry-After: {email.utils.formatdate(time.time() - 900, usegmt=True)}"),
    "/later-minus": lambda c: c.answer(429, "later", "Retry-After: -5"),
    "/later-odd": lambda c: c.answer(429, "later", "Retry-After: soon"),
    "/cookie": lambda c: c.answer(200, "have", "Set-Cookie: a=b; Path=/"),
    "/gzip": lambda c: c.answer(200, gzip.compress(b"z" * 1000), "Content-Encoding: gzip"),
    "/upgrade": lambda c: c.answer(200, "no", 'Alt-Svc: h2="127.0.0.1:1"', "Strict-Transport-Security: max-age=9999"),
    "/goodbye": lambda c: (c.answer(200, f"conn: {c.number}\n", "Connection: close"), finish(c)),
    "/pieces": pieces,
    "/stall": stall,
    "/stall-headers": lambda c: stall(c, "HTTP/1.1 200 OK\r\n", b"X-Not"),
    "/stall-first": lambda c: stall(c, CHUNKED, b""),
}


# ---- scripts ----

STEP = {"after": 0, "status": 200, "fields": [], "body": None, "hold": 0, "end": "well"}


def pod(name, version, **members):
    meta = {"name": name, "namespace": "ns", "uid": "uid-" + name, "resourceVersion": version, "creationTimestamp": "2026-01-01T00:00:00Z"}
    return {"kind": "Pod", "apiVersion": "v1", "metadata": meta, "spec": {"serviceAccountName": "sa", "nodeName": "node"}, **members}


def line(text):
    """One of a watch: "ADDED a 11", "BOOKMARK - 12", "ERROR 410 why"; "!TEXT" is TEXT, as it stands; "!" and a number: so many x."""
    if text[0] == "!":
        return "x" * int(text[1:]) if text[1:].isdigit() else text[1:]
    kind, name, version = text.split(" ", 2)
    if kind == "ERROR":
        object = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": int(name), "message": version}
    elif kind == "BOOKMARK":
        object = {"kind": "Pod", "apiVersion": "v1", "metadata": {"resourceVersion": version}}
    else:
        object = pod(name, version)
    return json.dumps({"type": kind, "object": object}) + "\n"


def page(step):
    """{"list": "a b", "version": "9", "more": "token", "pad": bytes of each}"""
    items = [pod(n, "1", x="y" * step.get("pad", 0)) for n in step["list"].split()]
    return json.dumps({"kind": "PodList", "apiVersion": "v1", "metadata": {"resourceVersion": step["version"], "continue": step.get("more", "")}, "items": items})


class Script:
    """{"token": "t", "steps": [step...]}: a step an answer, the last again and again; another token than t gets 401 and takes no
    step.  A step: `body` or `list` or `watch` (lines, sent one by one; "||" in one: cut there), `status`, `fields`, `after` seconds;
    and its `end`, after `hold` seconds: well, cut (the connection), hang."""

    def __init__(self, name):
        with open(f"{DIR}/{name}.script") as f:
            self.told, self.written = ast.literal_eval(f.read()), os.fstat(f.fileno()).st_mtime_ns
        self.at, self.asked = 0, []

    def next(self, first, fields):
        with lock:
            self.asked.append(f"{first[0]} {first[1]} {fields.get('authorization', '-')}")
            if self.told.get("token") and fields.get("authorization") != "Bearer " + self.told["token"]:
                return {"status": 401, "body": "who?"}
            step = self.told["steps"][min(self.at, len(self.told["steps"]) - 1)]
            self.at += 1
            return step

    def play(self, c, first, fields):
        step = STEP | self.next(first, fields)
        time.sleep(step["after"])
        if "list" in step:
            step["body"] = page(step)
        if "watch" in step:
            c.send(CHUNKED)
            for text in step["watch"]:
                for part in line(text).split("||"):
                    c.send(chunk(part.encode()))
                    time.sleep(0.01)
        time.sleep(60 if step["end"] == "hang" else step["hold"])
        if step["end"] == "cut":
            raise EOFError
        c.send(chunk(b"")) if "watch" in step else c.answer(step["status"], step["body"] or "", *step["fields"])


scripts = {}  # by name; /NAME.asked tells who asked


def script(path):
    """As it was written last: another one starts from its beginning."""
    name = path[1:].partition("/")[0]
    with lock:
        try:
            if name not in scripts or scripts[name].written != os.stat(f"{DIR}/{name}.script").st_mtime_ns:
                scripts[name] = Script(name)
        except FileNotFoundError:
            return None
        return scripts[name]


def serve_http1(c):
    inp = c.sock.makefile("rb", buffering=65536)
    while True:
        first = inp.readline().decode().split()
        if len(first) < 3:
            return
        fields = {}
        while (line := inp.readline().strip()) != b"":
            name, _, value = line.decode().partition(":")
            fields[name.lower()] = value.strip()
        body = inp.read(int(fields.get("content-length", 0)))
        method, path = first[0], first[1].partition("?")[0]
        c.asked += 1
        count(path)
        if path.startswith("/seen/"):
            c.answer(200, f"seen {seen.get(path[5:], 0)}")
        elif path.endswith(".asked"):
            c.answer(200, "".join(a + "\n" for a in scripts[path[1:-6]].asked))
        elif told := script(path):
            told.play(c, first, fields)
        elif path in HTTP1:
            HTTP1[path](c)
        elif path.startswith("/files/"):
            file(c, path[7:])
        else:
            c.answer(200, c.told(method, first[1], fields, body))


# ---- HTTP/2 ----


class Http2:
    def __init__(self, c):
        self.c, self.held, self.asks, self.ended = c, [], {}, False
        self.h = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="utf-8"))

    def answer(self, stream, status, body, end=True):
        self.h.send_headers(stream, [(":status", str(status))])
        self.h.send_data(stream, body.encode(), end_stream=end)

    def ask(self, stream):
        fields, body = self.asks.pop(stream)
        path = fields[":path"].partition("?")[0]
        count(path)
        if path.startswith("/hold/"):  # until so many are open at once on this connection
            self.held.append(stream)
            if len(self.held) == int(path[6:]):
                for s in self.held:
                    self.answer(s, 200, f"conn: {self.c.number}\n")
                self.held = []
        elif path == "/silent":
            pass
        elif path == "/reset":
            self.h.reset_stream(stream, 2)
        elif path == "/refuse":
            self.h.reset_stream(stream, 7)
        elif path == "/goaway":
            self.h.close_connection(1)
            self.ended = True
        elif path == "/goaway-soft":  # as an API server does to spread its clients: no new streams, but the open ones live
            self.answer(stream, 200, f"conn: {self.c.number}\n")
            self.c.send(self.h.data_to_send())
            self.c.send(hyperframe.frame.GoAwayFrame(0, last_stream_id=2**31 - 1).serialize())
        elif path == "/close":
            raise EOFError
        elif path == "/pieces":
            self.answer(stream, 200, "piece0\n", end=False)
            self.h.send_data(stream, b"piece1\n")
            self.h.send_data(stream, b"piece2\n", end_stream=True)
        elif path == "/stall":
            self.answer(stream, 200, "piece0\n", end=False)
        else:
            fields["host"] = fields[":authority"]
            self.answer(stream, 200, self.c.told(fields[":method"], fields[":path"], fields, body))

    def run(self):
        self.h.initiate_connection()
        self.c.send(self.h.data_to_send())
        while data := self.c.sock.recv(65536):
            for e in self.h.receive_data(data):
                if isinstance(e, h2.events.RequestReceived):
                    self.asks[e.stream_id] = (dict(e.headers), b"")
                elif isinstance(e, h2.events.DataReceived):
                    self.asks[e.stream_id] = (self.asks[e.stream_id][0], self.asks[e.stream_id][1] + e.data)
                    self.h.acknowledge_received_data(e.flow_controlled_length, e.stream_id)
                elif isinstance(e, h2.events.StreamEnded):
                    self.ask(e.stream_id)
            self.c.send(self.h.data_to_send())
            if self.ended:
                return


def serve(kind, sock):
    count("/connections/" + kind)
    count("/open/" + kind)
    try:
        if kind == "mute":
            time.sleep(20)
            return
        if kind != "clear":
            sock = context(kind).wrap_socket(sock, server_side=True)
        c = Conn(sock)
        try:
            Http2(c).run() if kind == "h2" else serve_http1(c)
        except EOFError:
            pass
        if isinstance(sock, ssl.SSLSocket):
            sock.settimeout(1)
            sock.unwrap()
    except (OSError, ValueError, h2.exceptions.ProtocolError):
        pass  # the client went away, or its stream: that is its right
    finally:
        count("/open/" + kind, -1)
        sock.close()


def accept(kind, listener):
    while True:
        raw, _ = listener.accept()
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=serve, args=(kind, raw), daemon=True).start()


def main():
    given = [int(p) for p in sys.argv[2:]] or [0] * len(KINDS)
    for kind, port in zip(KINDS, given):
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen(256)
        ports[kind] = listener.getsockname()[1]
        threading.Thread(target=accept, args=(kind, listener), daemon=True).start()
    print(*[ports[k] for k in KINDS], flush=True)
    sys.stdin.read()
    os._exit(0)


main()
