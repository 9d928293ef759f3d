"""Token issuers of the tests: PyJWT signs, so that an implementation that is not ours makes what we verify."""
import json
import pathlib
import time

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm


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
        convert = {"E": ECAlgorithm, "R": RSAAlgorithm, "P": RSAAlgorithm}[self.alg[0]] if self.alg != "EdDSA" else OKPAlgorithm
        out = json.loads(convert.to_jwk(self.key.public_key()))
        out.pop("key_ops", None)
        return {**out, "kid": self.kid, "use": "sig", "alg": self.alg}

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
