"""What a certificate costs that a real cert-manager signs: beside a client that does the same calls by itself (bare.py), in turns, because
a shared machine changes its speed by the minute.  About four minutes; the first time seven to thirteen more (tests/kube/build)."""
import argparse
import contextlib
import json
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "kube"))
from bench import Load, cpu_us, percentile, pids  # noqa: E402
from bare import Bare, Connection  # noqa: E402
from harness import PATH, Signet, decode_response, encode_request, make_csr, make_key, wait_for  # noqa: E402
from kube import Kube  # noqa: E402
from pki import pem  # noqa: E402

ID = "spiffe://example.org/ns/web/sa/shop"
NEVER = "example.com/never"
CSR_API = "certificates.k8s.io"
RULES = [{"apiGroups": [CSR_API], "resources": ["certificatesigningrequests"], "verbs": ["create", "get", "list", "watch", "delete"]},
         {"apiGroups": [CSR_API], "resources": ["certificatesigningrequests/approval"], "verbs": ["update", "patch"]},
         {"apiGroups": [CSR_API], "resources": ["signers"], "verbs": ["approve"]},
         {"apiGroups": ["authentication.k8s.io"], "resources": ["tokenreviews"], "verbs": ["create"]},
         {"nonResourceURLs": ["/openid/v1/jwks", "/.well-known/openid-configuration"], "verbs": ["get"]}]
CALLS = {"POST": "file", "PATCH": "approve", "GET": "look", "LIST": "list", "WATCH": "watch", "DELETE": "delete"}


def ms(us):
    return us / 1000


def median(lists, p):
    """The median of several runs of that percentile, in ms."""
    return ms(statistics.median(percentile(run, p) for run in lists))


class World:
    """A cluster with a workload, and what Signet needs there."""

    def __init__(self, kube, work):
        self.kube, self.work = kube, work
        kube.create_namespace("web")
        kube.create_account("web", "shop")
        kube.create_node("n1")
        kube.create_pod("web", "p", "shop", "n1")
        kube.grant("signet-ra", "signet", RULES)
        self.kubeconfig = kube.kubeconfig("signet")
        self.roots = kube.dir / "roots.pem"
        self.roots.write_text(pem(kube.issuer_root.certificate))

    def token(self):
        return self.kube.token_for("web", "shop", ["istio-ca"], pod="p")

    def config(self, token_review, signer=None, data_dir="@DIR@/data"):
        """signer: None: Signet's own CA signs."""
        issuers = "" if signer is None else (f"issuers: [{{ name: mesh, cluster: Kubernetes, signer_name: {signer}, roots_file: {self.roots}, "
                                             "deadline: 15m }]\ndefault_issuer: mesh\n")
        return (f"data_dir: {data_dir}\nlog: {{ level: info, format: text }}\n{issuers}clusters: [{{ id: Kubernetes, kubeconfig: {self.kubeconfig} }}]\n"
                "listen: { address: '127.0.0.1:@PORT@', fronts: 2, max_pending: 8192, max_handshakes: 0, rate_per_identity: 0, connect_rate_per_address: 0 }\n"
                f"jwt_issuers: [{{ name: kubernetes, issuer: {self.kube.token_issuer}, kind: kubernetes, cluster: Kubernetes, "
                f"audiences: [istio-ca], token_review: {token_review} }}]\n")

    def calls(self, resource="certificatesigningrequests"):
        """Those that the API server has answered so far, by verb and subresource."""
        out = {}
        for labels, value in re.findall(r"^apiserver_request_total\{(.*)\} (\S+)$", self.kube.api("GET", "/metrics"), re.M):
            label = dict(re.findall(r'(\w+)="([^"]*)"', labels))
            if label["resource"] == resource:
                at = label["verb"], label["subresource"]
                out[at] = out.get(at, 0) + float(value)
        return out


def h2load(signet, load, n, connections, streams, token, *more):
    """Sorted latencies; each must have been answered by a certificate."""
    before = signet.metric("citadel_server_success_cert_issuance_count")
    out = load.h2load(n, connections, streams, token, *more)
    issued = signet.metric("citadel_server_success_cert_issuance_count") - before
    if issued != n:
        raise SystemExit(f"bench: {issued:.0f} of {n} were issued:\n" + signet.log()[-2000:])
    return out


def steps_us(signet):
    """(sum, count) of each step that the courier measures."""
    text = signet.http("/metrics")[1]
    out = {}
    for name in ("signet_csr_create", "signet_csr_approve", "signet_csr_sign", "signet_csr", "signet_request", "signet_keeper"):
        found = [re.search(rf"^{name}_seconds_{part}(?:{{issuer=\"mesh\"}})? (\S+)$", text, re.M) for part in ("sum", "count")]
        out[name[7:]] = (float(found[0][1]) * 1e6, float(found[1][1])) if all(found) else (0.0, 0.0)  # our own CA signs: no steps
    return out


def mean_ms(after, before, name):
    count = after[name][1] - before[name][1]
    return ms((after[name][0] - before[name][0]) / count) if count else 0


# ---- latency, alone ----

def flushes_ms(directory, n=30):
    """What the two flushes of one commit of the store take here: median."""
    took = []
    with open(directory / "flushes", "wb") as data, open(directory / "flushes", "r+b") as meta:
        fd = os.open(meta.name, os.O_WRONLY | os.O_DSYNC)
        for _ in range(n):
            time.sleep(0.01)
            start = time.monotonic()
            os.pwrite(data.fileno(), bytes(16384), 8192)
            os.fdatasync(data.fileno())
            os.pwrite(fd, bytes(120), 32)
            took.append(time.monotonic() - start)
        os.close(fd)
    return statistics.median(took) * 1000


def print_means(name, after, before):
    print(f"  means in {name}, ms: " + ", ".join(f"{text} {mean_ms(after, before, key):.2f}" for text, key in (
        ("the whole request", "request"), ("courier", "csr"), ("(file", "csr_create"), ("approve", "csr_approve"), ("signed", "csr_sign"))) + ")")


def print_latency(signets, bare, token, n, rounds):
    """signets: by name, (Signet, Load)"""
    runs, before = {name: [] for name in ("the calls alone", *signets)}, {name: steps_us(s) for name, (s, _) in signets.items()}
    disk = []
    for _ in range(rounds):
        runs["the calls alone"].append(bare.paced(n, 20))
        for name, (signet, load) in signets.items():
            runs[name].append(h2load(signet, load, n, 1, 1, token, "--rps=20"))
        disk.append(flushes_ms(next(iter(signets.values()))[1].work))
    print(f"one at a time, 20 a second, {rounds} rounds of {n} each in turns; medians of the rounds, ms\n"
          f"{'':34} {'p50':>6} {'p99':>6} {'least':>6}   p50 less that of the calls alone in the same round")
    for name, lists in runs.items():
        own = [ms(percentile(r, .5) - percentile(b, .5)) for r, b in zip(lists, runs["the calls alone"])]
        print(f"{name:34} {median(lists, .5):6.2f} {median(lists, .99):6.2f} {ms(min(r[0] for r in lists)):6.2f}"
              + (f"   {statistics.median(own):.2f} (aim: under 2; {min(own):.2f} to {max(own):.2f})" if name in signets else ""))
    for name, (signet, _) in signets.items():
        print_means(name, steps_us(signet), before[name])
    print(f"  the two flushes of one commit take {statistics.median(disk):.2f} ms on this disk ({min(disk):.2f} to {max(disk):.2f}); a certificate "
          "has two commits", flush=True)


# ---- calls and load ----

def print_calls(signet, load, world, token, n):
    own, before = signet.metric('signet_kube_api_calls_total{cluster="Kubernetes"}'), world.calls()
    h2load(signet, load, n, 4, 8, token)
    gone = before.get(("DELETE", ""), 0) + n
    wait_for(lambda: world.calls().get(("DELETE", ""), 0) >= gone, 60)
    after = world.calls()
    per = {k: (v - before.get(k, 0)) / n for k, v in after.items()}
    ours = {text: sum(v for (verb, sub), v in per.items() if verb == word and sub != "status") for word, text in CALLS.items()}
    deletes = ours["delete"]
    counted = (signet.metric('signet_kube_api_calls_total{cluster="Kubernetes"}') - own) / n
    print(f"\nAPI calls for a certificate, by Signet's count: {counted - deletes:.2f} (aim: 3), and {deletes:.2f} DELETE; by the API server's: "
          + ", ".join(f"{text} {v:.2f}" for text, v in ours.items() if v >= 0.005)
          + f"; the signer's own: {sum(v for (_, sub), v in per.items() if sub == 'status'):.2f}", flush=True)


def cluster_cpu_us(kube):
    """Of API server, etcd, controllers and signer."""
    return sum(int((task / "schedstat").read_text().split()[0]) / 1000 for p in (kube.etcd, kube.apiserver, kube.controllers, kube.cert_manager)
               for task in pathlib.Path(f"/proc/{p.process.pid}/task").iterdir())


def measure(signet, kube, n, run):
    """(a second, sorted latencies, CPU of Signet and of the cluster for each), DELETEs and all."""
    before, start = (sum(cpu_us(signet).values()), cluster_cpu_us(kube)), time.monotonic()
    latencies = run()
    took = time.monotonic() - start
    time.sleep(1.5)  # for the DELETEs
    return n / took, latencies, (sum(cpu_us(signet).values()) - before[0]) / n, (cluster_cpu_us(kube) - before[1]) / n


def print_load(signet, load, bare, token, n, rounds):
    print(f"\n{'many at once, in turns':34} {'certs/s':>8} {'p50 ms':>7} {'p99 ms':>7} {'us CPU':>7} {'us CPU of the cluster':>22}")
    for clients in (32, 128):
        count, turns = n // clients * clients, []
        for _ in range(rounds):
            turns.append((measure(signet, bare.client, count, lambda: bare.many(count, clients)),
                          measure(signet, bare.client, count, lambda: h2load(signet, load, count, 4, clients // 4, token))))
        turns.sort(key=lambda turn: turn[1][0] / turn[0][0])
        for name, (rate, latencies, own, cluster) in zip(("the calls alone", "Signet"), turns[len(turns) // 2]):
            print(f"{f'{clients} clients, {name}':34} {rate:8.0f} {ms(percentile(latencies, .5)):7.0f} {ms(percentile(latencies, .99)):7.0f} "
                  f"{own if name == 'Signet' else 0:7.0f} {cluster:22.0f}")
        ratios = [turn[1][0] / turn[0][0] for turn in turns]
        print(f"  certificates a second, Signet / the calls alone: {ratios[len(ratios) // 2]:.2f} (aim: 1; {ratios[0]:.2f} to {ratios[-1]:.2f}; "
              f"{rounds} rounds of {count})", flush=True)


def print_signed(world, quick):
    kube = world.kube
    annotations = {"signet.dev/spiffe-id": ID, "signet.dev/caller": "bench", "signet.dev/rule": "bench",
                   "experimental.cert-manager.io/request-duration": "86400s"}
    with contextlib.ExitStack() as stack:
        bare = stack.enter_context(Bare(kube, kube.signer_name, make_csr(make_key(), ID), annotations))
        signet = stack.enter_context(Signet(world.config("off", kube.signer_name)))
        load, token = Load(signet, world.work), world.token()
        bare.many(64, 16)
        wait_for(lambda: "keys_changed" in signet.log())
        h2load(signet, load, 64, 4, 4, token)
        with in_memory() as directory, Signet(world.config("off", kube.signer_name, directory / "data")) as other:
            other_load = Load(other, world.work)
            wait_for(lambda: "keys_changed" in other.log())
            h2load(other, other_load, 64, 4, 4, token)
            signets = {"Signet": (signet, load), "Signet, its store in memory": (other, other_load)}
            print_latency(signets, bare, token, *((20, 2) if quick else (60, 5)))
        print_calls(signet, load, world, token, 64 if quick else 320)
        print_load(signet, load, bare, token, *((128, 1) if quick else (640, 3)))


@contextlib.contextmanager
def in_memory():
    directory = pathlib.Path(tempfile.mkdtemp(prefix="signet-bench-", dir="/dev/shm"))
    if os.getuid() == 0:
        shutil.chown(directory, "nobody", "nogroup")
    yield directory
    shutil.rmtree(directory)


# ---- memory ----

def pss_by_program(signet, what="Pss"):
    out = {}
    for pid in pids(signet):
        name = pathlib.Path(f"/proc/{pid}/comm").read_text().strip().replace("signet-", "")
        text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
        out[name] = out.get(name, 0) + int(re.search(rf"^{what}:\s+(\d+)", text, re.M)[1])
    return out


def print_memory(world, n):
    with Signet(world.config("off", NEVER)) as signet:
        load, token = Load(signet, world.work), world.token()
        wait_for(lambda: "keys_changed" in signet.log())
        before = pss_by_program(signet)
        waiting = load.start(n, 25, n // 25, token)
        with contextlib.ExitStack() as stack:
            stack.callback(waiting.kill)
            wait_for(lambda: signet.metric('signet_issuer_requests_pending{issuer="mesh"}') == n and steps_us(signet)["csr_approve"][1] == n, 300)
            time.sleep(2)
            after = pss_by_program(signet)
    each = {k: after[k] - before[k] for k in ("front", "keeper", "courier")}
    print(f"\nmemory for each of {n} pending requests (PSS): {sum(each.values()) / n:.1f} KiB: "
          + ", ".join(f"{k} {v / n:.1f}" for k, v in each.items()), flush=True)


# ---- tokens ----

def ask(signet, call, csr, token):
    """(latency, CPU of the fronts), us."""
    before, start = cpu_us(signet), time.monotonic()
    call(csr, metadata=[("authorization", "Bearer " + token)], timeout=30)
    took = (time.monotonic() - start) * 1e6
    time.sleep(0.005)  # what comes after the answer belongs to it
    return took, cpu_us(signet)["signet-front"] - before["signet-front"]


def review(connection, token):
    body = json.dumps({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token, "audiences": ["istio-ca"]}})
    start = time.monotonic()
    connection.call("POST", "/apis/authentication.k8s.io/v1/tokenreviews", body.encode())
    return (time.monotonic() - start) * 1e6


def one_by_one(world, signet, n):
    """Medians, us: (latency, CPU of the fronts) with a new token and with the same again; a new one's review by itself."""
    csr, connection = encode_request(make_csr(make_key(), ID)), Connection(world.kube)
    new, same, alone, first = [], [], [], world.token()
    with signet.channel() as channel:
        call = channel.unary_unary(PATH, request_serializer=lambda b: b, response_deserializer=decode_response)
        ask(signet, call, csr, first)
        for _ in range(n):
            new.append(ask(signet, call, csr, world.token()))
            same.append(ask(signet, call, csr, first))
            alone.append(review(connection, world.token()))
    return [[statistics.median(column) for column in zip(*rows)] for rows in (new, same)], statistics.median(alone)


def print_setting(world, signet, setting, quick):
    n, load, token = 2000 if quick else 20000, Load(signet, world.work), world.token()
    wait_for(lambda: setting == "only" or "keys_changed" in signet.log())
    h2load(signet, load, 500, 2, 16, token)
    reviews = sum(world.calls("tokenreviews").values())
    runs = sorted((load.measure(lambda: load.h2load(n, 2, 16, token), n) for _ in range(3)), key=lambda r: r[2])
    reviews = sum(world.calls("tokenreviews").values()) - reviews
    (new, same), alone = one_by_one(world, signet, 50 if quick else 300)
    print(f"token_review: {setting:20} {runs[1][2]:8.0f} {runs[1][0]:7.1f} {reviews:8.0f} {ms(same[0]):9.2f} {ms(new[0]):8.2f} {ms(alone):13.2f} "
          f"{new[1] - same[1]:15.0f}", flush=True)


def print_tokens(world, quick):
    print("\ntokens of a service account (RS256), with Signet's own CA: one token again and again (h2load, 2 x 16); one after the other (grpcio), in "
          f"turns: that token, a new one, a new one's review by itself\n{'':34} {'certs/s':>8} {'us CPU':>7} {'reviews':>8} {'same p50':>9} "
          f"{'new p50':>8} {'review alone':>13} {'us CPU for new':>15}")
    for setting in ("off", "also", "only"):
        # in memory, so that tokens are what is measured
        with in_memory() as directory, Signet(world.config(setting, data_dir=directory / "data")) as signet:
            print_setting(world, signet, setting, quick)


PARTS = ("signed", "tokens", "memory")


def main(quick, parts):
    work = pathlib.Path(tempfile.mkdtemp(prefix="signet-bench-"))
    start = time.monotonic()
    with Kube(cert_manager=True) as kube:
        world = World(kube, work)
        if "signed" in parts:
            print_signed(world, quick)
        if "tokens" in parts:
            print_tokens(world, quick)
        if "memory" in parts:
            print_memory(world, 500 if quick else 5000)
    print(f"\nthis took {time.monotonic() - start:.0f} s")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="small counts, one round")
    parser.add_argument("--only", choices=PARTS, help="one part of it")
    args = parser.parse_args()
    main(args.quick, [args.only] if args.only else PARTS)
