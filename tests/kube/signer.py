"""Those who act on CertificateSigningRequests beside us: signers, good and bad, and approvers."""
import base64
import http.client
import threading
import urllib.parse

from cryptography import x509

from kube import CSRS
from pki import DAY, HOUR, MINUTE, SECOND, USAGES, Authority, new_key, now, pem

OTHER_ID = x509.UniformResourceIdentifier("spiffe://example.org/ns/other/sa/other")

# What a behaviour changes in the leaf of a good signer.
LEAVES = {
    "another-key": lambda leaf: {"public_key": new_key().public_key()},
    "another-id": lambda leaf: {"names": [OTHER_ID]},
    "two-uris": lambda leaf: {"names": [*leaf["names"], OTHER_ID]},
    "extra-dns": lambda leaf: {"names": [*leaf["names"], x509.DNSName("extra.example.org")]},
    "san-not-critical": lambda leaf: {"critical": False},
    "ca": lambda leaf: {"ca": True},
    "no-eku": lambda leaf: {"usages": ()},
    "expired": lambda leaf: {"start": now() - 2 * HOUR, "end": now() - HOUR},
    "not-yet-valid": lambda leaf: {"start": now() + HOUR, "end": leaf["end"] + HOUR},
    "too-long": lambda leaf: {"end": leaf["end"] + DAY},
}
# Who signs the leaf, and what is put after it, where that is not what a good signer does.
CHAINS = {
    "leaf-only": ("root", ()),
    "duplicates": ("inner", ("inner", "inner", "outer")),
    "wrong-order": ("inner", ("outer", "inner")),
    "root-included": ("inner", ("inner", "outer", "root")),
    "gap": ("inner", ("outer",)),
    "wrong-root": ("strange", ("strange",)),
    "expired-chain": ("expired", ("expired", "outer")),
    "outlives-issuer": ("short", ("short", "outer")),
}
BEHAVIOURS = ("good", "text-between", "garbage", "failed", "silent", *LEAVES, *CHAINS)


class Watcher(threading.Thread):
    """Acts once on each CSR of a signerName that it wants, `delay` seconds after it saw it; use as a context manager."""

    def __init__(self, kube, signer_name, delay=0):
        super().__init__(daemon=True)
        self.kube, self.delay = kube, delay
        selector = urllib.parse.quote(f"spec.signerName={signer_name}")
        self.path = f"{CSRS}?watch=1&timeoutSeconds=5&fieldSelector={selector}"
        self.stopped = threading.Event()
        self.taken = set()
        self.errors = []

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stopped.set()  # the thread itself sees that when its watch ends

    def run(self):
        while not self.stopped.is_set():
            try:
                for event in self.kube.watch(self.path):
                    self.see(event)
            except (OSError, http.client.HTTPException, ValueError):  # the API server is away: a new watch begins with all that there is
                self.stopped.wait(0.2)

    def see(self, event):
        csr = event["object"]
        if event["type"] in ("ADDED", "MODIFIED") and self.wants(csr) and csr["metadata"]["uid"] not in self.taken:
            self.taken.add(csr["metadata"]["uid"])
            timer = threading.Timer(self.delay, self.try_to_act, [csr])
            timer.daemon = True
            timer.start()

    def try_to_act(self, csr):
        if self.stopped.is_set():
            return
        try:
            self.act(csr)
        except (OSError, http.client.HTTPException, AssertionError) as e:
            self.errors.append(e)
            self.taken.discard(csr["metadata"]["uid"])

    @staticmethod
    def conditions(csr):
        return {c["type"] for c in csr["status"].get("conditions", [])}


class Approver(Watcher):
    """Approves what is pending, or denies it."""

    def __init__(self, kube, signer_name, approve=True, delay=0, reason="Test", message=""):
        super().__init__(kube, signer_name, delay)
        self.judge, self.reason, self.message = kube.approve if approve else kube.deny, reason, message

    def wants(self, csr):
        return not self.conditions(csr)

    def act(self, csr):
        self.judge(csr["metadata"]["name"], self.reason, self.message)


class Signer(Watcher):
    """Signs what is approved, in the way that `behaviour` says, which may be changed at any time.  Under the root are `outer`, and
    under that `inner`, which signs."""

    def __init__(self, kube, signer_name, behaviour="good", delay=0):
        super().__init__(kube, signer_name, delay)
        self.behaviour = behaviour
        self.failure = ("SigningError", "on purpose")  # reason and message of "failed"
        self.root = Authority("root")
        outer = Authority("outer", self.root)
        self.authorities = {
            "root": self.root, "outer": outer, "inner": Authority("inner", outer),
            "strange": Authority("inner", Authority("root")),  # their names tell nothing
            "expired": Authority("expired", outer, start=now() - 2 * HOUR, end=now() - HOUR),
            "short": Authority("short", outer, end=now() + 5 * MINUTE),  # any leaf is for 10 at least
        }
        self.root_pem = pem(self.root.certificate)

    def wants(self, csr):
        return self.conditions(csr) == {"Approved"} and "certificate" not in csr["status"]

    def act(self, csr):
        title = csr["metadata"]["name"]
        if self.behaviour == "failed":
            self.kube.fail(title, *self.failure)
        elif self.behaviour != "silent":
            self.kube.set_certificate(title, self.chain(csr["spec"]))

    def chain(self, spec):
        if self.behaviour == "garbage":
            return pem(Authority("garbage").certificate)
        request = x509.load_pem_x509_csr(base64.b64decode(spec["request"]))
        leaf = {"subject": request.subject, "public_key": request.public_key(),
                "names": list(request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value),
                "usages": [USAGES[u] for u in spec["usages"] if u in USAGES],
                "end": now() + spec.get("expirationSeconds", 3600) * SECOND}
        if self.behaviour in LEAVES:
            leaf.update(LEAVES[self.behaviour](leaf))
        issuer, rest = CHAINS.get(self.behaviour, ("inner", ("inner", "outer")))
        blocks = [pem(self.authorities[issuer].sign(**leaf)), *(pem(self.authorities[a].certificate) for a in rest)]
        return ("of such text nothing is meant\n" if self.behaviour == "text-between" else "").join(blocks)
