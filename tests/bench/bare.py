"""A client that does by itself what Signet does for a certificate: files a CertificateSigningRequest, approves it, awaits it over one
shared watch, deletes it.  What this takes is what the API server and the signer take.  HTTP by hand: few instructions, so that the
client is not what is measured."""
import base64
import concurrent.futures
import contextlib
import json
import re
import socket
import threading
import time
import uuid

from kube import CSRS

LABEL = "bench.signet.dev/run"
WAIT_S = 60


class Connection:
    """One kept connection, a request at a time."""

    def __init__(self, client):
        raw = socket.create_connection(("127.0.0.1", client.port), WAIT_S)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = client.tls.wrap_socket(raw, server_hostname="127.0.0.1")
        self.data = b""

    def send(self, method, path, body=b"", content_type="application/json"):
        self.socket.sendall(f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n"
                            .encode() + body)

    def fill(self):
        more = self.socket.recv(65536)
        if not more:
            raise OSError("the API server closed the connection")
        self.data += more

    def take(self, n):
        while len(self.data) < n:
            self.fill()
        out, self.data = self.data[:n], self.data[n:]
        return out

    def take_until(self, mark):
        while (at := self.data.find(mark)) < 0:
            self.fill()
        return self.take(at + len(mark))

    def head(self):
        """(status, length of the body; None: in chunks)"""
        text = self.take_until(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", text, re.I)
        return int(text[9:12]), int(length[1]) if length else None

    def chunks(self):
        while (n := int(self.take_until(b"\r\n"), 16)) > 0:
            yield self.take(n)
            self.take(2)
        self.take(2)

    def call(self, *request):
        self.send(*request)
        status, length = self.head()
        body = self.take(length) if length is not None else b"".join(self.chunks())
        if status not in (200, 201):
            raise OSError(f"{request[0]} {request[1]}: {status} {body[:300]}")
        return body


class Bare:
    """Use as a context manager; `annotations` as Signet makes them."""

    def __init__(self, client, signer_name, csr_pem, annotations):
        self.client, self.run = client, uuid.uuid4().hex
        self.body = json.dumps({
            "apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest",
            "metadata": {"name": "NAME", "labels": {LABEL: self.run, "app.kubernetes.io/managed-by": "bench"}, "annotations": annotations},
            "spec": {"request": base64.b64encode(csr_pem.encode()).decode(), "signerName": signer_name, "expirationSeconds": 86400,
                     "usages": ["digital signature", "server auth", "client auth"]}})
        self.waiting = {}
        self.idle = []
        self.stopped = False
        self.watch_again()

    def __enter__(self):
        threading.Thread(target=self.see, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.stopped = True
        for connection in [self.watch, *self.idle]:
            with contextlib.suppress(OSError):
                connection.socket.shutdown(socket.SHUT_RDWR)

    def watch_again(self):
        """From all that there is."""
        self.watch = Connection(self.client)
        self.watch.send("GET", f"{CSRS}?watch=1&timeoutSeconds=3600&labelSelector={LABEL}%3D{self.run}")
        assert self.watch.head()[0] == 200

    def see(self):
        while not self.stopped:
            with contextlib.suppress(OSError):
                self.see_events()
                self.watch_again()  # the API server ends watches when it is overloaded

    def see_events(self):
        data = b""
        for piece in self.watch.chunks():
            *lines, data = (data + piece).split(b"\n")
            for line in lines:
                there = self.waiting.pop(re.search(rb'"name":"([^"]+)"', line)[1].decode(), None) if b'"certificate":"' in line else None
                if there:
                    there.set()

    def one(self, connection):
        """Microseconds to the certificate; then its object is deleted."""
        name, there = "bench-" + uuid.uuid4().hex, threading.Event()
        self.waiting[name] = there
        start = time.monotonic()
        made = connection.call("POST", CSRS, self.body.replace("NAME", name).encode())
        version = re.search(rb'"resourceVersion":"(\d+)"', made)[1].decode()
        approval = {"metadata": {"resourceVersion": version}, "status": {"conditions": [
            {"type": "Approved", "status": "True", "reason": "Bench", "message": "bench"}]}}
        connection.call("PATCH", f"{CSRS}/{name}/approval", json.dumps(approval).encode(), "application/merge-patch+json")
        if not there.wait(WAIT_S):
            raise OSError(f"{name} was not signed")
        took = time.monotonic() - start
        connection.call("DELETE", f"{CSRS}/{name}")
        return int(took * 1e6)

    def connections(self, n):
        while len(self.idle) < n:
            self.idle.append(Connection(self.client))
        return self.idle[:n]

    def paced(self, n, a_second):
        """Sorted latencies of one after the other."""
        connection, = self.connections(1)
        out, next_at = [], time.monotonic()
        for _ in range(n):
            time.sleep(max(0, next_at - time.monotonic()))
            next_at += 1 / a_second
            out.append(self.one(connection))
        return sorted(out)

    def many(self, n, clients):
        """Sorted latencies of n, in the hands of so many clients that never pause."""
        with concurrent.futures.ThreadPoolExecutor(clients) as pool:
            jobs = [pool.submit(lambda c, k: [self.one(c) for _ in range(k)], c, n // clients) for c in self.connections(clients)]
            return sorted(t for job in jobs for t in job.result())
