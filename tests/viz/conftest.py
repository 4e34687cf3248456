"""What tests of drawing share."""

import pytest

from capture.head import Head, standard_head


@pytest.fixture(scope="session")
def head() -> Head:
    return standard_head()
