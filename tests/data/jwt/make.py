#!/usr/bin/python3
"""Tokens and a key set as PyJWT and pyca/cryptography write them, so that another implementation made them: jwks.json,
ALG.jwt and bad-*.jwt here, and the seeds of fuzz_jwt and fuzz_jwks.  Run from the root of the tree; the output is checked in.
The RSA key is new at each run; the others are fixed (fuzz_jwt.c holds them too)."""
import base64, hashlib, hmac, json, pathlib
import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

data = pathlib.Path("tests/data")
b64 = lambda b: base64.urlsafe_b64encode(b).rstrip(b"=").decode()
u = lambda n, size=None: b64(n.to_bytes(size or (n.bit_length() + 7) // 8, "big"))

key = {
    "rsa": rsa.generate_private_key(65537, 2048),
    "p256": ec.derive_private_key(0x1111, ec.SECP256R1()),
    "p384": ec.derive_private_key(0x2222, ec.SECP384R1()),
    "p521": ec.derive_private_key(0x3333, ec.SECP521R1()),
    "ed": ed25519.Ed25519PrivateKey.from_private_bytes(b"\x01" * 32),
}


def jwk(name, **more):
    pub = key[name].public_key()
    if name == "rsa":
        n = pub.public_numbers()
        return {"kty": "RSA", "n": u(n.n), "e": u(n.e), "kid": name, **more}
    if name == "ed":
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
        return {"kty": "OKP", "crv": "Ed25519", "x": b64(pub.public_bytes(Encoding.Raw, PublicFormat.Raw)), "kid": name, **more}
    n, size = pub.public_numbers(), (pub.key_size + 7) // 8
    return {"kty": "EC", "crv": f"P-{pub.key_size}", "x": u(n.x, size), "y": u(n.y, size), "kid": name, **more}


keys = [jwk("rsa", use="sig"), jwk("p256", alg="ES256"), jwk("p384", key_ops=["verify"]), jwk("p521"), jwk("ed", use="jwt-svid"),
        {"kty": "EC", "crv": "secp256k1", "x": u(1, 32), "y": u(1, 32), "kid": "k256"},
        {"kty": "AKP", "alg": "ML-DSA-65", "pub": "AAAA", "kid": "pq"}]
jwks = json.dumps({"keys": keys, "spiffe_sequence": 1}, indent=1)
(data / "jwt/jwks.json").write_text(jwks)

claims = {"iss": "https://issuer", "sub": "spiffe://td/ns/a/sa/b", "aud": ["signet"], "exp": 1790000600, "iat": 1790000000,
          "kubernetes.io": {"namespace": "a", "pod": {"name": "p", "uid": "u"}}}
owner = {"R": "rsa", "P": "rsa"}
tokens = {}
for alg in "RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA".split():
    k = {"ES256": "p256", "ES384": "p384", "ES512": "p521", "EdDSA": "ed"}.get(alg, "rsa")
    tokens[alg] = jwt.encode(claims, key[k], algorithm=alg, headers={"kid": k})
tokens["bad-none"] = jwt.encode(claims, None, algorithm="none", headers={"kid": "rsa"})
head = b64(b'{"alg":"HS256","typ":"JWT","kid":"rsa"}') + "." + b64(json.dumps(claims).encode())
secret = key["rsa"].public_key().public_numbers().n.to_bytes(256, "big")
tokens["bad-hs256-public-key"] = head + "." + b64(hmac.new(secret, head.encode(), hashlib.sha256).digest())
tokens["bad-kid-of-other-key"] = jwt.encode(claims, key["p256"], algorithm="ES256", headers={"kid": "p384"})
tokens["bad-expired-without-kid"] = jwt.encode({**claims, "exp": 1789990000}, key["ed"], algorithm="EdDSA")
tokens["bad-jku"] = jwt.encode(claims, key["ed"], algorithm="EdDSA", headers={"kid": "ed", "jku": "https://evil/keys"})
tokens["bad-audience"] = jwt.encode({**claims, "aud": "other"}, key["ed"], algorithm="EdDSA", headers={"kid": "ed"})
tokens["bad-issuer"] = jwt.encode({**claims, "iss": "https://evil"}, key["ed"], algorithm="EdDSA", headers={"kid": "ed"})
for name, token in tokens.items():
    (data / "jwt" / f"{name}.jwt").write_text(token)
    if name not in ("RS384", "RS512", "PS384", "PS512", "ES512", "ES384"):
        (data / "fuzz/jwt" / name).write_text(token)
(data / "fuzz/jwt/payload").write_text(json.dumps(claims))
(data / "fuzz/jwt/payload-floats").write_text('{"iss":"https://issuer","aud":"signet","exp":1.7900006e9,"nbf":0.5,"iat":-1}')
for name, value in {
    "all": jwks, "empty": '{"keys":[]}', "private": json.dumps({"keys": [{**keys[1], "d": u(0x1111, 32)}]}),
    "symmetric": '{"keys":[{"kty":"oct","k":"AAAA"}]}', "enc": json.dumps({"keys": [{**keys[1], "use": "enc"}, keys[4]]}),
    "short": json.dumps({"keys": [{**keys[1], "x": "AAAA"}]}), "off-curve": json.dumps({"keys": [{**keys[1], "x": u(1, 32)}]}),
    "weak": json.dumps({"keys": [{"kty": "RSA", "n": u(2**1023 + 1), "e": "AQAB"}]}),
    "ops": json.dumps({"keys": [{**keys[1], "key_ops": ["sign"]}, keys[4]]}), "twice": json.dumps({"keys": [keys[4], keys[4]]}),
}.items():
    (data / "fuzz/jwks" / name).write_text(value)
