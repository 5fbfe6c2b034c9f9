"""What scikit-learn's tools ask of an estimator, so that they can clone, search and cross-validate ours.

Parameters are what `__init__` is given and stores. scikit-learn itself is imported only when it asks (its base class
would cost every start of the program a second). Knows nothing of texts.
"""

from __future__ import annotations

import functools
import inspect
from typing import Any, Self

from ulmus.config import did_you_mean
from ulmus.errors import UsageError

__all__ = ["Estimator", "not_fitted"]


class Estimator:
    """Base of estimators whose `__init__` only stores its arguments under their names."""

    @classmethod
    def _defaults(cls) -> dict[str, Any]:
        """Names and defaults of the parameters."""
        parameters = list(inspect.signature(cls).parameters.values())
        return {p.name: p.default for p in parameters}

    def get_params(self, deep: bool = True) -> dict[str, Any]:  # noqa: ARG002 - scikit-learn's signature
        """The parameters by name."""
        return {name: getattr(self, name) for name in self._defaults()}

    def set_params(self, **params: Any) -> Self:
        """Change parameters. Raises UsageError for one there is not."""
        names = self._defaults()
        for name, value in params.items():
            if name not in names:
                raise UsageError(f"there is no parameter {name!r}.{did_you_mean(name, names)}")
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        changed = {n: v for n, v in self.get_params().items() if v is not self._defaults()[n]}
        return f"{type(self).__name__}({', '.join(f'{n}={v!r}' for n, v in changed.items())})"

    def __sklearn_tags__(self) -> Any:
        """A classifier of texts: what scikit-learn 1.6 and newer want to know."""
        from sklearn.utils import ClassifierTags, InputTags, Tags, TargetTags

        return Tags(
            estimator_type="classifier",
            target_tags=TargetTags(required=True, multi_output=True),
            classifier_tags=ClassifierTags(multi_label=True),
            input_tags=InputTags(one_d_array=True, two_d_array=False, string=True),
        )


def not_fitted(message: str) -> UsageError:
    """The error for using an estimator before `fit`: a UsageError that scikit-learn knows as its NotFittedError."""
    return _not_fitted_type()(message)


@functools.cache
def _not_fitted_type() -> type[UsageError]:
    from sklearn.exceptions import NotFittedError

    return type("NotFitted", (UsageError, NotFittedError), {"__doc__": "The estimator is not fitted yet."})
