"""The daemon as its host, its clients' TLS stacks and its monitoring see it."""
import datetime
import json
import os
import pathlib
import pwd
import re
import shutil
import signal
import socket
import ssl
import subprocess
import time

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from forge import Forger
from harness import (BIN, Signet, certs_of, encode_request, key_pem, make_csr, make_key, san_uris, verify_chain, wait_for)
from raw import Raw, frame
from tokens import Issuer

ID = "spiffe://example.org/ns/web/sa/shop"
ISSUER = Issuer("https://issuer.example/cluster")
ROLES = ("keeper", "front", "admin")
TOKEN = ISSUER.token({"sub": "system:serviceaccount:web:shop", "aud": "istio-ca"})
JWT_CONFIG = """jwt_issuers:
  - { name: cluster, issuer: https://issuer.example/cluster, jwks_file: @DIR@/cluster.jwks, audiences: [istio-ca], kind: kubernetes }
"""
KEY = make_key()
CSR = make_csr(KEY, ID)
Code = grpc.StatusCode


def everybody(s):
    """{pid: role}, when all are up."""
    wait_for(lambda: [e for e in s.events("serving") if e["process"] == "monitor"])
    return {s.process.pid: "monitor", **{pid: role for role in ROLES for pid in s.pids(role)}}


# ---- configuration mistakes ----

GOOD = "trust_domain: example.org\n"


@pytest.mark.parametrize("text, message", [
    ("", "{file}: there is nothing in it; at least trust_domain is needed"),
    (GOOD + "no_such: 1\n", "{file}:2: no_such: unknown key"),
    (GOOD + "trust_domian: x\n", "{file}:2: trust_domian: unknown key"),
    (GOOD + "trust_domain: example.com\n", '{file}:2: the key "trust_domain" is given twice, first in line 1'),
    ("trust_domain: [a]\n", "{file}:1: trust_domain: "),
    ("trust_domain: Example.ORG\n", "{file}:1: trust_domain: "),
    (GOOD + "listen:\n  fronts: 65\n", "{file}:3: listen.fronts: "),
    (GOOD + "listen:\n  fronts: -1\n", "{file}:3: listen.fronts: "),
    (GOOD + "listen:\n  fronts: two\n", "{file}:3: listen.fronts: "),
    (GOOD + "cert: { default_lifetime: 30 }\n", "{file}:2: cert.default_lifetime: "),
    (GOOD + "cert: { default_lifetime: 91d }\n", "{file}:2: cert.default_lifetime: "),
    (GOOD + "tls: { min_version: 1.1 }\n", "{file}:2: tls.min_version: "),
    (GOOD + "tls: { cert_file: /x.pem }\n", "{file}:2: tls.cert_file: needs tls.key_file beside it"),
    (GOOD + "auth: { mtls: maybe }\n", "{file}:2: auth.mtls: "),
    (GOOD + "ca: { key_type: rsa1024 }\n", "{file}:2: ca.key_type: "),
    (GOOD + "policy: [{ name: a, spiffe_id: '{spiffe_id}', match: { no.such: x } }]\n", "{file}: rule a (line 2): "),
    (GOOD + "policy: [{ name: a, spiffe_id: '{spiffe_id}' }, { name: a, deny: true }]\n", "{file}: rule a (line 2): "),
    (GOOD + "x: &a 1\n", "{file}:2: "),
    ("trust_domain: 'example.org\n", "{file}:"),
    ("\0", "{file}:"),
], ids=lambda v: v.replace("\n", " ")[:45])
def test_configuration_mistake_ends_the_start_and_is_told_with_its_place(tmp_path, text, message):
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    r = subprocess.run([BIN / "signetd", "-c", path], capture_output=True, text=True, timeout=20)
    assert r.returncode == 2 and r.stderr.startswith("signetd: " + message.format(file=path)), r.stderr
    assert len(r.stderr.strip().splitlines()) == 1, "one problem, one line"
    assert subprocess.run([BIN / "signetd", "-c", path, "--check"], capture_output=True).returncode == 2


# ---- what the kernel shows of it ----

def linked(program):
    """Names of the shared libraries that the loader brings for a program."""
    text = subprocess.run(["ldd", BIN / program], check=True, capture_output=True, text=True).stdout
    return set(re.findall(r"/(lib[^/ ]+\.so[^ /]*) ", text))


def stem(path):
    """libyaml of /usr/lib/libyaml-0.so.2"""
    return re.sub(r"[-.0-9]*$", "", path.rsplit("/", 1)[-1].split(".so")[0])


@pytest.mark.release
def test_each_process_maps_its_own_libraries_and_no_other(signet):
    for pid, role in everybody(signet).items():
        lines = pathlib.Path(f"/proc/{pid}/maps").read_text().splitlines()
        paths = {line.split()[-1] for line in lines if ".so" in line and "/ld-" not in line}
        ours = linked("signetd" if role == "monitor" else "signet-" + role)
        stems = {stem(p) for p in paths}
        if role == "monitor":  # it looks up users, for which libc loads what /etc/nsswitch.conf names
            stems &= {stem(p) for p in ours}
        assert stems == {stem(p) for p in ours}, role
        if role == "keeper":
            assert stems - {"libpthread"} == {"libc", "libcrypto", "liblmdb"}
        assert not any("wx" in line.split()[1] for line in lines), "nothing is writable and executable"


def descriptors(pid):
    return {int(p.name): os.readlink(p) for p in pathlib.Path(f"/proc/{pid}/fd").iterdir()}


def listeners():
    """{socket inode: port} of every TCP socket that listens on this machine."""
    out = {}
    for name in ("/proc/net/tcp", "/proc/net/tcp6"):
        if os.path.exists(name):
            for line in pathlib.Path(name).read_text().splitlines()[1:]:
                f = line.split()
                if f[3] == "0A":
                    out[f[9]] = int(f[1].rsplit(":", 1)[1], 16)
    return out


def test_each_process_holds_the_listening_sockets_of_its_role_and_nothing_listens_elsewhere(signet):
    by_inode = listeners()
    want = {"monitor": {signet.port, signet.metrics_port}, "front": {signet.port}, "admin": {signet.metrics_port}, "keeper": set()}
    for pid, role in everybody(signet).items():
        inodes = {t[8:-1] for t in descriptors(pid).values() if t.startswith("socket:[")}
        assert {by_inode[i] for i in inodes if i in by_inode} == want[role], role


def test_no_process_holds_a_file_that_it_does_not_need(signet):
    for pid, role in everybody(signet).items():
        files = {t for t in descriptors(pid).values() if t.startswith("/")}
        files -= {"/dev/null", str(signet.log_path)} | {t for t in files if t.startswith("/memfd:signet-")}
        data, run = str(signet.dir / "data"), str(signet.dir / "run")
        if role == "keeper":
            assert all(f == data or f.startswith(data + "/") for f in files), files
            assert not any("key-encryption-key" in f for f in files)
        else:
            assert not any(f.startswith(data) for f in files), (role, files)
            assert role == "monitor" and files <= {run, str(BIN)} or not files, (role, files)


@pytest.mark.release
@pytest.mark.skipif(os.getuid() != 0, reason="only root is told whose these files are")
def test_no_process_can_be_dumped_or_traced_by_its_own_user(signet):
    for pid in everybody(signet):
        assert os.stat(f"/proc/{pid}/mem").st_uid == 0, "not dumpable: its files are root's"
        assert os.stat(f"/proc/{pid}").st_uid in (0, pwd.getpwnam("nobody").pw_uid)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
def test_it_runs_for_an_ordinary_user_all_the_same():
    s = Signet()
    uid = pwd.getpwnam("nobody")
    s.bin = shutil.copytree(s.bin, s.dir / "bin")  # root's clone may be where nobody else can look
    with open(s.log_path, "ab") as log:
        s.process = subprocess.Popen(["setpriv", f"--reuid={uid.pw_uid}", f"--regid={uid.pw_gid}", "--clear-groups", s.bin / "signetd", "-c",
                                      s.config], stderr=log, stdin=subprocess.DEVNULL, cwd=s.dir)
    try:
        wait_for(lambda: s.ready() or s.process.poll() is not None, 20)
        assert s.ask(CSR, token=s.token(ID))
        assert s.stop() == 0
    finally:
        s.__exit__()


def test_user_that_is_not_there_ends_the_start():
    s = Signet("user: no-such-user-here\n")
    s.spawn()
    try:
        assert s.process.wait(20) in (2, 4) if os.getuid() == 0 else True
        assert os.getuid() != 0 or "no-such-user-here" in s.log()
    finally:
        s.__exit__()


def test_its_files_are_its_own(signet):
    owner = pwd.getpwnam("nobody").pw_uid if os.getuid() == 0 else os.getuid()
    data = signet.dir / "data"
    assert (data.stat().st_mode & 0o777, data.stat().st_uid) == (0o700, owner)
    for file in data.iterdir():
        assert (file.stat().st_mode & 0o077, file.stat().st_uid) == (0, owner), file


@pytest.mark.parametrize("spoil", ["open to others", "of another user", "a file", "a link"])
def test_data_directory_that_is_not_its_own_is_refused(spoil):
    s = Signet()
    data = s.dir / "data"
    if spoil == "a file":
        data.write_text("")
    elif spoil == "a link":
        (s.dir / "elsewhere").mkdir(mode=0o700)
        data.symlink_to(s.dir / "elsewhere")
    else:
        data.mkdir(mode=0o755 if spoil == "open to others" else 0o700)
        data.chmod(0o755 if spoil == "open to others" else 0o700)
    if os.getuid() == 0 and spoil != "a link":
        shutil.chown(data, "daemon" if spoil == "of another user" else "nobody")
    s.spawn()
    try:
        assert s.process.wait(20) == 4, s.log()
        failed = s.events("cannot start")
        assert len(failed) == 1 and failed[0]["at"] == str(data)
    finally:
        s.__exit__()


def test_sockets_of_the_service_manager_are_used_instead_of_its_own():
    s = Signet()
    front, metrics, admin = socket.socket(), socket.socket(), socket.socket(socket.AF_UNIX)
    front.bind(("127.0.0.1", 0))
    metrics.bind(("127.0.0.1", 0))
    (s.dir / "manager").mkdir()
    admin.bind(str(s.dir / "manager/sock"))
    sockets = (front, metrics, admin)
    configured = s.port, s.metrics_port
    for sock in sockets:
        sock.listen()
    s.port, s.metrics_port = front.getsockname()[1], metrics.getsockname()[1]
    shell = "exec 7<&%d 8<&%d 9<&%d; exec 3<&7 4<&8 5<&9 6<&- 7<&- 8<&- 9<&-; LISTEN_PID=$$ exec \"$0\" \"$@\"" % tuple(k.fileno() for k in sockets)
    env = {**os.environ, "LISTEN_FDS": "3", "LISTEN_FDNAMES": "clients:metrics:admin"}
    with open(s.log_path, "ab") as log:
        s.process = subprocess.Popen(["bash", "-c", shell, s.bin / "signetd", "-c", s.config], env=env, stderr=log, cwd=s.dir,
                                     stdin=subprocess.DEVNULL, pass_fds=[k.fileno() for k in sockets])
    try:
        wait_for(lambda: s.ready() or s.process.poll() is not None, 20)
        status, made = s.admin("POST", "/v1/tokens", {"spiffe_id": ID}, socket_path=s.dir / "manager/sock")
        roots = s.admin("GET", "/v1/roots", socket_path=s.dir / "manager/sock")[1]["roots_pem"]
        assert status == 200
        with s.channel(roots=roots) as channel:
            assert s.ask(CSR, token=made["token"], channel=channel)
        assert not set(configured) & set(listeners().values()) and not (s.dir / "run/admin.sock").exists()
        assert s.stop() == 0
        assert (s.dir / "manager/sock").is_socket(), "not ours to remove"
    finally:
        s.__exit__()
        for sock in sockets:
            sock.close()


def test_serial_numbers_begin_with_the_replica():
    with Signet("replica: 77\n") as s:
        leaves = [certs_of(s.ask(CSR, token=s.token(ID))[0])[0] for _ in range(3)]
        for serial in [c.serial_number for c in leaves] + [certs_of(s.roots())[0].serial_number]:
            raw = serial.to_bytes(16, "big")
            assert raw[0] == 77 and len(raw) <= 20
        assert len({c.serial_number & ((1 << 80) - 1) for c in leaves}) == 3


# ---- TLS ----

def connect(s, minimum=None, maximum=None, alpn=("h2",), session=None, context=None, server_name="localhost"):
    context = context or ssl.create_default_context(cadata=s.roots())
    if minimum:
        context.minimum_version = minimum
    if maximum:
        context.maximum_version = maximum
    if alpn:
        context.set_alpn_protocols(list(alpn))
    raw = socket.create_connection(("127.0.0.1", s.port), 10)
    return context.wrap_socket(raw, server_hostname=server_name, session=session)


V = ssl.TLSVersion


@pytest.mark.parametrize("version, spoken", [(V.TLSv1_2, "TLSv1.2"), (V.TLSv1_3, "TLSv1.3")])
def test_tls_version_is_spoken_without_resumption(signet, version, spoken):
    context = ssl.create_default_context(cadata=signet.roots())
    context.minimum_version = context.maximum_version = version
    with connect(signet, context=context) as c:
        assert c.version() == spoken and c.selected_alpn_protocol() == "h2"
        assert re.search("ECDHE|TLS_AES|TLS_CHACHA", c.cipher()[0]) and re.search("GCM|CHACHA20", c.cipher()[0])
        c.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0")
        assert c.recv(9)[3] == 4, "SETTINGS; a ticket would have come before"
        session = c.session
        assert session is None or not session.has_ticket
    if session is not None:
        with connect(signet, context=context, session=session) as c:
            assert not c.session_reused


def test_old_tls_is_refused():
    with Signet("tls: { min_version: 1.3 }\n") as s:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            connect(s, maximum=V.TLSv1_2)
        with connect(s) as c:
            assert c.version() == "TLSv1.3"
        r = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{s.port}", "-tls1_1", "-cipher", "ALL:@SECLEVEL=0"],
                           input=b"", capture_output=True, timeout=20)
        assert r.returncode != 0


@pytest.mark.parametrize("alpn", [(), ("http/1.1",), ("h3",)], ids=str)
def test_client_that_does_not_offer_h2_gets_nothing(signet, alpn):
    try:
        with connect(signet, alpn=alpn) as c:
            c.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert c.recv(1) == b""
    except (ssl.SSLError, ConnectionError):
        pass


def served(s):
    with connect(s) as c:
        return x509.load_der_x509_certificate(c.getpeercert(binary_form=True))


def test_serving_certificate_has_the_configured_names_and_no_identity(signet):
    cert = served(signet)
    san = cert.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert san.get_values_for_type(x509.DNSName) == ["localhost", "signet", "istiod.istio-system.svc"]
    assert [str(i) for i in san.get_values_for_type(x509.IPAddress)] == ["127.0.0.1", "::1"]
    assert san.get_values_for_type(x509.UniformResourceIdentifier) == []
    assert list(cert.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [x509.ExtendedKeyUsageOID.SERVER_AUTH]
    record = signet.record_of(cert)
    assert (record["evidence"], record["spiffe_id"]) == ("daemon", ""), "it is recorded like any other"
    assert connect(signet, server_name="istiod.istio-system.svc").close() is None
    with pytest.raises(ssl.SSLCertVerificationError):
        connect(signet, server_name="signet.example.org")


def test_serving_certificate_lives_as_configured_and_is_new_after_every_start():
    with Signet("tls: { lifetime: 10m, names: [ca.example.org, localhost] }\n") as s:
        cert = served(s)
        assert (cert.not_valid_after - cert.not_valid_before).total_seconds() == 600 + 120
        assert connect(s, server_name="ca.example.org").close() is None
        assert s.metric("signet_serving_cert_expiry_timestamp") > time.time()
        assert s.stop() == 0
        s.start()
        assert served(s).serial_number != cert.serial_number


def test_serving_certificate_renews_itself_and_open_connections_go_on(points):
    with Signet(build=points, env={"SIGNET_TEST_RENEW_MS": "300"}) as s, Raw(s) as raw:
        serials = {served(s).serial_number}
        wait_for(lambda: serials.add(served(s).serial_number) or len(serials) >= 4)
        assert raw.call(encode_request(CSR), s.token(ID)).status == 0
        assert all(r["evidence"] == "daemon" for r in s.records()[:4])
        verify = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{s.port}", "-alpn", "h2", "-verify_return_error", "-CAfile",
                                 "/dev/stdin"], input=s.roots().encode(), capture_output=True, timeout=20)
        assert b"Verify return code: 0" in verify.stdout


def test_serving_certificate_from_files():
    outside = Forger()
    key, cert = outside.leaf([], dns=["localhost", "ca.corp.example"])
    s = Signet("tls: { cert_file: @DIR@/tls.pem, key_file: @DIR@/tls.key }\n")
    pem = {name: c.public_bytes(x509.base.serialization.Encoding.PEM).decode() for name, c in (("leaf", cert), ("root", outside.root))}
    (s.dir / "tls.pem").write_text(pem["leaf"])
    (s.dir / "tls.key").write_bytes(key_pem(key))
    (s.dir / "tls.key").chmod(0o600)  # root's: read before the daemon becomes somebody else
    with s:
        with connect(s, context=ssl.create_default_context(cadata=pem["root"]), server_name="ca.corp.example") as c:
            assert x509.load_der_x509_certificate(c.getpeercert(True)) == cert
        with pytest.raises(ssl.SSLCertVerificationError):
            connect(s)
        with s.channel(roots=pem["root"]) as channel:
            chain = s.ask(CSR, token=s.token(ID), channel=channel)
        assert chain[1] == s.roots() and san_uris(certs_of(chain[0])[0]) == [ID]
        with s.channel(key_pem(KEY), "".join(chain).encode(), roots=pem["root"]) as mtls:
            assert s.ask(CSR, channel=mtls), "clients are still known by our own root"


@pytest.mark.parametrize("break_it", ["no key", "another key", "no certificate"])
def test_serving_files_that_do_not_fit_end_the_start(break_it):
    s = Signet("tls: { cert_file: @DIR@/tls.pem, key_file: @DIR@/tls.key }\n")
    key, cert = Forger().leaf([], dns=["localhost"])
    (s.dir / "tls.pem").write_bytes(b"hello" if break_it == "no certificate" else cert.public_bytes(x509.base.serialization.Encoding.PEM))
    if break_it != "no key":
        (s.dir / "tls.key").write_bytes(key_pem(make_key() if break_it == "another key" else key))
    s.spawn()
    try:
        assert s.process.wait(20) == 4
    finally:
        s.__exit__()


# ---- the root's algorithm ----

@pytest.mark.parametrize("kind, check", [
    ("p384", lambda k: isinstance(k, ec.EllipticCurvePublicKey) and k.curve.name == "secp384r1"),
    ("ed25519", lambda k: isinstance(k, ed25519.Ed25519PublicKey)),
    ("rsa2048", lambda k: isinstance(k, rsa.RSAPublicKey) and k.key_size == 2048),
    ("rsa3072", lambda k: isinstance(k, rsa.RSAPublicKey) and k.key_size == 3072),
])
def test_root_of_another_algorithm_signs_and_survives_a_restart(kind, check):
    with Signet(f"ca: {{ key_type: {kind} }}\n") as s:
        root = s.roots()
        assert check(certs_of(root)[0].public_key())
        for _ in range(2):
            with Raw(s) as raw:
                token = s.token(ID)
                answers = [raw.call(encode_request(make_csr(make_key(k), ID)), s.token(ID)) for k in ("p256", "rsa2048")]
                answers.append(raw.call(encode_request(CSR), token))
            assert [a.status for a in answers] == [0, 0, 0]
            verify_chain(certs_of(s.records(spiffe_id=ID)[-1]["pem"])[0], s.roots(), s.dir)
            s.stop()
            s.write_config("ca: { key_type: p256 }\n")  # an existing root keeps its own
            s.start()
            assert s.roots() == root


# ---- bounds ----

def closed(sock):
    sock.settimeout(5)
    try:
        return sock.recv(1) == b""
    except ConnectionError:
        return True


def test_connections_over_the_limit_are_closed_at_once_and_slow_ones_in_time():
    with Signet("listen: { address: '127.0.0.1:@PORT@', fronts: 1, max_connections: 3, handshake_timeout: 1s }\n") as s:
        first = [socket.create_connection(("127.0.0.1", s.port)) for _ in range(3)]
        wait_for(lambda: s.metric("signet_connections") == 3)
        with socket.create_connection(("127.0.0.1", s.port)) as fourth:
            assert closed(fourth)
        assert s.metric("signet_connections_refused_total") == 1
        started = time.monotonic()
        assert all(closed(c) for c in first), "no handshake came"
        assert time.monotonic() - started < 4
        for c in first:
            c.close()
        wait_for(lambda: s.metric("signet_connections") == 0)
        assert s.ask(CSR, token=s.token(ID))


def test_rate_of_one_front_is_bounded():
    s = Signet(JWT_CONFIG + "listen: { address: '127.0.0.1:@PORT@', fronts: 1 }\nca: { rate_per_front: 5 }\n")
    ISSUER.write(s.dir)
    with s, Raw(s) as raw:
        streams = [raw.begin(TOKEN) for _ in range(40)]
        for stream in streams:
            raw.send(stream, frame(encode_request(CSR)))
        answers = [raw.wait(stream) for stream in streams]
        codes = [a.status for a in answers]
        assert set(codes) == {0, 8} and 1 <= codes.count(0) <= 15
        assert {a.message for a in answers if a.status == 8} == {"CSR signing error (keeper: too many requests)"}
        time.sleep(1.1)
        assert raw.call(encode_request(CSR), TOKEN).status == 0


def test_requests_past_the_bound_are_refused_at_once_and_the_others_are_answered():
    s = Signet(JWT_CONFIG + "listen: { address: '127.0.0.1:@PORT@', fronts: 1, max_pending: 4 }\n")
    ISSUER.write(s.dir)
    with s, Raw(s) as raw:
        streams = [raw.begin(TOKEN) for _ in range(60)]
        for stream in streams:
            raw.h2.send_data(stream, frame(encode_request(CSR)), end_stream=True)
        raw.flush()
        answers = [raw.wait(stream) for stream in streams]
        codes = [a.status for a in answers]
        assert set(codes) == {0, 8} and codes.count(0) >= 4
        assert len(s.records(spiffe_id=ID)) == codes.count(0)
        assert s.metric("signet_requests_overloaded_total") == codes.count(8)
        assert raw.call(encode_request(CSR), TOKEN).status == 0


def limit_hit(s, name):
    return s.metric('signet_limits_hit_total{limit="%s"}' % name)


def test_an_address_has_its_share_and_the_log_names_the_limit():
    listen = "{ address: '127.0.0.1:@PORT@', fronts: 1, max_connections_per_address: 2 }"
    with Signet(f"listen: {listen}\n") as s:
        held = [socket.create_connection(("127.0.0.1", s.port)) for _ in range(2)]
        wait_for(lambda: s.metric("signet_connections") == 2)
        with socket.create_connection(("127.0.0.1", s.port)) as over:
            assert closed(over)
        other = socket.create_connection(("127.0.0.1", s.port), source_address=("127.0.0.2", 0))
        wait_for(lambda: s.metric("signet_connections") == 3)
        assert limit_hit(s, "address_connections") == 1
        told = wait_for(lambda: s.events("limit_hit"))
        assert told[0]["limit"] == "address_connections" and told[0]["setting"] == "listen.max_connections_per_address"
        assert told[0]["who"].startswith("127.0.0.1:")
        for c in (*held, other):
            c.close()
        wait_for(lambda: s.metric("signet_connections") == 0)
        assert s.ask(CSR, token=s.token(ID))


def test_new_connections_of_an_address_have_a_rate():
    with Signet("listen: { address: '127.0.0.1:@PORT@', fronts: 1, connect_rate_per_address: 3 }\n") as s:
        for _ in range(30):
            socket.create_connection(("127.0.0.1", s.port)).close()
        wait_for(lambda: limit_hit(s, "address_rate") >= 1)
        assert s.metric("signet_connections_refused_total") == limit_hit(s, "address_rate")
        time.sleep(1.1)
        assert s.ask(CSR, token=s.token(ID))


def test_one_identity_cannot_have_all_and_is_told_when_to_come_back():
    s = Signet(JWT_CONFIG + "listen: { address: '127.0.0.1:@PORT@', fronts: 1, rate_per_identity: 5 }\n")
    ISSUER.write(s.dir)
    with s:
        hints = []
        with s.channel() as channel:
            for _ in range(15):
                try:
                    s.ask(CSR, token=TOKEN, channel=channel)
                except grpc.RpcError as e:
                    assert e.code() == Code.RESOURCE_EXHAUSTED
                    hints.append(dict(e.trailing_metadata())["grpc-retry-pushback-ms"])
        assert hints and all(100 <= int(h) <= 5000 for h in hints)
        assert limit_hit(s, "identity_rate") == len(hints)
        assert s.ask(CSR, token=s.token(ID)), "another caller has its turn"
        assert s.events("limit_hit")[0]["limit"] == "identity_rate"


# ---- metrics, health, log ----

ISTIO_METRICS = ["citadel_server_csr_count", "citadel_server_authentication_failure_count", "citadel_server_csr_parsing_err_count",
                 "citadel_server_id_extraction_err_count", "citadel_server_success_cert_issuance_count",
                 "citadel_server_root_cert_expiry_timestamp", 'citadel_server_csr_sign_err_count{error="TTL_ERROR"}',
                 'citadel_server_csr_sign_err_count{error="CSR_ERROR"}', 'citadel_server_csr_sign_err_count{error="CERT_GEN_ERROR"}',
                 'citadel_server_csr_sign_err_count{error="CA_NOT_READY"}']


def attempt(s, **ask):
    try:
        s.ask(ask.pop("csr", CSR), **ask)
    except grpc.RpcError:
        pass


def test_metrics_have_istios_names_and_move_as_they_should(signet):
    before = {m: signet.metric(m) for m in ISTIO_METRICS + ["signet_store_records", "signet_request_seconds_count"]}
    attempt(signet, token=signet.token(ID))
    attempt(signet, token="nonsense")
    attempt(signet, csr="nonsense", token=signet.token(ID))
    attempt(signet, token=signet.token(ID), validity=91 * 86400)
    moved = {m: signet.metric(m) - v for m, v in before.items()}
    assert moved == {**dict.fromkeys(before, 0), "citadel_server_csr_count": 4, "citadel_server_authentication_failure_count": 1,
                     "citadel_server_csr_parsing_err_count": 1, "citadel_server_success_cert_issuance_count": 1,
                     'citadel_server_csr_sign_err_count{error="CSR_ERROR"}': 1, 'citadel_server_csr_sign_err_count{error="TTL_ERROR"}': 1,
                     "signet_store_records": 1, "signet_request_seconds_count": 1}
    root = certs_of(signet.roots())[0]
    assert signet.metric("citadel_server_root_cert_expiry_timestamp") == root.not_valid_after.replace(tzinfo=datetime.timezone.utc).timestamp()
    assert signet.metric("signet_fronts_serving") == 2 and signet.metric("signet_process_restarts_total") == 0


def test_metrics_page_is_well_formed(signet):
    status, text = signet.http("/metrics")
    names, helped = set(), set()
    assert status == 200 and text.endswith("\n")
    for line in text.splitlines():
        if line.startswith("# "):
            kind, name = line.split()[1:3]
            assert kind in ("HELP", "TYPE") and (kind, name) not in helped, line
            helped.add((kind, name))
            continue
        series, value = line.rsplit(" ", 1)
        assert re.fullmatch(r'[a-z_]+(\{[a-z]+="[^"]*"(,[a-z]+="[^"]*")?\})?', series) and series not in names and float(value) >= 0, line
        names.add(series)


def test_health_without_a_ready_front_is_not_ready():
    with Signet() as s:
        assert s.http("/healthz/live") == (200, "ok\n") and s.http("/healthz/ready") == (200, "ok\n")
        wait_for(lambda: any(e["process"] == "monitor" for e in s.events("serving")))  # before that, a death ends the start
        for pid in s.pids("front"):
            os.kill(pid, signal.SIGSTOP)
        for pid in s.pids("front"):
            os.kill(pid, signal.SIGKILL)
        assert wait_for(s.ready), "and comes back"


def test_log_is_json_line_by_line_and_holds_no_secret():
    s = Signet(JWT_CONFIG)
    ISSUER.write(s.dir)
    with s:
        jwt = ISSUER.token({"sub": "system:serviceaccount:web:shop", "aud": "istio-ca"})
        denied = ISSUER.token({"sub": "system:serviceaccount:web:shop\n{\"event\":\"forged\"}", "aud": "istio-ca"})
        join, wrong = s.token(ID), "sgt1_" + "Q" * 43
        for token in (jwt, denied, join, join, wrong, jwt + "x"):
            attempt(s, token=token)
            attempt(s, csr="nonsense\n" + "\x1b[2J", token=token, metadata={"ImpersonatedIdentity": "spiffe://x\n\x1b[31m"})
        s.ban("spiffe_id", ID, reason="line\nbreak \x1b[0m")
        wait_for(lambda: len(s.events("refused")) >= 8)
        s.stop()
        text, kek = s.log(), (s.dir / "data/key-encryption-key").read_bytes()
        for secret in (jwt, jwt.split(".")[2], denied.split(".")[2], join, join[5:], wrong, wrong[5:], kek.hex(), "PRIVATE KEY"):
            assert secret not in text
        assert "\x1b" not in text
        for line in text.splitlines():
            event = json.loads(line, object_pairs_hook=lambda pairs: dict(pairs) if len(dict(pairs)) == len(pairs) else pytest.fail(line))
            assert {"time", "level", "process", "event"} <= set(event) and event["event"] != "forged", line
            assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", event["time"])
        assert {e["process"] for e in map(json.loads, text.splitlines())} >= {"monitor", "keeper", "front"}


def test_log_of_text_is_one_line_an_event():
    with Signet("log: { format: text, level: info }\n") as s:
        attempt(s, token=s.token(ID))
        attempt(s, token=s.token(ID), metadata={"ImpersonatedIdentity": "spiffe://example.org/a b=\"c\"\nlevel=error event=forged"})
        text = wait_for(lambda: s.log() if "impersonation" in s.log() or s.log().count("decide") else None)
        assert not re.search("^level=error event=forged", text, re.M) and "event=forged\n" not in text
        for line in text.splitlines():
            assert re.match(r"\S*\d{4}-\d\d-\d\dT", line), line
