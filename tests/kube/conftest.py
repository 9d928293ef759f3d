import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "integration"))

# pylint: disable=wrong-import-position
from harness import points_build  # noqa: E402
from kube import Kube, account_user  # noqa: E402
from ra import RIGHTS  # noqa: E402
from signer import Signer  # noqa: E402


@pytest.fixture(scope="session")
def kube():
    """A cluster with cert-manager: an account web/shop and a node, and the user and the account that Signet may be there."""
    with Kube(cert_manager=True) as k:
        for namespace, account in (("web", "shop"), ("signet", "signet")):
            k.create_namespace(namespace)
            k.create_account(namespace, account)
        k.create_node("node-1")
        k.grant("signet-user", "signet", RIGHTS)
        k.grant("signet-account", account_user("signet", "signet"), RIGHTS)
        yield k


@pytest.fixture(scope="module")
def token(kube):
    """Of web/shop, for no pod."""
    return kube.token_for("web", "shop", ["istio-ca"])


@pytest.fixture(scope="session")
def points():
    return points_build()


@pytest.fixture(scope="session")
def good(kube):
    """Signs whatever is approved of example.org/good."""
    with Signer(kube, "example.org/good") as s:
        yield s
