"""Assertions of modules that tests share tell as much as those of the tests; under CI nothing is skipped unseen."""

import pytest

pytest.register_assert_rewrite("tests.faults.crashes", "tests.bad_input.shell", "penstock.testing")


def pytest_configure(config: pytest.Config) -> None:
    from tests import skips

    skips.watch(config)
