"""Token issuers of the tests: PyJWT signs, so that an implementation that is not ours makes what we verify."""
import base64
import json
import pathlib
import time

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import OKPAlgorithm, RSAAlgorithm


def base64url(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


class Issuer:
    def __init__(self, url, alg="ES256", kid="k1"):
        self.url, self.alg, self.kid = url, alg, kid
        curves = {"ES256": ec.SECP256R1, "ES384": ec.SECP384R1, "ES512": ec.SECP521R1}
        if alg in curves:
            self.key = ec.generate_private_key(curves[alg]())
        elif alg == "EdDSA":
            self.key = ed25519.Ed25519PrivateKey.generate()
        else:
            self.key = rsa.generate_private_key(65537, 2048)

    def jwk(self):
        """RFC 7517 and 7518; by hand for EC, where PyJWT 2.6 drops leading zeros (RFC 7518 s6.2.1.2 keeps them)."""
        common = {"kid": self.kid, "use": "sig", "alg": self.alg}
        if isinstance(self.key, ec.EllipticCurvePrivateKey):
            n, size = self.key.public_key().public_numbers(), (self.key.key_size + 7) // 8
            return {"kty": "EC", "crv": f"P-{self.key.key_size}", "x": base64url(n.x.to_bytes(size, "big")),
                    "y": base64url(n.y.to_bytes(size, "big")), **common}
        out = json.loads((OKPAlgorithm if self.alg == "EdDSA" else RSAAlgorithm).to_jwk(self.key.public_key()))
        out.pop("key_ops", None)
        return {**out, **common}

    def write(self, directory):
        """The JWK Set as a file; its path."""
        path = pathlib.Path(directory, self.url.rsplit("/", 1)[1] + ".jwks")
        path.write_text(json.dumps({"keys": [self.jwk()]}))
        path.chmod(0o644)
        path.parent.chmod(0o755)
        return path

    def token(self, claims, alg=None, headers=None, key=None, lifetime=3600):
        body = {"iss": self.url, "iat": int(time.time()), "exp": int(time.time()) + lifetime, **claims}
        body = {k: v for k, v in body.items() if v is not None}
        return jwt.encode(body, key or self.key, algorithm=alg or self.alg, headers={"kid": self.kid, **(headers or {})})
