"""scikit-learn's estimator protocol, so that its tools can clone, search and cross-validate our estimators.

Parameters are the arguments that `__init__` stores. scikit-learn itself is imported only on demand (its base class
would add a second to every start of the program). Knows nothing of texts.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable, Iterable
from typing import Any, ClassVar, Self, TypeVar, cast

from ulmus.config import did_you_mean
from ulmus.errors import UsageError
from ulmus.tasks.facts import html

__all__ = ["Estimator", "not_fitted", "sklearn_names"]

Method = TypeVar("Method", bound=Callable[..., Any])


class Estimator:
    """Base class of estimators whose `__init__` only stores its arguments under their names.

    Raises UsageError: an unknown parameter; the message suggests the nearest one.
    """

    SETTINGS: ClassVar[type | None] = (
        None  # the dataclass of the parameter `config`, if the estimator has one
    )

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        init = cls.__init__

        @functools.wraps(init)
        def checked(self: Estimator, *arguments: Any, **params: Any) -> None:
            self._check_names(params)
            init(self, *arguments, **params)

        cls.__init__ = checked  # type: ignore[method-assign, assignment]

    @classmethod
    def _check_names(cls, params: Iterable[str]) -> None:
        names = cls._defaults()
        for name in params:
            if name not in names:
                hint = did_you_mean(name, names, least=0.8) or cls._setting(name) or did_you_mean(name, names)
                raise UsageError(f"there is no parameter {name!r}.{hint}")

    @classmethod
    def _setting(cls, name: str) -> str:
        """A hint at the settings that are called `name` or end in it; `all_...` come first."""
        if cls.SETTINGS is None:
            return ""
        fields = [field.name for field in dataclasses.fields(cls.SETTINGS)]
        matches = sorted(
            (f for f in fields if f == name or f.endswith(f"_{name}")), key=lambda f: f[:4] != "all_"
        )
        shown = " or ".join(f"{f}=..." for f in matches)
        return f" It is a setting: config={cls.SETTINGS.__name__}({shown})." if matches else ""

    @classmethod
    def _defaults(cls) -> dict[str, Any]:
        """Names and defaults of the parameters."""
        parameters = list(inspect.signature(cls).parameters.values())
        return {p.name: p.default for p in parameters}

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The parameters by name; `deep` adds the settings in `config` as config__NAME, for grid searches."""
        params = {name: getattr(self, name) for name in self._defaults()}
        if deep and self.SETTINGS is not None:
            settings = params["config"] or self.SETTINGS()
            params |= {f"config__{f.name}": getattr(settings, f.name) for f in dataclasses.fields(settings)}
        return params

    def set_params(self, **params: Any) -> Self:
        """Change parameters, and settings as config__NAME. Raises UsageError: an unknown name."""
        nested = {name: value for name, value in params.items() if name.startswith("config__")}
        own = {name: value for name, value in params.items() if name not in nested}
        self._check_names(own)
        for name, value in own.items():
            setattr(self, name, value)
        if nested:
            self._set_config({name.removeprefix("config__"): value for name, value in nested.items()})
        return self

    def _set_config(self, changes: dict[str, Any]) -> None:
        """Replace `config` by a copy with some settings changed. Raises UsageError: an unknown setting."""
        if self.SETTINGS is None:
            raise UsageError(f"{type(self).__name__} has no parameter config.")
        names = [field.name for field in dataclasses.fields(self.SETTINGS)]
        for name in changes:
            if name not in names:
                raise UsageError(f"there is no setting config__{name}.{did_you_mean(name, names)}")
        config: Any = getattr(self, "config", None) or self.SETTINGS()
        self.config = dataclasses.replace(config, **changes)

    def __repr__(self) -> str:
        changed = {n: v for n, v in self.get_params(deep=False).items() if v is not self._defaults()[n]}
        return f"<{type(self).__name__}({_arguments(changed)}), {self._state()}>"

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        return html(self)

    def _state(self) -> str:
        """For `repr`: whether it is fitted, and what it has learnt."""
        return "not fitted"

    def __sklearn_tags__(self) -> Any:
        """The tags of a text classifier, for scikit-learn 1.6 and newer."""
        from sklearn.utils import ClassifierTags, InputTags, Tags, TargetTags

        return Tags(
            estimator_type="classifier",
            target_tags=TargetTags(required=True, multi_output=True),
            classifier_tags=ClassifierTags(multi_label=True),
            input_tags=InputTags(one_d_array=True, two_d_array=False, string=True),
        )


def _arguments(values: dict[str, Any]) -> str:
    return ", ".join(f"{name}={_shown(value)}" for name, value in values.items())


def _shown(value: Any) -> str:
    """The `repr` of a value; of a config dataclass only what differs from its defaults."""
    if not dataclasses.is_dataclass(value) or isinstance(value, type):
        return repr(value)
    changed = {
        f.name: getattr(value, f.name)
        for f in dataclasses.fields(value)
        if getattr(value, f.name) != _default(f)
    }
    return f"{type(value).__name__}({_arguments(changed)})"


def _default(field: dataclasses.Field[Any]) -> Any:
    return field.default if field.default_factory is dataclasses.MISSING else field.default_factory()


def sklearn_names(method: Method) -> Method:
    """Let a method accept its `texts` and `labels` under scikit-learn's names too, X and y."""

    @functools.wraps(method)
    def named(*arguments: Any, **keywords: Any) -> Any:
        for theirs, ours in (("X", "texts"), ("y", "labels")):
            if theirs in keywords:
                keywords[ours] = keywords.pop(theirs)
        return method(*arguments, **keywords)

    return cast(Method, named)


def not_fitted(message: str) -> UsageError:
    """The error for using an estimator before `fit`: a UsageError that is also scikit-learn's NotFittedError."""
    return _not_fitted_type()(message)


@functools.cache
def _not_fitted_type() -> type[UsageError]:
    from sklearn.exceptions import NotFittedError

    return type("NotFitted", (UsageError, NotFittedError), {"__doc__": "The estimator is not fitted yet."})
