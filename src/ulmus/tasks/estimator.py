"""What scikit-learn's tools ask of an estimator, so that they can clone, search and cross-validate ours.

Parameters are what `__init__` is given and stores. scikit-learn itself is imported only when it asks (its base class
would cost every start of the program a second). Knows nothing of texts.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable, Iterable
from typing import Any, ClassVar, Self, TypeVar, cast

from ulmus.config import did_you_mean
from ulmus.errors import UsageError

__all__ = ["Estimator", "not_fitted", "sklearn_names"]

Method = TypeVar("Method", bound=Callable[..., Any])


class Estimator:
    """Base of estimators whose `__init__` only stores its arguments under their names.

    A parameter that there is not is a UsageError that says what was probably meant.
    """

    SETTINGS: ClassVar[type | None] = None  # the dataclass of the parameter `config`, if there is one

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
        """A hint at the settings that `name` is, or is a part of; `all_...` before the others."""
        if cls.SETTINGS is None:
            return ""
        fields = [field.name for field in dataclasses.fields(cls.SETTINGS)]
        found = sorted(
            (f for f in fields if f == name or f.endswith(f"_{name}")), key=lambda f: f[:4] != "all_"
        )
        shown = " or ".join(f"{f}=..." for f in found)
        return f" It is a setting: config={cls.SETTINGS.__name__}({shown})." if found else ""

    @classmethod
    def _defaults(cls) -> dict[str, Any]:
        """Names and defaults of the parameters."""
        parameters = list(inspect.signature(cls).parameters.values())
        return {p.name: p.default for p in parameters}

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The parameters by name; `deep` adds the settings of `config` as config__NAME, for grid searches."""
        params = {name: getattr(self, name) for name in self._defaults()}
        if deep and self.SETTINGS is not None:
            settings = params["config"] or self.SETTINGS()
            params |= {f"config__{f.name}": getattr(settings, f.name) for f in dataclasses.fields(settings)}
        return params

    def set_params(self, **params: Any) -> Self:
        """Change parameters. Raises UsageError for one there is not."""
        nested = {name: value for name, value in params.items() if name.startswith("config__")}
        own = {name: value for name, value in params.items() if name not in nested}
        self._check_names(own)
        for name, value in own.items():
            setattr(self, name, value)
        if nested:
            self._set_config({name.removeprefix("config__"): value for name, value in nested.items()})
        return self

    def _set_config(self, changes: dict[str, Any]) -> None:
        """Another `config` with some settings changed. Raises UsageError for a setting there is not."""
        if self.SETTINGS is None:
            raise UsageError(f"{type(self).__name__} has no settings: there is no parameter config.")
        names = [field.name for field in dataclasses.fields(self.SETTINGS)]
        for name in changes:
            if name not in names:
                raise UsageError(f"there is no setting config__{name}.{did_you_mean(name, names)}")
        config: Any = getattr(self, "config", None) or self.SETTINGS()
        self.config = dataclasses.replace(config, **changes)

    def __repr__(self) -> str:
        changed = {n: v for n, v in self.get_params(deep=False).items() if v is not self._defaults()[n]}
        return f"<{type(self).__name__}({_arguments(changed)}), {self._state()}>"

    def _state(self) -> str:
        """For people: whether it is fitted, and what it has learnt."""
        return "not fitted"

    def __sklearn_tags__(self) -> Any:
        """A classifier of texts: what scikit-learn 1.6 and newer want to know."""
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
    """A value; of a config dataclass only what differs from its defaults."""
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
    """Let a method that takes `texts` and `labels` take them as X and y too, scikit-learn's names for them."""

    @functools.wraps(method)
    def named(*arguments: Any, **keywords: Any) -> Any:
        for theirs, ours in (("X", "texts"), ("y", "labels")):
            if theirs in keywords:
                keywords[ours] = keywords.pop(theirs)
        return method(*arguments, **keywords)

    return cast(Method, named)


def not_fitted(message: str) -> UsageError:
    """The error for using an estimator before `fit`: a UsageError that scikit-learn knows as its NotFittedError."""
    return _not_fitted_type()(message)


@functools.cache
def _not_fitted_type() -> type[UsageError]:
    from sklearn.exceptions import NotFittedError

    return type("NotFitted", (UsageError, NotFittedError), {"__doc__": "The estimator is not fitted yet."})
