"""Parameters of a flow as options of `flow run`, and what of them was given."""

from __future__ import annotations

import json
import os

from penstock.authoring.parameters import convert
from penstock.cli.option import ParameterOption
from penstock.compat.variables import OUR_PARAMETER, translated
from penstock.errors import FlowError, UsageError
from penstock.nearest import hint

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container, Mapping
    from typing import Any

    from penstock.host.declaration import Declaration


def parameter_options(declaration: Declaration, taken: Container[str]) -> list[ParameterOption]:
    """One option a parameter. Raises FlowError for one that has the name of an option of `flow run`."""
    found = [ParameterOption(one, declaration.flow) for one in declaration.parameters]
    for option in found:
        for spelt in option.opts:
            if spelt in taken:
                raise FlowError(
                    f"a parameter of {declaration.flow} has the name of the option {spelt}",
                    where=declaration.file,
                    hint="give the parameter another name",
                )
    return found


def given_parameters(declaration: Declaration, typed: Mapping[str, str]) -> dict[str, str]:
    """Texts by name: as typed, else from `PENSTOCK_RUN_NAME` (also under Metaflow's name). Raises UsageError.

    Parameters that were not given are absent: their defaults belong to the run's first task.
    """
    environ = translated({**os.environ, **{k: v for k, v in declaration.environ.items() if v is not None}})
    found = {}
    for one in declaration.parameters:
        name = one["name"]
        variable = OUR_PARAMETER + name.upper().replace("-", "_")
        if name in typed:
            found[name] = typed[name]
        elif variable in environ:
            convert(one, environ[variable])
            found[name] = environ[variable]
        elif one["type"] == "file" and one["default"] is not None:
            convert(one, one["default"])  # the value is read when the run begins; that there is none is told now
        elif one["required"]:
            raise UsageError(
                f"{declaration.flow} needs the parameter {name}",
                where=f"--{name}",
                hint=f"--{name}=...   {one['help']}".rstrip(),
            )
    return found


def as_texts(declaration: Declaration, values: Mapping[str, Any]) -> dict[str, str]:
    """Values that were given in Python, as one would type them. Raises UsageError for a name that the flow lacks."""
    known = {one["name"]: one for one in declaration.parameters}
    texts = {}
    for name, value in values.items():
        if name not in known:
            raise UsageError(f"{declaration.flow} has no parameter {name!r}", hint=hint(name, known))
        separator = known[name]["separator"]
        if separator is not None and not isinstance(value, str):
            texts[name] = separator.join(map(str, value))
        else:
            texts[name] = value if isinstance(value, str) else json.dumps(value)
        convert(known[name], texts[name])
    return given_parameters(declaration, texts)
