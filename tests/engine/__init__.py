"""A real container engine for tests: how it is found, and images made in seconds from this machine's own Pythons.

    pythons.py     the interpreters of this machine, by version
    images.py      images out of them, without a registry, a network or a build
    engines.py     the engine of this machine; one of a test's own, which may be killed; Podman's service
    fixtures.py    all of it as fixtures: `from tests.engine.fixtures import *` in a conftest

`.ci/engine` installs and starts what a bare machine lacks.
"""
