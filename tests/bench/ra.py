"""What a certificate costs that a real cert-manager signs: beside a client that does the same calls by itself (bare.py), in turns, because
a shared machine changes its speed by the minute.  About three minutes; the first time ever seven more (tests/kube/build)."""
import argparse
import contextlib
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "kube"))
from bench import Load, cpu_us, percentile, pids  # noqa: E402
from bare import Bare  # noqa: E402
from harness import PATH, Signet, decode_response, encode_request, make_csr, make_key  # noqa: E402
from kube import Kube, wait_for  # noqa: E402
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

    def config(self, token_review, signer=None):
        """signer: None: Signet's own CA signs."""
        issuers = "" if signer is None else (f"issuers: [{{ name: mesh, cluster: Kubernetes, signer_name: {signer}, roots_file: {self.roots}, "
                                             "deadline: 15m }]\ndefault_issuer: mesh\n")
        return (f"log: {{ level: info, format: text }}\n{issuers}clusters: [{{ id: Kubernetes, kubeconfig: {self.kubeconfig} }}]\n"
                "listen: { address: '127.0.0.1:@PORT@', fronts: 2, max_pending: 8192 }\n"
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
        found = re.search(rf"^{name}_seconds_sum (\S+)\n{name}_seconds_count (\S+)$", text, re.M)
        out[name[7:]] = float(found[1]) * 1e6, float(found[2])
    return out


def mean_ms(after, before, name):
    count = after[name][1] - before[name][1]
    return ms((after[name][0] - before[name][0]) / count) if count else 0


# ---- latency, alone ----

def print_latency(signet, load, bare, token, n, rounds):
    bare_runs, runs, before = [], [], steps_us(signet)
    for _ in range(rounds):
        bare_runs.append(bare.paced(n, 20))
        runs.append(h2load(signet, load, n, 1, 1, token, "--rps=20"))
    after = steps_us(signet)
    print(f"one at a time, 20 a second, {rounds} rounds of {n} each in turns; medians:")
    for name, lists in (("the calls alone", bare_runs), ("Signet", runs)):
        print(f"  {name:18} p50 {median(lists, .5):6.2f} ms  p99 {median(lists, .99):6.2f}  least {ms(min(r[0] for r in lists)):6.2f}")
    own = [ms(percentile(r, .5) - percentile(b, .5)) for r, b in zip(runs, bare_runs)]
    print(f"  Signet's own part, p50 less p50 of the same round: {statistics.median(own):.2f} ms (aim: under 2; from {min(own):.2f} to {max(own):.2f})")
    print("  means, ms: " + ", ".join(f"{text} {mean_ms(after, before, name):.2f}" for text, name in (
        ("the whole request", "request"), ("keeper", "keeper"), ("courier", "csr"), ("file", "csr_create"), ("approve", "csr_approve"),
        ("signed", "csr_sign"))), flush=True)


# ---- calls and load ----

def print_calls(signet, load, world, token, n):
    """After it the cleaning is done."""
    own, before = signet.metric("signet_kube_api_calls_total"), world.calls()
    h2load(signet, load, n, 4, 8, token)
    wait_for(lambda: world.kube.csrs(world.kube.signer_name) == [], 60)
    after = world.calls()
    per = {k: (v - before.get(k, 0)) / n for k, v in after.items()}
    ours = {text: sum(v for (verb, sub), v in per.items() if verb == word and sub != "status") for word, text in CALLS.items()}
    deletes = ours["delete"]
    counted = (signet.metric("signet_kube_api_calls_total") - own) / n
    print(f"\nAPI calls for a certificate, by Signet's count: {counted - deletes:.2f} (aim: 3), and {deletes:.2f} DELETE; by the API server's: "
          + ", ".join(f"{text} {v:.2f}" for text, v in ours.items() if v >= 0.005)
          + f"; the signer's own: {sum(v for (_, sub), v in per.items() if sub == 'status'):.2f}", flush=True)


def print_load(signet, load, bare, token, n, rounds):
    print(f"\n{'certificates a second, in turns':34} {'alone':>7} {'Signet':>7} {'ratio':>6}   p50 ms alone, Signet   p99 ms         us CPU of Signet")
    for clients, connections in ((32, 4), (128, 4)):
        count, rows = n // clients * clients, []
        for _ in range(rounds):
            start = time.monotonic()
            alone = bare.many(count, clients)
            alone_took, before, start = time.monotonic() - start, sum(cpu_us(signet).values()), time.monotonic()
            ours = h2load(signet, load, count, connections, clients // connections, token)
            took = time.monotonic() - start
            time.sleep(1)  # for the DELETEs, which belong to it
            rows.append((alone_took / took, count / alone_took, count / took, alone, ours, (sum(cpu_us(signet).values()) - before) / count))
        rows.sort(key=lambda row: row[0])
        ratio, alone_rate, rate, alone, ours, cpu = rows[len(rows) // 2]
        print(f"{f'{clients} clients, {rounds} x {count}':34} {alone_rate:7.0f} {rate:7.0f} {ratio:6.2f}   {ms(percentile(alone, .5)):8.0f} "
              f"{ms(percentile(ours, .5)):8.0f} {ms(percentile(alone, .99)):12.0f} {ms(percentile(ours, .99)):8.0f} {cpu:14.0f}   "
              f"(ratios {rows[0][0]:.2f} to {rows[-1][0]:.2f})", flush=True)


def print_signed(world, quick):
    kube = world.kube
    annotations = {"signet.dev/spiffe-id": ID, "signet.dev/caller": "bench", "signet.dev/rule": "bench",
                   "experimental.cert-manager.io/request-duration": "86400s"}
    with Signet(world.config("off", kube.signer_name)) as signet, \
            Bare(kube, kube.signer_name, make_csr(make_key(), ID), annotations) as bare:
        load, token = Load(signet, world.work), world.token()
        wait_for(lambda: "keys_changed" in signet.log())
        bare.many(64, 16)
        h2load(signet, load, 64, 4, 4, token)
        print_latency(signet, load, bare, token, *((20, 2) if quick else (80, 5)))
        print_calls(signet, load, world, token, 64 if quick else 320)
        print_load(signet, load, bare, token, *((128, 1) if quick else (768, 3)))


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
            wait_for(lambda: signet.metric("signet_csr_pending") == n and steps_us(signet)["csr_approve"][1] == n, 300)
            time.sleep(2)
            after = pss_by_program(signet)
    each = {k: after[k] - before[k] for k in ("front", "keeper", "courier")}
    print(f"\nmemory for each of {n} pending requests (PSS): {sum(each.values()) / n:.1f} KiB: "
          + ", ".join(f"{k} {v / n:.1f}" for k, v in each.items()), flush=True)


# ---- tokens ----

def ask_us(signet, csr, tokens):
    """Sorted latencies, one after the other (grpcio), and the CPU of the daemon for each."""
    latencies = []
    with signet.channel() as channel:
        call = channel.unary_unary(PATH, request_serializer=lambda b: b, response_deserializer=decode_response)
        call(csr, metadata=[("authorization", "Bearer " + tokens[0])], timeout=30)
        before = sum(cpu_us(signet).values())
        for token in tokens[1:]:
            start = time.monotonic()
            call(csr, metadata=[("authorization", "Bearer " + token)], timeout=30)
            latencies.append(int((time.monotonic() - start) * 1e6))
    return sorted(latencies), (sum(cpu_us(signet).values()) - before) / len(latencies)


def print_tokens(world, quick):
    csr, n, fresh = encode_request(make_csr(make_key(), ID)), 2000 if quick else 20000, 40 if quick else 200
    print(f"\ntokens, with Signet's own CA; fresh: never seen before, {fresh} one after the other\n"
          f"{'':34} {'certs/s':>8} {'us CPU':>7} {'fresh p50 ms':>13} {'seen p50 ms':>12} {'us CPU fresh':>13} {'seen':>6}")
    for name, setting in (("verified here", "off"), ("reviewed too", "also")):
        with Signet(world.config(setting)) as signet:
            load, tokens = Load(signet, world.work), [world.token() for _ in range(fresh)]
            wait_for(lambda: "keys_changed" in signet.log())
            h2load(signet, load, 500, 2, 16, tokens[0])
            reviews = sum(world.calls("tokenreviews").values())
            runs = sorted((load.measure(lambda: load.h2load(n, 2, 16, tokens[0]), n) for _ in range(3)), key=lambda r: r[2])
            reviews = sum(world.calls("tokenreviews").values()) - reviews
            new, new_cpu = ask_us(signet, csr, tokens)
            seen, seen_cpu = ask_us(signet, csr, tokens[:1] * fresh)
            print(f"{name + f', {reviews:.0f} reviews in {3 * n}':34} {runs[1][2]:8.0f} {runs[1][0]:7.1f} {ms(percentile(new, .5)):13.2f} "
                  f"{ms(percentile(seen, .5)):12.2f} {new_cpu:13.0f} {seen_cpu:6.0f}", flush=True)


def main(quick):
    work = pathlib.Path(tempfile.mkdtemp(prefix="signet-bench-"))
    start = time.monotonic()
    with Kube(cert_manager=True) as kube:
        world = World(kube, work)
        print_signed(world, quick)
        print_tokens(world, quick)
        print_memory(world, 500 if quick else 5000)
    print(f"\nthis took {time.monotonic() - start:.0f} s")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="small counts, one round")
    main(parser.parse_args().quick)
