"""Assertions of modules that tests share tell as much as those of the tests."""

import pytest

pytest.register_assert_rewrite("tests.faults.crashes", "penstock.testing")
