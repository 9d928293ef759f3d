"""A real Kubernetes without nodes: etcd, API server, controllers, and cert-manager if wanted, on loopback in a directory of their own."""
import base64
import contextlib
import http.client
import ipaddress
import json
import os
import pathlib
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
import urllib.parse

import yaml
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from harness import free_port, wait_for
from pki import USAGES, Authority, key_pem, name, new_key, pem

START_S = 120  # a machine that others load
CORE = "/api/v1"
CSRS = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
ISSUERS = "/apis/cert-manager.io/v1/clusterissuers"
CONTROLLERS = ("certificatesigningrequest-approving-controller", "certificatesigningrequest-cleaner-controller",
               "certificatesigningrequest-signing-controller", "garbage-collector-controller", "namespace-controller",
               "root-ca-certificate-publisher-controller", "serviceaccount-controller")


def b64(text):
    return base64.b64encode(text.encode()).decode()


def account_user(namespace, account):
    return f"system:serviceaccount:{namespace}:{account}"


def new_directory(prefix, parent):
    directory = pathlib.Path(tempfile.mkdtemp(prefix=prefix, dir=parent)).resolve()
    directory.chmod(0o755)  # a daemon under test is another user
    return directory


class Process:
    """One program of a cluster.  `ready` is asked until it says yes; that the server is not there yet is no."""

    def __init__(self, directory, command, ready):
        self.directory, self.command, self.ready = directory, [str(c) for c in command], ready
        self.name = pathlib.Path(self.command[0]).name
        self.log_path = directory / f"{self.name}.log"
        self.process = None

    def start(self):
        with open(self.log_path, "ab") as log:
            command = ["setpriv", "--pdeathsig", "KILL", "--", *self.command]  # an API server without its etcd would not end
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.directory)
        end = time.monotonic() + START_S
        while time.monotonic() < end and self.process.poll() is None:
            try:
                if self.ready():
                    return
            except (OSError, http.client.HTTPException):
                pass
            time.sleep(0.05)
        lines = self.log_path.read_text(errors="replace").splitlines()[-20:]
        raise AssertionError(f"{self.name} did not come up (exit status {self.process.poll()}):\n" + "\n".join(lines))

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)


class Client:
    """Somebody at the API server: whom a token or a client certificate (PEM, with its key) shows, or nobody."""

    def __init__(self, port, ca_pem, token=None, certificate=None):
        self.port, self.timeout = port, 30
        self.headers = {"Authorization": "Bearer " + token} if token else {}
        self.tls = ssl.create_default_context(cadata=ca_pem)
        if certificate:
            with tempfile.NamedTemporaryFile("w") as file:
                file.write(certificate)
                file.flush()
                self.tls.load_cert_chain(file.name)

    def connect(self):
        return contextlib.closing(http.client.HTTPSConnection("127.0.0.1", self.port, context=self.tls, timeout=self.timeout))

    def request(self, method, path, body=None, content_type="application/json"):
        """(status, JSON), or (status, text) where the API server does not answer with JSON.  `body`: an object, or the bytes to send."""
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        with self.connect() as connection:
            connection.request(method, path, data, {**self.headers, "Content-Type": content_type})
            response = connection.getresponse()
            text = response.read().decode()
        return response.status, json.loads(text) if "json" in response.headers.get("Content-Type", "") else text

    def api(self, method, path, body=None, content_type="application/json"):
        status, answer = self.request(method, path, body, content_type)
        if not 200 <= status < 300:
            raise AssertionError(f"{method} {path}: {status} {answer}")
        return answer

    def patch(self, path, body):
        return self.api("PATCH", path, body, "application/merge-patch+json")

    def watch(self, path):
        """Events until the API server ends the watch."""
        with self.connect() as connection:
            connection.request("GET", path, headers=self.headers)
            response = connection.getresponse()
            if response.status != 200:
                raise OSError(f"{path}: {response.status}")
            for line in response:
                yield json.loads(line)

    def whoami(self):
        return self.api("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", {})["status"]["userInfo"]

    # ---- namespaces, service accounts, pods, tokens ----

    def create_namespace(self, namespace):
        return self.api("POST", f"{CORE}/namespaces", {"metadata": {"name": namespace}})

    def create_account(self, namespace, account):
        return self.api("POST", f"{CORE}/namespaces/{namespace}/serviceaccounts", {"metadata": {"name": account}})

    def create_node(self, node):
        return self.api("POST", f"{CORE}/nodes", {"metadata": {"name": node}})

    def create_pod(self, namespace, pod, account, node):
        """As if scheduler and kubelet had run it."""
        spec = {"serviceAccountName": account, "nodeName": node, "containers": [{"name": "main", "image": "none"}]}
        path = f"{CORE}/namespaces/{namespace}/pods"
        self.api("POST", path, {"metadata": {"name": pod}, "spec": spec})
        return self.patch(f"{path}/{pod}/status", {"status": {"phase": "Running"}})

    def delete_pod(self, namespace, pod):
        return self.api("DELETE", f"{CORE}/namespaces/{namespace}/pods/{pod}?gracePeriodSeconds=0")  # no kubelet confirms its end

    def token_for(self, namespace, account, audiences=(), pod=None, seconds=3600):
        """Audiences: those of the API server if there are none."""
        spec = {"audiences": list(audiences), "expirationSeconds": seconds}
        if pod:
            spec["boundObjectRef"] = {"apiVersion": "v1", "kind": "Pod", "name": pod}
        return self.api("POST", f"{CORE}/namespaces/{namespace}/serviceaccounts/{account}/token", {"spec": spec})["status"]["token"]

    def review(self, token, audiences=()):
        spec = {"token": token, "audiences": list(audiences)}
        return self.api("POST", "/apis/authentication.k8s.io/v1/tokenreviews", {"spec": spec})["status"]

    # ---- RBAC ----

    def grant(self, title, user, rules, namespace=None):
        """A role and its binding, both of that name; in one namespace, or in the whole cluster."""
        kind, at = ("Role", f"{RBAC}/namespaces/{namespace}/roles") if namespace else ("ClusterRole", f"{RBAC}/clusterroles")
        group = "rbac.authorization.k8s.io"
        self.api("POST", at, {"metadata": {"name": title}, "rules": rules})
        self.api("POST", at[:-1] + "bindings", {"metadata": {"name": title}, "roleRef": {"apiGroup": group, "kind": kind, "name": title},
                                                "subjects": [{"apiGroup": group, "kind": "User", "name": user}]})

    def revoke(self, title, namespace=None):
        at = f"{RBAC}/namespaces/{namespace}/role" if namespace else f"{RBAC}/clusterrole"
        self.api("DELETE", f"{at}bindings/{title}")
        self.api("DELETE", f"{at}s/{title}")

    # ---- CertificateSigningRequests ----

    def create_csr(self, title, csr_pem, signer_name, usages=("digital signature", *USAGES), seconds=None, annotations=None):
        spec = {"request": b64(csr_pem), "signerName": signer_name, "usages": list(usages)}
        if seconds:
            spec["expirationSeconds"] = seconds
        return self.api("POST", CSRS, {"metadata": {"name": title, "annotations": annotations or {}}, "spec": spec})

    def csr(self, title):
        return self.api("GET", f"{CSRS}/{title}")

    def csrs(self, signer_name):
        return self.api("GET", f"{CSRS}?fieldSelector=" + urllib.parse.quote(f"spec.signerName={signer_name}"))["items"]

    def delete_csr(self, title):
        self.api("DELETE", f"{CSRS}/{title}")

    def approve(self, title, reason="Test", message=""):
        self.add_condition(title, "approval", "Approved", reason, message)

    def deny(self, title, reason="Test", message=""):
        self.add_condition(title, "approval", "Denied", reason, message)

    def fail(self, title, reason="Test", message=""):
        self.add_condition(title, "status", "Failed", reason, message)

    def add_condition(self, title, subresource, kind, reason, message):
        csr = self.csr(title)  # all of it goes back: what a PUT leaves out of the metadata is deleted
        csr["status"].setdefault("conditions", []).append({"type": kind, "status": "True", "reason": reason, "message": message})
        self.api("PUT", f"{CSRS}/{title}/{subresource}", csr)

    def set_certificate(self, title, chain_pem):
        self.patch(f"{CSRS}/{title}/status", {"status": {"certificate": b64(chain_pem)}})


class Kube(Client):
    """A cluster, and its administrator; use as a context manager.  cert_manager: with a ClusterIssuer `issuer`, an intermediate of
    issuer_root.  apiserver_args: more arguments for the API server."""

    def __init__(self, workdir=None, cert_manager=False, issuer="mesh", apiserver_args=()):
        self.bin = pathlib.Path(subprocess.run([pathlib.Path(__file__).resolve().parent / "build"], stdout=subprocess.PIPE, check=True,
                                               text=True).stdout.strip())
        self.dir = new_directory("kube-", workdir)
        self.pki = self.dir / "pki"
        self.pki.mkdir(mode=0o700)
        self.ca = Authority("kubernetes")
        self.ca_pem = pem(self.ca.certificate)
        super().__init__(free_port(), self.ca_pem, certificate="".join(self.identity("admin", ["system:masters"])))
        self.url = f"https://127.0.0.1:{self.port}"
        self.env = {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": str(self.port)}
        self.token_issuer = "https://kubernetes.default.svc.cluster.local"
        self.etcd = Process(self.dir, self.etcd_command(), self.etcd_ready)
        self.apiserver = Process(self.dir, [*self.apiserver_command(), *apiserver_args], lambda: self.request("GET", "/readyz")[0] == 200)
        self.controllers = Process(self.dir, self.controllers_command(), self.controllers_ready)
        self.cert_manager = None
        if cert_manager:
            self.issuer_name, self.signer_name = issuer, f"clusterissuers.cert-manager.io/{issuer}"
            self.issuer_root = Authority("issuer-root")
            self.issuer = Authority("issuer-intermediate", self.issuer_root)
            command = [self.bin / "cert-manager", "--kubeconfig", self.kubeconfig("cert-manager", ["system:masters"])]
            self.cert_manager = Process(self.dir, command, lambda: self.issuer_ready(issuer))

    def __enter__(self):
        try:
            self.etcd.start()
            self.apiserver.start()
            self.controllers.start()
            if self.cert_manager:
                self.start_cert_manager()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for process in (self.cert_manager, self.controllers, self.apiserver, self.etcd):
            if process:
                process.kill()
        shutil.rmtree(self.dir, ignore_errors=True)

    # ---- what runs ----

    def etcd_command(self):
        # Sockets in the directory need no free ports, and nobody else's client finds them.
        client, peer = f"unix://{self.dir}/etcd.sock", f"unix://{self.dir}/peer.sock"
        return [self.bin / "etcd", "--data-dir", self.dir / "etcd", "--listen-client-urls", client, "--advertise-client-urls", client,
                "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", f"default={peer}",
                "--log-level", "error", "--unsafe-no-fsync"]

    def etcd_ready(self):
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(str(self.dir / "etcd.sock"))
            return True

    def apiserver_command(self):
        key, names = new_key(), [x509.DNSName(n) for n in ("localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc")]
        names += [x509.IPAddress(ipaddress.ip_address(a)) for a in ("127.0.0.1", "10.0.0.1")]
        certificate = self.ca.sign(name("kube-apiserver"), key.public_key(), names=names)
        pki = self.pki
        (pki / "ca.crt").write_text(self.ca_pem)
        (pki / "ca.key").write_text(key_pem(self.ca.key))
        (pki / "server.pem").write_text(pem(certificate) + key_pem(key))
        (pki / "accounts.key").write_text(key_pem(rsa.generate_private_key(65537, 2048)))
        return [self.bin / "kube-apiserver", "--etcd-servers", f"unix://{self.dir}/etcd.sock", "--bind-address", "127.0.0.1",
                "--advertise-address", "127.0.0.1", "--secure-port", self.port, "--endpoint-reconciler-type", "none",
                "--tls-cert-file", pki / "server.pem", "--tls-private-key-file", pki / "server.pem", "--client-ca-file", pki / "ca.crt",
                "--service-account-issuer", self.token_issuer, "--service-account-key-file", pki / "accounts.key",
                "--service-account-signing-key-file", pki / "accounts.key", "--service-cluster-ip-range", "10.0.0.0/24",
                "--authorization-mode", "Node,RBAC", "--profiling=false"]

    def controllers_command(self):
        pki = self.pki
        return [self.bin / "kube-controller-manager", "--kubeconfig", self.kubeconfig("system:kube-controller-manager", files=True),
                "--secure-port", 0, "--leader-elect=false", "--use-service-account-credentials=true",
                "--service-account-private-key-file", pki / "accounts.key", "--root-ca-file", pki / "ca.crt",
                "--cluster-signing-cert-file", pki / "ca.crt", "--cluster-signing-key-file", pki / "ca.key",
                "--controllers", ",".join(CONTROLLERS)]

    def controllers_ready(self):
        return self.request("GET", f"{CORE}/namespaces/default/serviceaccounts/default")[0] == 200

    # ---- cert-manager ----

    def start_cert_manager(self):
        for crd in sorted((self.bin / "crds").iterdir()):
            self.api("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", crd.read_bytes(), "application/yaml")
        self.create_namespace("cert-manager")
        wait_for(lambda: self.request("GET", ISSUERS)[0] == 200)
        self.create_cluster_issuer(self.issuer_name, self.issuer)
        self.cert_manager.start()

    def create_cluster_issuer(self, title, authority):
        """One that signs with this CA.  It is not ready at once."""
        data = {"tls.crt": pem(*authority.chain()), "tls.key": key_pem(authority.key)}
        self.api("POST", f"{CORE}/namespaces/cert-manager/secrets",
                 {"metadata": {"name": title}, "type": "kubernetes.io/tls", "stringData": data})
        self.api("POST", ISSUERS, {"apiVersion": "cert-manager.io/v1", "kind": "ClusterIssuer", "metadata": {"name": title},
                                   "spec": {"ca": {"secretName": title}}})

    def issuer_ready(self, title):
        status = self.api("GET", f"{ISSUERS}/{title}").get("status", {})
        return any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions", []))

    def delete_cluster_issuer(self, title):
        self.api("DELETE", f"{ISSUERS}/{title}")
        self.api("DELETE", f"{CORE}/namespaces/cert-manager/secrets/{title}")

    # ---- who one can be ----

    def identity(self, user, groups=()):
        """A new client certificate and its key."""
        key = new_key()
        return pem(self.ca.sign(name(user, groups), key.public_key())), key_pem(key)

    def client(self, user=None, groups=(), token=None):
        return Client(self.port, self.ca_pem, token, "".join(self.identity(user, groups)) if user else None)

    def kubeconfig(self, user=None, groups=(), token=None, files=False):
        """A kubeconfig with a token, or with a new client certificate.  files: of names of files, relative to it, instead of data."""
        directory = new_directory("kubeconfig-", self.dir)

        def entry(key, text):
            if not files:
                return {f"{key}-data": b64(text)}
            (directory / key).write_text(text)
            return {key: key}
        if token and files:
            (directory / "token").write_text(token)
            credentials = {"tokenFile": "token"}
        elif token:
            credentials = {"token": token}
        else:
            certificate, key = self.identity(user, groups)
            credentials = {**entry("client-certificate", certificate), **entry("client-key", key)}
        path = directory / "config"
        path.write_text(yaml.safe_dump({
            "apiVersion": "v1", "kind": "Config", "current-context": "test",
            "clusters": [{"name": "test", "cluster": {"server": self.url, **entry("certificate-authority", self.ca_pem)}}],
            "users": [{"name": "test", "user": credentials}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}]}, sort_keys=False))
        return path

    def in_cluster_dir(self, namespace, account, directory=None, **token):
        """What a pod finds in /var/run/secrets/kubernetes.io/serviceaccount, placed as the kubelet does: files by way of a link that is
        exchanged, so that they change all at once.  With a directory that an earlier call gave: its next token."""
        directory = directory or new_directory("serviceaccount-", self.dir)
        old = list(directory.glob("..[0-9]*"))
        new = directory / f"..{time.time_ns()}"
        new.mkdir()
        for file, text in (("token", self.token_for(namespace, account, **token)), ("ca.crt", self.ca_pem), ("namespace", namespace)):
            (new / file).write_text(text)
            if not old:
                (directory / file).symlink_to(f"..data/{file}")
        (directory / "..data_tmp").symlink_to(new.name)
        os.rename(directory / "..data_tmp", directory / "..data")
        for path in old:
            shutil.rmtree(path)
        return directory

    def jwks(self):
        return self.api("GET", "/openid/v1/jwks")
