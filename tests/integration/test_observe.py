"""What operators see: names of requests, log levels at run time, status, top; and what deploy/ says of the metrics."""
import json
import os
import pathlib
import re
import signal
import subprocess
import time

import grpc
import pytest
import yaml

from harness import BIN, Signet, certs_of, encode_request, make_csr, make_key, wait_for
from raw import Raw
from test_brought import CA
from tokens import Issuer

ROOT = pathlib.Path(__file__).resolve().parents[2]
ID = "spiffe://example.org/ns/web/sa/shop"
ISSUER = Issuer("https://issuer.example/cluster")
TOKEN = ISSUER.token({"sub": "system:serviceaccount:web:shop", "aud": "istio-ca"})
CONFIG = """jwt_issuers:
  - { name: cluster, issuer: https://issuer.example/cluster, jwks_file: @DIR@/cluster.jwks, audiences: [istio-ca], kind: kubernetes }
log: { format: json, level: info }
"""
CSR = make_csr(make_key(), ID)
GOOD = encode_request(CSR)
UUID = "6f2a91c4-3d55-4b0e-9e1c-d2f8a7b60c13"


def daemon(config=CONFIG):
    s = Signet(config)
    ISSUER.write(s.dir)
    return s


@pytest.fixture(scope="module")
def signet():
    with daemon() as s:
        yield s


def level(s, name, process=None, seconds=60):
    s.signet("log", "level", name, "--for", f"{seconds}s", *(["--process", process] if process else []))


def levels(s):
    return {(i["process"], i["number"]): i["level"] for i in s.api("GET", "/v1/log")["items"]}


# ---- names of requests ----

def test_a_client_s_request_id_goes_through_all_processes_to_the_record_and_back(signet):
    level(signet, "debug")
    wait_for(lambda: set(levels(signet).values()) == {"debug"})
    with Raw(signet) as raw:
        answer = raw.call(GOOD, TOKEN, extra=[("x-request-id", UUID)])
    assert answer.status == 0 and answer.headers["x-request-id"] == UUID
    issued = wait_for(lambda: [e for e in signet.events("issued") if e["request_id"] == UUID])[0]
    recorded = wait_for(lambda: [e for e in signet.events("recorded") if e["request_id"] == UUID])[0]
    assert issued["process"] == "front" and recorded["process"] == "keeper" and issued["record"] == recorded["record"]
    assert signet.api("GET", f"/v1/certs/{issued['record']}")["request_id"] == UUID
    shown = signet.signet("cert", "show", str(issued["record"])).stdout
    assert re.search(rf"^ +request id +{UUID}$", shown, re.M), shown


def test_a_refused_request_has_its_name_too(signet):
    with Raw(signet) as raw:
        answers = [raw.call(GOOD, token, extra=[("x-request-id", name)]) for token, name in ((TOKEN + "x", "a-stranger"), (None, "nobody"))]
        bad = raw.call(encode_request("nonsense"), TOKEN, extra=[("x-request-id", "bad-csr")])
    assert [a.headers["x-request-id"] for a in answers + [bad]] == ["a-stranger", "nobody", "bad-csr"]
    for name in ("a-stranger", "nobody", "bad-csr"):
        wait_for(lambda: [e for e in signet.events("refused") if e["request_id"] == name])  # pylint: disable=cell-var-from-loop


@pytest.mark.parametrize("header", [None, "", "a" * 129, "a b", "a\"b", "a\tb", "{}", "\u00e4"], ids=lambda h: repr(h)[:20])
def test_without_a_good_one_the_front_makes_a_name_of_its_own(signet, header):
    extra = [] if header is None else [("x-request-id", header)]
    with Raw(signet) as raw:
        names = [raw.call(GOOD, TOKEN, extra=extra).headers["x-request-id"] for _ in range(3)]
    assert len(set(names)) == 3 and all(re.fullmatch(r"f[01]-[0-9a-f]{12}-[0-9a-f]+", n) for n in names), names
    for name in names:
        issued = wait_for(lambda: [e for e in signet.events("issued") if e["request_id"] == name])  # pylint: disable=cell-var-from-loop
        assert signet.api("GET", f"/v1/certs/{issued[0]['record']}")["request_id"] == name


def test_of_two_names_the_first_counts(signet):
    with Raw(signet) as raw:
        assert raw.call(GOOD, TOKEN, extra=[("x-request-id", "one"), ("x-request-id", "two")]).headers["x-request-id"] == "one"


# ---- log levels ----

def test_a_level_holds_for_who_is_named_and_ends_by_itself():
    with daemon() as s:
        everybody = wait_for(lambda: len(levels(s)) == 5 and levels(s))
        assert set(everybody.values()) == {"info"}
        level(s, "debug", "keeper", 2)
        wait_for(lambda: levels(s) == {**everybody, ("keeper", 0): "debug"})
        wait_for(lambda: s.ask(CSR, token=TOKEN) and s.events("committed"))
        assert not s.events("step"), "a front is not asked to tell more"
        wait_for(lambda: levels(s) == everybody, 30)
        lines = len(s.events("committed"))
        s.ask(CSR, token=TOKEN)
        assert len(s.events("committed")) == lines
        assert [e["by"] for e in s.events("log_level") if e["process"] == "admin"] == ["uid:0" if os.getuid() == 0 else f"uid:{os.getuid()}"]


def test_a_level_holds_for_a_process_that_is_started_again():
    with daemon() as s:
        level(s, "error", "front:1", 60)
        wait_for(lambda: levels(s)[("front", 1)] == "error" and levels(s)[("front", 0)] == "info")
        pids = set(s.pids("front"))
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        wait_for(lambda: len(set(s.pids("front")) - pids) == 2 and s.ready(), 30)
        assert levels(s)[("front", 1)] == "error" and levels(s)[("front", 0)] == "info"


@pytest.mark.parametrize("body", [
    {}, {"level": "info"}, {"level": "trace", "seconds": 1}, {"level": "info", "seconds": 0}, {"level": "info", "seconds": 86401},
    {"level": "info", "seconds": "1"}, {"level": "info", "seconds": 1, "process": "nobody"}, {"level": "info", "seconds": 1, "number": 0},
    {"level": "info", "seconds": 1, "process": "front", "number": -1}, {"level": "info", "seconds": 1, "process": "front", "number": 65535},
    {"level": "info", "seconds": 1, "more": 1}, {"level": 3, "seconds": 1},
], ids=str)
def test_a_level_that_cannot_be_is_refused(signet, body):
    before = levels(signet)
    assert signet.admin("POST", "/v1/log", body)[0] == 400
    assert levels(signet) == before


def test_a_process_that_is_not_there_has_no_level(signet):
    for body in ({"process": "front", "number": 7}, {"process": "courier"}):
        assert signet.admin("POST", "/v1/log", {"level": "info", "seconds": 1, **body})[0] == 404


@pytest.mark.parametrize("line", [["loud"], ["debug", "--for", "1"], ["debug", "--for", "0s"], ["debug", "--for", "25h"], ["--for", "1m"],
                                  ["debug", "--process", "front:"], ["debug", "--process", "front:x"], ["debug", "warn"]], ids=" ".join)
def test_a_command_that_is_wrong_is_told(signet, line):
    r = signet.signet("log", "level", *line, check=False)
    assert r.returncode == 2 and r.stderr.startswith("signet: ")


# ---- status ----

def status(s):
    r = s.signet("status", check=False)
    return r.returncode, r.stdout.splitlines()[0], r.stdout


def test_all_is_well(signet):
    code, first, text = status(signet)
    assert (code, first) == (0, "OK: nothing is wrong")
    assert re.search(r"^  front 1 +ready +pid \d+ +0 restarts +since ", text, re.M), text
    told = json.loads(signet.signet("status", "-o", "json").stdout)
    assert told["health"] == {"state": "OK", "reasons": []} and told["store_ok"] is True and told["processes"]


def test_a_front_that_died_is_told_with_what_to_do():
    with daemon() as s:
        os.kill(s.pids("front")[0], signal.SIGKILL)
        wait_for(lambda: "started again" in status(s)[1], 30)
        told = (1, "DEGRADED: processes were started again: 1 in the last minute")  # and both fronts serve
        wait_for(lambda: status(s)[:2] == told, 30)
        assert "to do     journalctl -u signet" in status(s)[2]
        told = json.loads(s.signet("status", "-o", "json", check=False).stdout)["health"]
        assert told["state"] == "DEGRADED" and told["reasons"][0]["do"].startswith("journalctl")


def test_a_keeper_that_hangs_is_told():
    with daemon() as s:
        keeper = s.pids("keeper")[0]
        os.kill(keeper, signal.SIGSTOP)
        try:
            code, first, text = status(s)
        finally:
            os.kill(keeper, signal.SIGCONT)
        assert (code, first) == (2, "DOWN: the keeper does not answer") and "keeper 0" in text
        wait_for(lambda: status(s)[0] == 0)


def test_a_daemon_that_is_not_there_is_down(tmp_path):
    line = [BIN / "signet", "status", "--socket", tmp_path / "none.sock"]
    r = subprocess.run(line, capture_output=True, text=True)
    assert r.returncode == 2 and r.stdout.startswith("DOWN: the daemon does not answer\n") and "systemctl status signet" in r.stdout
    r = subprocess.run([*line, "-o", "json"], capture_output=True, text=True)
    assert r.returncode == 2 and json.loads(r.stdout)["health"]["state"] == "DOWN"


# ---- top ----

def test_top_shows_what_happens_just_now(signet):
    top = subprocess.Popen([BIN / "signet", "top", "--once", "--config", signet.config], stdout=subprocess.PIPE, text=True)
    with Raw(signet) as raw:
        while top.poll() is None:
            assert raw.call(GOOD, TOKEN).status == 0
            assert raw.call(GOOD, TOKEN + "x").status == 16
    text = top.stdout.read()
    assert top.returncode == 0 and "\033" not in text
    numbers = re.search(r"^requests +([\d.]+)/s +certificates +([\d.]+)/s +refused +([\d.]+)/s$", text, re.M)
    requests, certificates, refused = map(float, numbers.groups())
    assert requests > 1 and certificates > 0 and refused > 0 and abs(requests - certificates - refused) <= 3, text
    for row in (r"whole request +\d+\.\d\d +\d+\.\d\d", r"decide +\d+\.\d\d", r"commit +\d+\.\d\d", r"unknown caller +[\d.]+/s",
                r"default +[\d.]+/s +0", r"keeper 0 +ready +\d+ +\d+% +[\d.]+ MiB +0"):
        assert re.search(f"^ +{row}", text, re.M), f"{row}\n{text}"


def test_top_is_for_people(signet):
    assert signet.signet("top", "-o", "json", check=False).returncode == 2


# ---- what deploy/ says of the metrics ----

ISSUERS = """
clusters: [{ id: west, kubeconfig: '@DIR@/kubeconfig' }]
issuers:
- { name: mesh, cluster: west, signer_name: clusterissuers.cert-manager.io/mesh, roots_file: '@DIR@/mesh.pem', deadline: 20s }
"""
OWN = re.compile(r"\b(?:signet|citadel_server)_[a-z0-9_]+")
SELECTOR = re.compile(r"\b((?:signet|citadel_server)_[a-z0-9_]+)(?:\{([^}]*)\})?")
MATCHER = re.compile(r'\s*([a-z_]+)\s*(=~|!~|!=|=)\s*"((?:[^"\\]|\\.)*)"')
ADDED = {"job", "instance"}  # by Prometheus


class Exposition:
    """{series name: {label: {value}}}, of one daemon with every kind of part."""

    def __init__(self, text):
        self.series, self.help = {}, {}
        for line in text.splitlines():
            if line.startswith("# HELP "):
                _, _, name, told = line.split(" ", 3)
                self.help[name] = told
            elif not line.startswith("#"):
                name, labels = re.fullmatch(r"([a-z0-9_]+)(?:\{(.*)\})? \S+", line).groups()
                own = self.series.setdefault(name, {})
                for label, _, value in MATCHER.findall(labels or ""):
                    own.setdefault(label, set()).add(value)

    def labels(self, expr):
        """Of all metrics in an expression."""
        return set().union(*(self.series[name] for name in OWN.findall(expr)))

    def wrong(self, expr):
        """What an expression asks for that is not there."""
        out = []
        for name, selector in SELECTOR.findall(expr):
            if name not in self.series:
                out.append(f"no metric {name}")
                continue
            for label, how, value in MATCHER.findall(selector):
                there = self.series[name].get(label, set())
                if label in ADDED:
                    continue
                if not there:
                    out.append(f"{name} has no label {label}")
                elif how in ("=", "!="):
                    out += [] if value in there else [f"{name} has no {label}={value}"]
                else:
                    out += [f"{name} has no {label} like {v}" for v in value.split("|") if not any(re.fullmatch(v, t) for t in there)]
        for clause in re.findall(r"\b(?:by|without|on)\s*\(([^)]*)\)", expr):
            known = self.labels(expr) | ADDED
            out += [f"no label {label.strip()}" for label in clause.split(",") if label.strip() not in known]
        return out


@pytest.fixture(scope="module")
def exposition():
    s = daemon(CONFIG + ISSUERS)
    (s.dir / "mesh.pem").write_text(CA("Mesh Root").pem)
    (s.dir / "kubeconfig").write_text("")
    with s:
        yield Exposition(s.http("/metrics")[1])


def rules():
    groups = yaml.safe_load((ROOT / "deploy/prometheus/alerts.yaml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


@pytest.mark.parametrize("rule", rules(), ids=lambda r: r["alert"])
def test_an_alert_is_about_metrics_that_there_are_and_has_a_runbook(exposition, rule):
    assert OWN.findall(rule["expr"]) and exposition.wrong(rule["expr"]) == []
    assert rule["labels"]["severity"] in ("info", "warning", "critical")
    told = {label for label in re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"])}
    assert told <= exposition.labels(rule["expr"]) | ADDED
    page, anchor = rule["annotations"]["runbook"].split("#")
    headings = re.findall(r"^#+ (.*)$", (ROOT / page).read_text(), re.M)
    assert anchor in {re.sub(r"[^a-z0-9 -]", "", h.lower()).replace(" ", "-") for h in headings}, anchor


def test_each_alert_is_there_once():
    names = [r["alert"] for r in rules()]
    assert len(names) == len(set(names)) and len(names) > 20


def panels():
    dashboard = json.loads((ROOT / "deploy/grafana/signet.json").read_text())
    assert dashboard["title"] == "Signet" and dashboard["schemaVersion"] >= 39
    return [p for p in dashboard["panels"] if p["type"] != "row"]


@pytest.mark.parametrize("panel", panels(), ids=lambda p: p["title"])
def test_a_panel_shows_metrics_that_there_are(exposition, panel):
    assert panel["targets"]
    for target in panel["targets"]:
        assert OWN.findall(target["expr"]) and exposition.wrong(target["expr"]) == []
        assert set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])) <= exposition.labels(target["expr"])


def test_the_panels_are_beside_each_other():
    taken = set()
    for panel in json.loads((ROOT / "deploy/grafana/signet.json").read_text())["panels"]:
        at = panel["gridPos"]
        cells = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert not cells & taken and at["x"] + at["w"] <= 24, panel["title"]
        taken |= cells


def test_a_check_that_finds_nothing_would_be_no_check(exposition):
    for expr in ("signet_nothing > 0", "rate(signet_request_seconds[5m])", 'signet_keeper_refused_total{reason="nothing"}',
                 'signet_keeper_refused_total{reason=~"banned|nothing"}', 'signet_bans{issuer="mesh"}', "sum by (nothing) (signet_bans)"):
        assert exposition.wrong(expr), expr


def test_every_metric_is_explained_and_in_the_operations_page(exposition):
    page = (ROOT / "docs/operations.md").read_text()
    assert [n for n, told in exposition.help.items() if not told] == []
    assert [n for n in exposition.help if n not in page] == []
