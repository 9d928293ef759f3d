import pytest

from harness import Signet


@pytest.fixture(scope="module")
def signet():
    """A daemon with the smallest configuration: a trust domain."""
    with Signet() as s:
        yield s
