"""Import the flow file once, under the name of its stem, and say as data what it declares."""

from __future__ import annotations

import os
import re
import sys
from importlib.machinery import SourceFileLoader

from penstock.authoring import executor_decorators
from penstock.errors import FlowError, NotFound, PenstockError
from penstock.host import own_modules
from penstock.host.declaration import Declaration
from penstock.nearest import nearest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from traceback import FrameSummary
    from types import ModuleType
    from typing import Any

    from penstock.authoring.flow import FlowSpec
    from penstock.authoring.graph import Graph
    from penstock.host.archived_code import ArchivedCode
    from penstock.host.flow_file import FlowFile


# Modules whose distribution has another name, and the ones that data scientists import most.
_DISTRIBUTIONS = {
    "PIL": "pillow", "bs4": "beautifulsoup4", "cv2": "opencv-python", "dateutil": "python-dateutil",
    "dotenv": "python-dotenv", "skimage": "scikit-image", "sklearn": "scikit-learn", "yaml": "pyyaml",
}  # fmt: skip


def import_flow(file: str, flow: str | None = None, code: ArchivedCode | None = None) -> type[FlowSpec]:
    """Import the file as the module of its stem and return its flow; `flow` chooses among several.

    code: where it is imported from in place of the disk.

    Raises FlowError with file:line for whatever goes wrong in it, NotFound where it has no flow of this name.
    """
    path = os.path.abspath(file)
    stem = os.path.splitext(os.path.basename(path))[0]
    if stem in sys.stdlib_module_names or stem == "penstock":
        raise FlowError(
            f"{os.path.basename(path)} has the name of the module `{stem}`, which every program needs",
            where=path,
            hint=f"mv {stem}.py {stem}_flow.py",
        )
    sys.path.insert(0, os.path.dirname(path))
    module = _execute(path, stem, code)
    return _chosen(module, path, flow)


class _FromSource(SourceFileLoader):
    """Compiles what stands in the file now, as Python does with a script.

    Byte code knows its source by size and second: who changes `cat` to `dog` and runs at once must not get the cat.
    """

    def path_stats(self, path: object) -> dict[str, float]:
        """None: byte code is neither read nor written."""
        raise OSError(f"byte code of {path} is not used")


def _execute(path: str, stem: str, code: ArchivedCode | None) -> ModuleType:
    import importlib.util

    from penstock.authoring.flow import FlowSpec

    loader = _FromSource(stem, path) if code is None else code.loader(stem, path)
    spec = importlib.util.spec_from_file_location(stem, path, loader=loader)
    if spec is None or spec.loader is None:
        raise FlowError(f"{path} can't be read as Python", where=path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[stem] = module
    FlowSpec._being_imported = True
    try:
        spec.loader.exec_module(module)
    except PenstockError as error:
        last = _own_frame(error, path)
        error.where = error.where or (f"{last.filename}:{last.lineno}" if last is not None else path)
        raise
    except BaseException as error:  # the user's file may raise anything
        raise _import_error(error, path, vars(module)) from error
    finally:
        FlowSpec._being_imported = False
    return module


def _import_error(error: BaseException, path: str, names: Mapping[str, Any]) -> FlowError:
    """The user's line, and what to do. names: what the file had defined by then."""
    import shlex

    last = _own_frame(error, path)
    where = f"{last.filename}:{last.lineno}" if last is not None else path
    text = _text_of(error)
    if isinstance(error, SyntaxError | UnicodeDecodeError) or (isinstance(error, ValueError) and "null bytes" in text):
        from penstock.authoring.graph_source import syntax_error

        return syntax_error(error, path)
    if isinstance(error, OSError) and last is None:
        return FlowError(f"{path} can't be read: {error.strerror}", where=path, hint=f"ls -l {shlex.quote(path)}")
    if isinstance(error, ModuleNotFoundError) and error.name:
        package = error.name.partition(".")[0]
        beside = os.path.join(os.path.dirname(path), package)
        install = f"pip install {_DISTRIBUTIONS.get(package, package)}"
        hint = f"look into {beside}" if os.path.exists(beside) else install
        return FlowError(f"no module named {error.name!r}", where=where, hint=hint)
    if isinstance(error, SystemExit):
        return FlowError(
            f"the file calls sys.exit({error.code!r}) while it is imported",
            where=where,
            hint='put what only a script should do below `if __name__ == "__main__":`',
        )
    if isinstance(error, ImportError):
        text = re.sub(r" \(/[^()]*\)$", "", text)  # where a module lies tells nothing
    shown = f"\n    {last.lineno} |  {last.line}" if last is not None and last.line else ""
    absent, says_what_else, advice = text.partition(": ") if text.startswith("penstock has no ") else (text, "", "")
    if says_what_else:
        return FlowError(absent + shown, where=where, hint=advice)
    hint = _missing_name(error, text, names) or f"python {shlex.quote(path)}   # shows every frame"
    return FlowError(f"{type(error).__name__} while the file is imported" + (f": {text}" if text else "") + shown,
                     where=where, hint=hint)  # fmt: skip


def _own_frame(error: BaseException, path: str) -> FrameSummary | None:
    """The last frame of the flow file or of a module beside it."""
    import traceback

    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if os.path.dirname(frame.filename) == os.path.dirname(path)]
    return own[-1] if own else None


def _text_of(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001  the user's own class
        return ""


def _missing_name(error: BaseException, text: str, names: Mapping[str, Any]) -> str:
    """The name that was probably meant by one that is not there; empty where nobody can tell."""
    import penstock

    quoted = text.split("'")
    if isinstance(error, NameError) and len(quoted) > 1:
        near = nearest(quoted[1], {*names, *penstock.__all__})
        if near in penstock.__all__ and near not in names:
            return f"from penstock import {near}"
    elif isinstance(error, ImportError) and len(quoted) > 1 and error.name:
        module = sys.modules.get(error.name)
        ours = [*penstock.__all__, *executor_decorators.known()] if module is penstock else []
        near = nearest(quoted[1], ours or dir(module))
    else:
        near = None
    return f"did you mean {near!r}?" if near else ""


def _chosen(module: ModuleType, path: str, flow: str | None) -> type[FlowSpec]:
    from penstock.authoring.flow import FlowSpec

    flows = {
        name: value
        for name, value in vars(module).items()
        if isinstance(value, type) and issubclass(value, FlowSpec) and value.__module__ == module.__name__
    }
    leaves = {
        name: value
        for name, value in flows.items()
        if not any(other is not value and issubclass(other, value) for other in flows.values())
    }
    if flow is not None:
        if flow not in flows:
            import difflib

            near = difflib.get_close_matches(flow, flows, 1)
            told = f"did you mean {path}:{near[0]}?" if near else f"it has: {', '.join(sorted(flows)) or 'none'}"
            raise NotFound(f"no flow {flow!r} in {path}", where=path, hint=told)
        return flows[flow]
    if not leaves:
        raise FlowError(
            "the file has no flow: no class that inherits from FlowSpec", where=path, hint="class MyFlow(FlowSpec): ..."
        )
    if len(leaves) > 1:
        names = sorted(leaves)
        raise FlowError(
            f"the file has {len(leaves)} flows: {', '.join(names)}", where=path, hint=f"choose one: {path}:{names[0]}"
        )
    return next(iter(leaves.values()))


def graph_of(flow_class: type[FlowSpec]) -> Graph:
    """The graph of a flow, with the decorators of its steps as data. Raises FlowError where the graph can't run."""
    from penstock.authoring.decorators import decorators_of
    from penstock.authoring.graph_checks import check
    from penstock.authoring.graph_source import graph_of_class

    graph = graph_of_class(flow_class)
    for name, step in graph.steps.items():
        step.decorators = tuple(one.data() for one in decorators_of(flow_class, name))
    check(graph)
    _check_attributes(flow_class, graph)
    return graph


def _check_attributes(flow_class: type[FlowSpec], graph: Graph) -> None:
    """Raise FlowError for an attribute that `self.next` names in vain, or that a step must not assign."""
    from penstock.authoring.attribute_checks import problems
    from penstock.authoring.flow import FlowSpec, constants_of
    from penstock.authoring.graph_checks import refuse
    from penstock.authoring.parameters import parameters_of

    classes = [cls for cls in flow_class.__mro__ if cls not in FlowSpec.__mro__]
    own = {name: value for cls in classes for name, value in vars(cls).items()}
    if not {"__getattr__", "__getattribute__", "__setattr__"}.isdisjoint(own):
        return  # what an attribute is, is the user's affair
    frozen = {*parameters_of(flow_class), *constants_of(flow_class)}
    methods = {
        name for name, value in own.items()
        if name not in frozen and name not in graph.steps and (callable(value) or hasattr(type(value), "__get__"))
    }  # fmt: skip
    refuse(problems(graph, frozen, dir(flow_class), methods))


def declare(flow_class: type[FlowSpec], graph: Graph, before: dict[str, str], source: FlowFile) -> Declaration:
    """The declaration of an imported flow. before: the environment as it was before the import."""
    from penstock.authoring.parameters import check_names, parameters_of

    parameters = parameters_of(flow_class)
    check_names(list(parameters.values()))
    after = dict(os.environ)
    changed: dict[str, str | None] = {name: value for name, value in after.items() if before.get(name) != value}
    changed.update({name: None for name in before if name not in after})
    project = flow_class._project
    folder = os.path.dirname(source.path)
    modules = own_modules.imported(folder)
    return Declaration(
        flow=graph.name,
        file=source.path,
        graph=graph,
        parameters=[{"attribute": name, **parameter.data()} for name, parameter in parameters.items()],
        environ=changed,
        modules=modules,
        later=own_modules.imported_later(folder, modules),
        packages=_packages(),
        decorators=executor_decorators.asked(),
        doc=(flow_class.__doc__ or "").strip(),
        project=None if project is None else project.data(),
        alias=source.alias,
        added=source.added,
        copy_of=source.copy_of,
    )


def _packages() -> dict[str, str]:
    """Versions of imported packages, as they give them themselves; asking the installer's files would take longer."""
    found = {}
    for name, module in list(sys.modules.items()):
        version = vars(module).get("__version__") if "." not in name and module is not None else None
        if isinstance(version, str) and name not in sys.stdlib_module_names:
            found[name] = version
    return found
