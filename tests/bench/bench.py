"""What a certificate costs.  Server CPU is the sum over all threads of all processes of the daemon (schedstat, nanoseconds); the
floor is one P-256 verify and one P-256 sign by `openssl speed`, measured again before each round, because a shared machine
changes its speed by the minute: the ratio is what to quote.  Load: h2load (nghttp2), which nobody here wrote;
grpcio where h2load cannot go (client certificates)."""
import argparse
import concurrent.futures
import pathlib
import re
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "integration"))
import grpc  # noqa: E402

from harness import PATH, Signet, decode_response, encode_request, key_pem, make_csr, make_key  # noqa: E402
from profile_stacks import TABLES, profile  # noqa: E402
from test_brought import CA  # noqa: E402
from test_import import bring_in, pem, request, sign  # noqa: E402
from tokens import Issuer  # noqa: E402

ID = "spiffe://example.org/ns/web/sa/shop"
AIM = {(2, 16): 1.25, (64, 1): 1.4}


def pids(signet):
    out, todo = [], [signet.process.pid]
    while todo:
        pid = todo.pop()
        out.append(pid)
        for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
            todo += [int(c) for c in (task / "children").read_text().split()]
    return out


def cpu_us(signet):
    """CPU of the whole daemon so far, and of each of its programs."""
    by = {}
    for pid in pids(signet):
        name = pathlib.Path(f"/proc/{pid}/comm").read_text().strip()
        for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
            by[name] = by.get(name, 0) + int((task / "schedstat").read_text().split()[0]) / 1000
    return by


def pss_kib(signet, what="Pss"):
    """Of the whole daemon; "Pss_Anon": without what is backed by files (programs, the store's map)."""
    return sum(int(re.search(rf"^{what}:\s+(\d+)", pathlib.Path(f"/proc/{p}/smaps_rollup").read_text(), re.M)[1]) for p in pids(signet))


def floor_us(seconds):
    out = subprocess.run(["openssl", "speed", "-seconds", str(seconds), "ecdsap256"], capture_output=True, text=True).stdout
    numbers = re.search(r"nistp256\)\s+\S+s\s+\S+s\s+([\d.]+)\s+([\d.]+)", out).groups()
    return 1e6 / float(numbers[0]), 1e6 / float(numbers[1])


class Load:
    def __init__(self, signet, work):
        self.signet, self.work = signet, work
        self.body = work / "body"
        message = encode_request(make_csr(make_key(), ID))
        self.body.write_bytes(b"\0" + len(message).to_bytes(4, "big") + message)

    def command(self, n, connections, streams, token, *more):
        return ["h2load", "-n", str(n), "-c", str(connections), "-m", str(streams), "-t", "1", "-d", self.body,
                "-H", "content-type: application/grpc", "-H", "te: trailers", "-H", "authorization: Bearer " + token, *more,
                f"https://localhost:{self.signet.port}{PATH}"]

    def start(self, *request):
        """Whose answers are not waited for."""
        return subprocess.Popen(self.command(*request), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def h2load(self, *request):
        """(n, connections, streams, token, more options...): sorted latencies in us."""
        log = self.work / "log"
        log.unlink(missing_ok=True)
        r = subprocess.run(self.command(*request, f"--log-file={log}"), capture_output=True, text=True)
        if r.returncode != 0:
            raise SystemExit("h2load: " + r.stdout + r.stderr)
        return sorted(int(line.split("\t")[2]) for line in log.read_text().splitlines())

    def measure(self, run, n):
        """(CPU per certificate, its share by program, certificates a second, sorted latencies in us); every one must succeed."""
        before_n = self.signet.metric("citadel_server_success_cert_issuance_count")
        before, start = cpu_us(self.signet), time.monotonic()
        latencies = run()
        took = time.monotonic() - start
        time.sleep(0.05)
        after = cpu_us(self.signet)
        issued = self.signet.metric("citadel_server_success_cert_issuance_count") - before_n
        if issued != n:
            raise SystemExit(f"bench: {issued:.0f} of {n} were issued:\n" + self.signet.log()[-2000:])
        by = {k: (v - before.get(k, 0)) / n for k, v in after.items()}
        return sum(by.values()), by, n / took, latencies


def percentile(sorted_values, p):
    return sorted_values[min(len(sorted_values) - 1, int(len(sorted_values) * p))] if sorted_values else 0


def median_run(load, run, n, rounds):
    """The round with the median ratio: (floor, cpu, by program, rate, latencies)."""
    runs = sorted(((sum(floor_us(1)), *load.measure(run, n)) for _ in range(rounds)), key=lambda r: r[1] / r[0])
    return runs[len(runs) // 2]


def mtls_run(signet, key, chain, n, channels, streams):
    """grpcio; each channel is a connection; `streams` in flight on each."""
    message = encode_request(make_csr(make_key(), ID))
    opened = [signet.channel(key, chain) for _ in range(channels)]
    calls = [c.unary_unary(PATH, request_serializer=lambda b: b, response_deserializer=decode_response) for c in opened]
    latencies = []

    def worker(call, count):
        for _ in range(count):
            start = time.monotonic()
            call(message, timeout=30)
            latencies.append(int((time.monotonic() - start) * 1e6))

    with concurrent.futures.ThreadPoolExecutor(channels * streams) as pool:
        for f in [pool.submit(worker, c, n // (channels * streams)) for c in calls for _ in range(streams)]:
            f.result()
    for c in opened:
        c.close()
    return sorted(latencies)


def idle_connections(signet, n):
    """Opens n connections that have finished TLS and the HTTP/2 preface, and keeps them."""
    context = ssl.create_default_context(cadata=signet.roots())
    context.set_alpn_protocols(["h2"])
    out = []
    for _ in range(n):
        s = context.wrap_socket(socket.create_connection(("127.0.0.1", signet.port)), server_hostname="localhost")
        s.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0")
        s.settimeout(5)
        s.recv(100)
        out.append(s)
    return out


def print_row(name, result):
    floor, cpu, by, rate, latencies = result
    share = "  ".join(f"{k.replace('signet-', '')} {v:.1f}" for k, v in sorted(by.items()) if v >= 0.05)
    print(f"{name:34} {floor:7.1f} {cpu:8.1f} {cpu / floor:7.2f} {rate:9.0f} {percentile(latencies, .5) / 1000:8.2f} {percentile(latencies, .99) / 1000:8.2f} "
          f"{percentile(latencies, .999) / 1000:8.2f}   {share}", flush=True)


# All load comes from one address, as one identity.
UNLIMITED = ("listen: { address: '127.0.0.1:@PORT@', fronts: 2, max_handshakes: 0, rate_per_identity: 0, "
             "connect_rate_per_address: 0 }\n")


def bench(args):
    work = pathlib.Path(tempfile.mkdtemp(prefix="signet-bench-"))
    ec, rsa = Issuer("https://ec.example", "ES256"), Issuer("https://rsa.example", "RS256")
    config = ("log:\n  level: info\n  format: text\n" + UNLIMITED + "jwt_issuers:\n"
              + "".join(f"  - name: {n}\n    issuer: {i.url}\n    jwks_file: {i.write(work)}\n    audiences: [istio-ca]\n    kind: kubernetes\n"
                        for n, i in (("ec", ec), ("rsa", rsa))))
    claims = {"sub": "system:serviceaccount:web:shop", "aud": ["istio-ca"]}
    sign, verify = floor_us(1)
    print(f"floor at the start: verify {verify:.1f} us + sign {sign:.1f} us (openssl speed ecdsap256); again before each round\n")
    n, rounds = (2000, 1) if args.quick else (20000, 3)
    def life():
        with Signet(config + "ca: { rotation: manual }\n") as signet:
            print_rotation(signet, Load(signet, work), ec.token(claims))
            print_ban(signet)

    def revocation():
        with Signet(config) as signet:
            print_revocation(signet, Load(signet, work), ec.token(claims))
    if args.revoke or args.rotate:
        revocation() if args.revoke else life()
        return 0
    with Signet(config) as signet:
        load = Load(signet, work)
        es, rs = ec.token(claims), rsa.token(claims)
        rest, rest_anon = pss_kib(signet), pss_kib(signet, "Pss_Anon")
        if args.profile:
            load.h2load(2000, 2, 16, es)
            for role in TABLES:
                profile(load, role, lambda: load.h2load(20000, 2, 16, es))
            return 0
        print(f"{'':34} {'floor':>7} {'us CPU':>8} {'x floor':>7} {'certs/s':>9} {'p50 ms':>8} {'p99 ms':>8} {'p99.9':>8}   us CPU by process")
        load.h2load(500, 2, 16, es)
        few = median_run(load, lambda: load.h2load(1000, 4, 32, es), 1000, rounds)
        have = int(signet.metric("signet_store_records"))
        print_row(f"ES256 token, 4 x 32, {have} records", few)
        for c, m in ((2, 16), (64, 1), (4, 64), (4, 32), (1, 1)):
            count = n if (c, m) != (1, 1) else n // 10
            aim = f" (aim {AIM[c, m]})" if (c, m) in AIM else ""
            print_row(f"ES256 token, {c} x {m}{aim}", median_run(load, lambda: load.h2load(count, c, m, es), count, rounds))
        print_row("RS256 token, 2 x 16", median_run(load, lambda: load.h2load(n, 2, 16, rs), n, rounds))
        count = n // 10 // 32 * 32
        key = make_key()
        chain = "".join(signet.ask(make_csr(key, ID), token=signet.token(ID))).encode()
        print_row("client certificate, 2 x 16 (grpcio)",
                  median_run(load, lambda: mtls_run(signet, key_pem(key), chain, count, 2, 16), count, rounds))
        count = 500
        print_row("a new connection each, 8 at a time", median_run(
            load, lambda: sorted(sum((load.h2load(8, 8, 1, es) for _ in range(count // 8)), [])), count // 8 * 8, 1))
        before = pss_kib(signet)
        held = idle_connections(signet, 1000)
        with_idle = pss_kib(signet)
        for s in held:
            s.close()
        print(f"\nmemory (PSS of the whole daemon): {rest / 1024:.1f} MiB at rest, {rest_anon / 1024:.1f} MiB of it without files; {(with_idle - before) / 1000:.1f} KiB for each of 1 000 idle connections")
        if not args.quick:
            print_million(signet, load, es)
            print(f"memory then: {pss_kib(signet) / 1024:.0f} MiB with the store's pages that are in the page cache, "
                  f"{pss_kib(signet, 'Pss_Anon') / 1024:.1f} MiB without files")
    if not args.quick:
        life()
        revocation()
    return 0


def print_revocation(signet, load, token, count=100_000):
    """All certificates of one identity, in one command; then until the CRL that names them all can be fetched."""
    load.h2load(count, 4, 64, token)
    before, start = cpu_us(signet), time.monotonic()
    said = signet.signet("cert", "revoke", "spiffe_id", ID).stdout.strip()
    revoked = time.monotonic()
    while signet.metric("signet_crl_entries") < count:
        time.sleep(0.01)
    there = time.monotonic()
    cpu = sum(cpu_us(signet).values()) - sum(before.values())
    fetched = time.monotonic()
    signet.signet("crl", "export", "--der", "--out", load.work / "crl")
    size = (load.work / "crl").stat().st_size
    print(f"{said}: {revoked - start:.2f} s; the CRL of {size} bytes {there - revoked:.2f} s later, fetched in {time.monotonic() - fetched:.2f} s; "
          f"{cpu / count:.1f} us CPU for each")
    load.h2load(2000, 4, 32, token)
    before, start = cpu_us(signet), time.monotonic()
    signet.signet("cert", "revoke", "serial", signet.api("GET", "/v1/certs?limit=1")["items"][0]["serial"])
    while signet.metric("signet_crl_entries") == count:
        time.sleep(0.002)
    print(f"one more revoked: a CRL of all of them again {1000 * (time.monotonic() - start):.0f} ms after the command began "
          f"({(sum(cpu_us(signet).values()) - sum(before.values())) / 1000:.0f} ms CPU)")


def rotate(signet, seconds):
    """Every kind of step, spread over the time; how long each took (ms), with the command that asked."""
    parent = CA("Parent")
    steps = [("prepare", lambda: signet.signet("root", "prepare", "--cross-sign")),
             ("activate", lambda: signet.signet("root", "activate")),
             ("retire", lambda: signet.signet("root", "retire", "--force")),
             ("import", lambda: bring_in(signet, pem(sign(request(signet), parent)), parent.pem, "--force")),
             ("renew intermediate", lambda: bring_in(signet, pem(sign(request(signet), parent)), parent.pem, "--force"))]
    took = {}
    for name, step in steps:
        time.sleep(seconds / (len(steps) + 1))
        start = time.monotonic()
        step()
        took[name] = 1000 * (time.monotonic() - start)
    return took


def print_rotation(signet, load, token, n=60000):
    """The same load three times: quiet, through a rotation, quiet again."""
    load.h2load(2000, 4, 32, token)

    def run():
        return load.measure(lambda: load.h2load(n, 4, 32, token), n)  # every one must succeed
    before = run()
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        steps = pool.submit(rotate, signet, n / before[2])
        during = run()
        took = steps.result()
    after = run()
    quiet = [(percentile(r[3], .5) / 1000, percentile(r[3], .99) / 1000) for r in (before, after)]
    p50, p99 = percentile(during[3], .5) / 1000, percentile(during[3], .99) / 1000
    slower = p99 / statistics.mean(q[1] for q in quiet)
    print(f"{n} certificates, 4 x 32, through a whole rotation: none failed; p50 {p50:.1f} ms, p99 {p99:.1f} ms, the slowest {during[3][-1] / 1000:.1f}; "
          f"quiet before and after: p50 {quiet[0][0]:.1f} and {quiet[1][0]:.1f}, p99 {quiet[0][1]:.1f} and {quiet[1][1]:.1f}; p99 x {slower:.2f}")
    print("each command, from its start to its end, ms: " + ", ".join(f"{name} {ms:.0f}" for name, ms in took.items()))


def print_ban(signet, rounds=20):
    """Somebody asks without a pause over one connection, by a certificate; then it is banned."""
    late, times = 0, []
    for i in range(rounds):
        who = f"spiffe://example.org/ban/{i}"
        key = make_key()
        chain = "".join(signet.ask(make_csr(key, who), token=signet.token(who))).encode()
        message = encode_request(make_csr(make_key(), who))
        with signet.channel(key_pem(key), chain) as channel, concurrent.futures.ThreadPoolExecutor(1) as pool:
            call = channel.unary_unary(PATH, request_serializer=lambda b: b, response_deserializer=decode_response)
            issued = []

            def ask():
                while True:
                    start = time.monotonic()
                    try:
                        call(message, timeout=30)
                    except grpc.RpcError as e:
                        return e.code(), time.monotonic()
                    issued.append(start)
            asking = pool.submit(ask)
            time.sleep(0.1)
            start = time.monotonic()
            signet.ban("spiffe_id", who)
            done = time.monotonic()
            code, refused = asking.result(30)
            assert code == grpc.StatusCode.PERMISSION_DENIED, code
            late += sum(1 for t in issued if t > done)
            times.append(1000 * (refused - start))
    print(f"{rounds} bans under load: {late} certificates for requests that came after the answer to the ban; "
          f"from its request to the first refusal {statistics.median(times):.1f} ms (median), {max(times):.1f} (most)")


def print_million(signet, load, token):
    have = int(signet.metric("signet_store_records"))
    while have < 1_000_000:
        load.h2load(100000, 4, 64, token)
        have = int(signet.metric("signet_store_records"))
    last = median_run(load, lambda: load.h2load(20000, 4, 32, token), 20000, 3)
    print_row(f"ES256 token, 4 x 32, {have} records", last)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--profile", action="store_true", help="instead: where the CPU of a certificate goes (needs linux-perf)")
    parser.add_argument("--quick", action="store_true", help="small counts, one round, no million records")
    parser.add_argument("--rotate", action="store_true", help="only: load through a whole rotation; from a ban to the first refusal")
    parser.add_argument("--revoke", action="store_true", help="only: revoke 100 000 certificates, and their CRL")
    sys.exit(bench(parser.parse_args()))
