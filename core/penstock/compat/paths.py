"""Metaflow's deep paths, and what each name there is in penstock."""

from __future__ import annotations

_NOT_YET = "it is not part of this version"
_DECORATORS = "write a plain Python decorator below @step's line, or one of penstock's own"

# Path below `penstock` -> name -> `module:attribute`, or why there is none. Other names are those of the package.
PATHS: dict[str, dict[str, str]] = {
    "exception": {
        "ExternalCommandFailed": "compat.exceptions:ExternalCommandFailed",
        "MetaflowException": "errors:PenstockError",
        "MetaflowInternalError": "errors:PenstockError",
        "MetaflowInvalidPathspec": "errors:UsageError",
        "MetaflowNamespaceMismatch": "errors:NamespaceMismatch",
        "MetaflowNotFound": "errors:NotFound",
        "MetaflowTaggingError": "errors:UsageError",
        "MissingInMergeArtifactsException": "authoring.flow:MissingInMergeArtifactsException",
        "ParameterFieldFailed": "errors:UsageError",
        "UnhandledInMergeArtifactsException": "authoring.flow:UnhandledInMergeArtifactsException",
    },
    "metaflow_current": {"Current": "authoring.context:Current", "current": "authoring.context:current"},
    "metaflow_version": {"get_version": "compat.version:get_version"},
    "multicore_utils": {
        "parallel_imap_unordered": "compat.multicore:parallel_imap_unordered",
        "parallel_map": "compat.multicore:parallel_map",
    },
    "flowspec": {},
    "plugins": {},
    "plugins.catch_decorator": {"FailureHandledByCatch": "authoring.decorators:FailureHandledByCatch"},
    "plugins.timeout_decorator": {"TimeoutException": "authoring.decorators:TimeoutException"},
    "util": {"get_username": "user_name:user_name"},
}
