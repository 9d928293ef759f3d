import pytest

from harness import SANITIZED, Signet, points_build


def pytest_configure(config):
    config.addinivalue_line("markers", "release: says nothing about a sanitized build, and is not collected for one")


def pytest_collection_modifyitems(config, items):
    if SANITIZED:
        items[:] = [i for i in items if i.get_closest_marker("release") is None]


@pytest.fixture(scope="module")
def signet():
    """A daemon with the smallest configuration: a trust domain."""
    with Signet() as s:
        yield s


@pytest.fixture(scope="module")
def channel(signet):
    """A channel to the module's daemon."""
    with signet.channel() as c:
        yield c


@pytest.fixture(scope="session")
def points():
    return points_build()
