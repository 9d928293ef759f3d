"""Who is believed: tokens of issuers, client certificates, join tokens, and who may speak for another."""
import base64
import datetime
import hashlib
import hmac
import json
import signal
import ssl
import time

import grpc
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID
from jwt.algorithms import get_default_algorithms

from forge import HOUR, Forger
from harness import Signet, certs_of, encode_request, key_pem, make_csr, make_key, san_uris, wait_for
from raw import Raw, frame
from tokens import Issuer

ID = "spiffe://example.org/ns/web/sa/shop"
OTHER = "spiffe://example.org/ns/other/sa/x"
URL = "https://issuer.example/"
FAMILIES = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
ISSUERS = {alg: Issuer(URL + alg.lower(), alg) for alg in FAMILIES}
CLUSTER = Issuer(URL + "cluster")
STRICT = Issuer(URL + "strict")
CONFIG = "jwt_issuers:\n" + "".join(
    f"  - {{ name: {i.url.rsplit('/')[-1]}, issuer: '{i.url}', jwks_file: '@DIR@/{i.url.rsplit('/')[-1]}.jwks', audiences: [signet, istio-ca]{more} }}\n"
    for i, more in [(i, "") for i in ISSUERS.values()] + [(CLUSTER, ", kind: kubernetes"), (STRICT, ", leeway: 0s, max_lifetime: 1h")]) + """
policy:
  - { name: by-token, match: { method: join_token }, spiffe_id: "{spiffe_id}" }
  - { name: renewal, match: { method: mtls }, spiffe_id: "{spiffe_id}" }
  - name: node-proxy
    match: { method: jwt, k8s.namespace: istio-system, k8s.service_account: ztunnel }
    spiffe_id: "spiffe://{trust_domain}/ns/{k8s.namespace}/sa/{k8s.service_account}"
    impersonate: [ "spiffe://example.org/ns/web/sa/*" ]
  - name: kubernetes
    match: { method: jwt, issuer: cluster }
    spiffe_id: "spiffe://{trust_domain}/ns/{k8s.namespace}/sa/{k8s.service_account}"
  - { name: jwt, match: { method: jwt }, spiffe_id: "spiffe://{trust_domain}/{issuer}/{claim.sub}" }
"""
Code = grpc.StatusCode
KEY = make_key()
CSR = make_csr(KEY, ID)
FAILED = (Code.UNAUTHENTICATED, "request authenticate failure")
NOT_YOU = (Code.UNAUTHENTICATED, "request impersonation authentication failure")


@pytest.fixture(scope="module")
def signet():
    s = Signet(CONFIG)
    for i in [*ISSUERS.values(), CLUSTER, STRICT]:
        i.write(s.dir)
    with s:
        yield s


def leaf_of(chain):
    return certs_of(chain[0])[0]


def refusal(signet, **ask):
    with pytest.raises(grpc.RpcError) as e:
        signet.ask(ask.pop("csr", CSR), **ask)
    return e.value.code(), e.value.details()


def account(name, **claims):
    return {"sub": "system:serviceaccount:" + name, "aud": ["istio-ca"], **claims}


# ---- JWT ----

@pytest.mark.parametrize("alg", FAMILIES)
def test_token_is_accepted_signed_by(signet, channel, alg):
    token = ISSUERS[alg].token({"sub": "me", "aud": "signet"})
    assert san_uris(leaf_of(signet.ask(CSR, token=token, channel=channel))) == [f"spiffe://example.org/{alg.lower()}/me"]
    record = signet.records(spiffe_id=f"spiffe://example.org/{alg.lower()}/me")[0]
    assert (record["evidence"], record["rule"], record["caller"]) == ("jwt", "jwt", f"{alg.lower()}:me")


def parts(header, payload, sign):
    text = ".".join(base64.urlsafe_b64encode(p.encode()).decode().rstrip("=") for p in (header, payload))
    return text + "." + base64.urlsafe_b64encode(sign(text.encode())).decode().rstrip("=")


def signed_by(issuer, alg=None, key=None):
    return lambda text: get_default_algorithms()[alg or issuer.alg].sign(text, key or issuer.key)


ES = ISSUERS["ES256"]
NOW = int(time.time())
CLAIMS = {"iss": ES.url, "sub": "me", "aud": "signet", "iat": NOW, "exp": NOW + 3600}
HEADER = '{"alg":"ES256","kid":"k1"}'


def claims(**more):
    return json.dumps({k: v for k, v in {**CLAIMS, **more}.items() if v is not None})


def public_pem(issuer):
    return issuer.key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def hs256(issuer):
    return parts('{"alg":"HS256","kid":"k1"}', json.dumps({**CLAIMS, "iss": issuer.url}),
                 lambda text: hmac.new(public_pem(issuer), text, hashlib.sha256).digest())


def tampered(token):
    header, payload, signature = token.split(".")
    body = json.loads(base64.urlsafe_b64decode(payload + "=="))
    body["sub"] = "you"
    return ".".join([header, base64.urlsafe_b64encode(json.dumps(body).encode()).decode().rstrip("="), signature])


def test_the_hand_made_token_is_good(signet, channel):
    token = parts(HEADER, claims(), signed_by(ES))
    assert san_uris(leaf_of(signet.ask(CSR, token=token, channel=channel))) == ["spiffe://example.org/es256/me"]


REFUSED = {
    "aud_of_somebody_else": ES.token({"sub": "me", "aud": ["vault"]}),
    "no_aud": ES.token({"sub": "me"}),
    "empty_aud": ES.token({"sub": "me", "aud": []}),
    "aud_is_a_prefix": ES.token({"sub": "me", "aud": "signe"}),
    "aud_is_an_object": parts(HEADER, claims(aud={"signet": 1}), signed_by(ES)),
    "expired": ES.token({"sub": "me", "aud": "signet"}, lifetime=-61),
    "no_exp": ES.token({"sub": "me", "aud": "signet", "exp": None}),
    "exp_is_a_text": parts(HEADER, claims(exp=str(NOW + 3600)), signed_by(ES)),
    "exp_is_negative": parts(HEADER, claims(exp=-1), signed_by(ES)),
    "exp_is_huge": parts(HEADER, claims(exp=1e300), signed_by(ES)),
    "not_yet_valid": ES.token({"sub": "me", "aud": "signet", "nbf": NOW + 300}),
    "issued_in_the_future": ES.token({"sub": "me", "aud": "signet", "iat": NOW + 300}),
    "issuer_not_known": Issuer(URL + "nobody").token({"sub": "me", "aud": "signet"}),
    "issuer_known_key_of_another": Issuer(ES.url).token({"sub": "me", "aud": "signet"}),
    "issuer_with_a_slash_more": ES.token({"iss": ES.url + "/", "sub": "me", "aud": "signet"}),
    "no_issuer": ES.token({"iss": None, "sub": "me", "aud": "signet"}),
    "unknown_kid": ES.token({"sub": "me", "aud": "signet"}, headers={"kid": "k2"}),
    "hs256_with_the_public_key_of_rsa": hs256(ISSUERS["RS256"]),
    "hs256_with_the_public_key_of_ec": hs256(ES),
    "none": parts('{"alg":"none","kid":"k1"}', claims(), lambda text: b""),
    "none_in_capitals": parts('{"alg":"NONE","kid":"k1"}', claims(), lambda text: b""),
    "es256_without_a_signature": parts(HEADER, claims(), lambda text: b""),
    "es256_of_zeros": parts(HEADER, claims(), lambda text: bytes(64)),
    "es256_by_the_p384_key": parts(HEADER, json.dumps({**CLAIMS, "iss": ISSUERS["ES384"].url}), signed_by(ISSUERS["ES384"], "ES256")),
    "es256_signature_in_der": parts(HEADER, claims(), lambda text: ES.key.sign(text, ec.ECDSA(get_default_algorithms()["ES256"].hash_alg()))),
    "ps256_by_the_rs256_key": parts('{"alg":"PS256","kid":"k1"}', json.dumps({**CLAIMS, "iss": ISSUERS["RS256"].url}),
                                    signed_by(ISSUERS["RS256"], "PS256")),
    "rs512_by_the_rs256_key": parts('{"alg":"RS512","kid":"k1"}', json.dumps({**CLAIMS, "iss": ISSUERS["RS256"].url}),
                                    signed_by(ISSUERS["RS256"], "RS512")),
    "payload_altered": tampered(ES.token({"sub": "me", "aud": "signet"})),
    "signature_cut": ES.token({"sub": "me", "aud": "signet"})[:-2],
    "padded": ES.token({"sub": "me", "aud": "signet"}) + "==",
    "a_member_twice": parts(HEADER, claims()[:-1] + ', "sub": "you"}', signed_by(ES)),
    "a_member_twice_spelled_differently": parts(HEADER, claims()[:-1] + ', "s\\u0075b": "you"}', signed_by(ES)),
    "alg_twice": parts('{"alg":"none","alg":"ES256","kid":"k1"}', claims(), signed_by(ES)),
    "a_critical_extension": parts('{"alg":"ES256","kid":"k1","crit":["exp"],"exp":1}', claims(), signed_by(ES)),
    "a_key_of_its_own": parts('{"alg":"ES256","kid":"k1","jwk":{}}', claims(), signed_by(ES)),
    "an_id_token_type": parts('{"alg":"ES256","kid":"k1","typ":"secevent+jwt"}', claims(), signed_by(ES)),
    "no_sub": ES.token({"aud": "signet"}),
    "empty_sub": ES.token({"sub": "", "aud": "signet"}),
    "nul_in_sub": parts(HEADER, claims(sub="me\0you"), signed_by(ES)),
    "payload_is_a_list": parts(HEADER, "[" + claims() + "]", signed_by(ES)),
    "payload_has_a_tail": parts(HEADER, claims() + "{}", signed_by(ES)),
    "payload_nested_deep": parts(HEADER, claims()[:-1] + ', "x": ' + "[" * 3000 + "]" * 3000 + "}", signed_by(ES)),
    "longer_than_16_kib": ES.token({"sub": "me", "aud": "signet", "x": "y" * 13000}),
    "strict_leeway_expired": STRICT.token({"sub": "me", "aud": "signet"}, lifetime=-1),
    "strict_lives_too_long": STRICT.token({"sub": "me", "aud": "signet"}, lifetime=3700),
    "sub_of_three_parts": CLUSTER.token({"sub": "system:serviceaccount:web", "aud": ["istio-ca"]}),
    "sub_of_five_parts": CLUSTER.token(account("web:shop:x")),
    "sub_with_an_empty_name": CLUSTER.token(account("web:")),
    "sub_of_a_node": CLUSTER.token({"sub": "system:node:n1", "aud": ["istio-ca"]}),
    "sub_with_a_slash": CLUSTER.token(account("web:shop/../admin")),
    "sub_in_capitals": CLUSTER.token(account("Web:Shop")),
    "bound_to_another_namespace": CLUSTER.token(account("web:shop", **{"kubernetes.io": {"namespace": "other"}})),
}


@pytest.mark.parametrize("name", REFUSED)
def test_token_is_refused(signet, channel, name):
    assert refusal(signet, token=REFUSED[name], channel=channel) == FAILED
    assert refusal(signet, token=REFUSED[name], channel=channel) == FAILED, "the second time too: nothing was kept"


def test_leeway_of_an_issuer(signet, channel):
    assert signet.ask(CSR, token=ES.token({"sub": "me", "aud": "signet"}, lifetime=-30), channel=channel)


def test_token_stops_working_when_it_expires_though_it_was_seen_before(signet, channel):
    token = STRICT.token({"sub": "brief", "aud": "signet"}, lifetime=2)
    assert signet.ask(CSR, token=token, channel=channel)
    time.sleep(2.2)
    assert refusal(signet, token=token, channel=channel) == FAILED


def test_two_issuers_with_one_key_id_are_told_apart(signet, channel):
    for alg in ("ES256", "ES384"):
        record = leaf_of(signet.ask(CSR, token=ISSUERS[alg].token({"sub": "twin", "aud": "signet"}), channel=channel))
        assert san_uris(record) == [f"spiffe://example.org/{alg.lower()}/twin"]


def test_kubernetes_built_in_rule_gives_the_service_accounts_id():
    config = CONFIG.split("policy:")[0]
    s = Signet(config)
    for i in [*ISSUERS.values(), CLUSTER, STRICT]:
        i.write(s.dir)
    with s:
        pod = {"namespace": "web", "pod": {"name": "shop-1", "uid": "u"}, "serviceaccount": {"name": "shop", "uid": "v"}}
        leaf = leaf_of(s.ask(CSR, token=CLUSTER.token(account("web:shop", **{"kubernetes.io": pod}))))
        assert san_uris(leaf) == [ID]
        assert s.record_of(leaf)["rule"] == "kubernetes"
        denied = refusal(s, token=ES.token({"sub": "me", "aud": "signet"}))
        assert denied == (Code.PERMISSION_DENIED, "request denied by policy"), "the built-in rules know only Kubernetes"
        impersonation = refusal(s, token=CLUSTER.token(account("istio-system:ztunnel")), metadata={"ImpersonatedIdentity": ID})
        assert impersonation == NOT_YOU, "a right that nobody has by default"


def test_new_key_set_is_taken_on_hup_and_tokens_of_the_old_one_end():
    s = Signet(CONFIG)
    for i in [*ISSUERS.values(), CLUSTER, STRICT]:
        i.write(s.dir)
    new = Issuer(ES.url, kid="k2")
    old_token, new_token = (i.token({"sub": "me", "aud": "signet"}) for i in (ES, new))
    with s:
        assert s.ask(CSR, token=old_token) and refusal(s, token=new_token) == FAILED
        new.write(s.dir)
        s.process.send_signal(signal.SIGHUP)
        wait_for(lambda: s.events("reloaded"))
        assert s.ask(CSR, token=new_token) and refusal(s, token=old_token) == FAILED
        (s.dir / "es256.jwks").write_text('{"keys": []}')
        s.process.send_signal(signal.SIGHUP)
        wait_for(lambda: len(s.events("reloaded")) == 2)
        assert refusal(s, token=new_token) == FAILED, "an issuer that has withdrawn all keys"
        assert {(e["level"], e["why"]) for e in s.events("jwks")} == {("warn", "no usable key: all of its tokens are refused")}


# ---- client certificates ----

def issued(signet, spiffe_id=ID):
    key = make_key()
    return key, signet.ask(make_csr(key, spiffe_id), token=signet.token(spiffe_id))


def as_client(signet, key, chain):
    return signet.channel(key_pem(key), "".join(chain).encode())


def test_renewal_for_ever_and_recorded_as_such(signet):
    key, chain = issued(signet)
    for _ in range(4):
        with as_client(signet, key, chain) as c:
            key = make_key()
            chain = signet.ask(make_csr(key, ID), channel=c)
        record = signet.record_of(leaf_of(chain))
        assert (record["spiffe_id"], record["evidence"], record["rule"], record["caller"]) == (ID, "mtls", "renewal", ID)


@pytest.mark.parametrize("token", [CLUSTER.token(account("other:x")), "nonsense"], ids=["of_another_identity", "that_is_none"])
def test_certificate_goes_before_a_token(signet, token):
    with as_client(signet, *issued(signet)) as c:
        assert san_uris(leaf_of(signet.ask(CSR, token=token, channel=c))) == [ID]


def test_renewal_ignores_the_names_in_the_csr(signet):
    with as_client(signet, *issued(signet)) as c:
        assert san_uris(leaf_of(signet.ask(make_csr(KEY, OTHER), channel=c))) == [ID]


def handshake(signet, key, cert, version=ssl.TLSVersion.TLSv1_3):
    """The status of a call with this client certificate, with a good token beside it; None: the connection was refused."""
    path = signet.dir / "client.pem"
    path.write_bytes(key_pem(key) + cert.public_bytes(serialization.Encoding.PEM))
    context = ssl.create_default_context(cadata=signet.roots())
    context.minimum_version = context.maximum_version = version
    context.load_cert_chain(path)
    try:
        with Raw(signet, context=context) as raw:
            stream = raw.begin(CLUSTER.token(account("web:shop")))
            raw.send(stream, frame(encode_request(CSR)))
            return raw.answers[stream].status if raw.pump(lambda: raw.answers[stream].ended) else None
    except (ssl.SSLError, ConnectionError):
        return None


VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


@pytest.mark.parametrize("version", VERSIONS, ids=["tls12", "tls13"])
def test_forger_is_as_good_as_the_ca_otherwise_the_next_tests_say_nothing(signet, version):
    assert handshake(signet, *Forger.of(signet).leaf([ID]), version) == 0


FOREIGN = Forger()


@pytest.mark.parametrize("version", VERSIONS, ids=["tls12", "tls13"])
@pytest.mark.parametrize("make", [
    pytest.param(lambda f: FOREIGN.leaf([ID]), id="foreign_ca_with_the_same_id"),
    pytest.param(lambda f: Forger(key=None, root=f.root).leaf([ID]), id="foreign_key_under_our_roots_name"),
    pytest.param(lambda f: f.leaf([], dns=["localhost"]), id="no_uri_like_our_serving_certificate"),
    pytest.param(lambda f: f.leaf([]), id="no_names"),
    pytest.param(lambda f: f.leaf([ID, OTHER]), id="two_uris"),
    pytest.param(lambda f: f.leaf(["spiffe://evil.example/ns/web/sa/shop"]), id="foreign_trust_domain"),
    pytest.param(lambda f: f.leaf(["https://example.org/ns/web/sa/shop"]), id="uri_that_is_no_spiffe_id"),
    pytest.param(lambda f: f.leaf(["spiffe://example.org"]), id="the_trust_domain_itself"),
    pytest.param(lambda f: f.leaf([ID], begin=-2 * HOUR, end=-HOUR), id="expired"),
    pytest.param(lambda f: f.leaf([ID], begin=HOUR, end=2 * HOUR), id="not_yet_valid"),
    pytest.param(lambda f: f.leaf([ID], ca=True), id="a_ca"),
    pytest.param(lambda f: f.leaf([ID], usages=[ExtendedKeyUsageOID.SERVER_AUTH]), id="not_for_clients"),
])
def test_client_certificate_ends_the_handshake_a_token_does_not_help(signet, make, version):
    failed = signet.metric("signet_tls_handshakes_failed_total")
    assert handshake(signet, *make(Forger.of(signet)), version) is None
    wait_for(lambda: signet.metric("signet_tls_handshakes_failed_total") == failed + 1)


def test_certificate_that_expires_while_its_connection_is_open(signet):
    key, cert = Forger.of(signet).leaf([ID], end=datetime.timedelta(seconds=2))
    with signet.channel(key_pem(key), cert.public_bytes(serialization.Encoding.PEM)) as c:
        assert signet.ask(CSR, channel=c)
        time.sleep(2.5)
        assert refusal(signet, channel=c) == FAILED


# ---- join tokens ----

def test_join_token_gives_its_own_id_only(signet, channel):
    assert san_uris(leaf_of(signet.ask(make_csr(KEY, OTHER), token=signet.token(ID), channel=channel))) == [ID]
    assert refusal(signet, token=signet.token(ID), metadata={"ImpersonatedIdentity": OTHER}, channel=channel) == NOT_YOU


def test_join_token_is_spent_once_but_the_same_key_gets_the_same_certificate_again(signet, channel):
    made = signet.new_token(ID)
    assert signet.tokens()[made["id"]]["state"] == "unused"
    first = signet.ask(CSR, token=made["token"], channel=channel)
    records = len(signet.records())
    assert signet.ask(CSR, token=made["token"], channel=channel) == first, "byte for byte"
    assert signet.ask(make_csr(KEY, OTHER), token=made["token"], channel=channel) == first, "another CSR of the same key"
    assert refusal(signet, csr=make_csr(make_key(), ID), token=made["token"], channel=channel) == FAILED
    assert len(signet.records()) == records
    state = signet.tokens()[made["id"]]
    assert state["state"] == "spent" and state["record"] == signet.record_of(leaf_of(first))["index"]


def test_two_requests_race_for_one_token_and_one_wins(signet, channel):
    for _ in range(10):
        token = signet.token(ID)
        method = channel.unary_unary("/istio.v1.auth.IstioCertificateService/CreateCertificate", request_serializer=lambda b: b,
                                     response_deserializer=lambda b: b)
        calls = [method.future(encode_request(make_csr(make_key(), ID)), metadata=[("authorization", "Bearer " + token)], timeout=20)
                 for _ in range(4)]
        codes = sorted(c.code().name for c in calls)
        assert codes == ["OK"] + ["UNAUTHENTICATED"] * 3


def test_refused_request_does_not_spend_its_token(signet, channel):
    token = signet.token(ID)
    for csr in ("nonsense", make_csr(make_key("rsa1024"), ID)):
        assert refusal(signet, csr=csr, token=token, channel=channel)[0] == Code.INVALID_ARGUMENT
    assert signet.ask(CSR, token=token, channel=channel)


def test_join_token_that_is_altered_revoked_or_late(signet, channel):
    token = signet.token(ID)
    flipped = token[:-1] + ("A" if token[-1] != "A" else "B")
    for bad in (flipped, token + "A", token[:-1], token.upper(), "sgt1_" + token, token[5:]):
        assert refusal(signet, token=bad, channel=channel) == FAILED
    assert signet.ask(CSR, token=token, channel=channel), "and the token itself is still good"

    revoked = signet.new_token(ID)
    signet.api("DELETE", "/v1/tokens/" + revoked["id"])
    assert refusal(signet, token=revoked["token"], channel=channel) == FAILED
    assert signet.admin("DELETE", "/v1/tokens/" + revoked["id"])[0] in (200, 409)
    spent = signet.new_token(ID)
    assert signet.ask(CSR, token=spent["token"], channel=channel)
    assert signet.admin("DELETE", "/v1/tokens/" + spent["id"])[0] == 409, "too late: ban the identity instead"

    late, late_spent = signet.token(ID, lifetime=1), signet.token(ID, lifetime=1)
    assert signet.ask(CSR, token=late_spent, channel=channel)
    time.sleep(1.2)
    assert refusal(signet, token=late, channel=channel) == FAILED
    assert refusal(signet, token=late_spent, channel=channel) == FAILED


# ---- impersonation ----

ZTUNNEL = CLUSTER.token(account("istio-system:ztunnel"))


def test_node_proxy_gets_the_certificates_of_its_pods(signet, channel):
    leaf = leaf_of(signet.ask(CSR, token=ZTUNNEL, metadata={"ImpersonatedIdentity": ID}, channel=channel))
    assert san_uris(leaf) == [ID]
    record = signet.record_of(leaf)
    assert (record["caller"], record["rule"]) == ("cluster:istio-system/ztunnel", "node-proxy")
    assert san_uris(leaf_of(signet.ask(CSR, token=ZTUNNEL, channel=channel))) == ["spiffe://example.org/ns/istio-system/sa/ztunnel"]


@pytest.mark.parametrize("token, identity", [
    pytest.param(ZTUNNEL, "spiffe://example.org/ns/kube-system/sa/admin", id="another_namespace"),
    pytest.param(ZTUNNEL, "spiffe://example.org/ns/web/sa/a/b", id="a_star_does_not_cross_a_slash"),
    pytest.param(ZTUNNEL, "spiffe://evil.example/ns/web/sa/shop", id="foreign_trust_domain"),
    pytest.param(ZTUNNEL, "spiffe://example.org/ns/web/sa/", id="an_empty_segment"),
    pytest.param(ZTUNNEL, "spiffe://example.org/ns/web/sa/..", id="dots"),
    pytest.param(ZTUNNEL, "spiffe://EXAMPLE.org/ns/web/sa/shop", id="trust_domain_in_capitals"),
    pytest.param(ZTUNNEL, "spiffe://example.org/ns/web/sa/sh%6fp", id="percent"),
    pytest.param(CLUSTER.token(account("web:other")), ID, id="a_caller_without_the_right"),
    pytest.param(ES.token({"sub": "istio-system:ztunnel", "aud": "signet"}), ID, id="the_name_from_another_issuer"),
    pytest.param(CLUSTER.token(account("web:ztunnel")), ID, id="the_account_of_another_namespace"),
])
def test_impersonation_is_refused(signet, channel, token, identity):
    assert refusal(signet, token=token, metadata={"ImpersonatedIdentity": identity}, channel=channel) == NOT_YOU


# ---- switches ----

def test_ways_that_are_switched_off():
    with Signet("auth: { mtls: false, join_tokens: true }\n") as s:
        key, chain = issued(s)
        with as_client(s, key, chain) as c:
            assert refusal(s, channel=c) == FAILED, "no certificate is asked for, none counts"
            assert san_uris(leaf_of(s.ask(CSR, token=s.token(OTHER), channel=c))) == [OTHER]
        token = s.token(ID)
        assert s.stop() == 0
        s.write_config("auth: { join_tokens: false }\n")
        s.start()
        with as_client(s, key, chain) as c:
            assert san_uris(leaf_of(s.ask(CSR, channel=c))) == [ID]
        assert refusal(s, token=token) == FAILED
        assert s.admin("POST", "/v1/tokens", {"spiffe_id": ID})[0] == 409
