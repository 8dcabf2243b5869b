"""What a plugin's settings may be, where they are read from, and what is said when one is wrong."""

from __future__ import annotations

from dataclasses import dataclass, field, make_dataclass
from pathlib import Path
from typing import Any, Literal

import pytest

from liftwing_host import read_settings, setting
from liftwing_host.errors import ConfigurationError


@dataclass(frozen=True)
class Everything:
    text: str = setting("t")
    number: int = setting(1, env="THE_NUMBER", minimum=0, maximum=9)
    ratio: float = setting(0.5, above=0)
    switch: bool = setting(False)
    path: Path = setting(Path("/x"), env="THE_PATH")
    mode: Literal["fast", 2] = setting("fast")
    maybe: int | None = setting(None)
    either: int | str = setting("e")
    made: str = field(default_factory=lambda: "made")


@dataclass(frozen=True)
class Needs:
    key: str = setting(env="THE_KEY", help="the key of the wiki")


def test_the_table_wins_over_the_environment_which_wins_over_the_default() -> None:
    environ = {"TEXT": "from environ", "THE_NUMBER": "2"}
    values = read_settings(Everything, table={"text": "from table"}, environ=environ)
    assert (values.text, values.number, values.ratio, values.made) == ("from table", 2, 0.5, "made")
    assert read_settings(Everything, table={"THE_NUMBER": 3}, environ=environ).number == 3


@pytest.mark.parametrize(
    ("variable", "text", "value"),
    [
        ("TEXT", "0", "0"), ("THE_NUMBER", "9", 9), ("RATIO", "2", 2.0), ("RATIO", "1e-3", 0.001),
        ("SWITCH", "Yes", True), ("SWITCH", "0", False), ("THE_PATH", "~/m", Path("~/m").expanduser()),
        ("MODE", "fast", "fast"), ("MODE", "2", 2), ("MAYBE", "-3", -3), ("EITHER", "4", 4), ("EITHER", "a", "a"),
    ],
)  # fmt: skip
def test_a_variable_is_read_as_its_type(variable: str, text: str, value: object) -> None:
    values = vars(read_settings(Everything, environ={variable: text}))
    assert value in values.values()
    assert type(value) in {type(found) for found in values.values() if found == value}


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (
            {"number": 10},
            "[models.m] number=10 is not allowed: expected a whole number of at least 0 and at most 9.",
        ),
        ({"number": "1"}, "[models.m] number='1' is not allowed"),
        ({"number": True}, "[models.m] number=True is not allowed"),
        ({"ratio": 0}, "[models.m] ratio=0 is not allowed: expected a number greater than 0."),
        ({"ratio": float("inf")}, "[models.m] ratio=inf is not allowed"),
        ({"switch": "true"}, "[models.m] switch='true' is not allowed: expected true or false."),
        ({"path": 1}, "[models.m] path=1 is not allowed: expected a path."),
        ({"mode": "slow"}, "[models.m] mode='slow' is not allowed: expected one of 'fast', 2."),
        ({"text": 1}, "[models.m] text=1 is not allowed: expected a text."),
        ({"txt": 1}, "[models.m]: unknown key 'txt'. Did you mean 'text'?"),
        ({"text": "a", "TEXT": "b"}, "[models.m]: 'TEXT' and 'text' are the same setting; keep one"),
    ],
)
def test_a_wrong_value_is_named_with_what_is_allowed(table: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        read_settings(Everything, table=table, where="[models.m]")
    assert error.value.message.startswith(message)


def test_a_required_setting_that_nobody_set_is_asked_for_by_both_its_names() -> None:
    with pytest.raises(ConfigurationError) as error:
        read_settings(Needs, where="[models.m]")
    assert error.value.message == (
        "THE_KEY is not set. Set it in the environment, or key in [models.m]: a text (the key of the wiki)."
    )
    assert read_settings(Needs, environ={"THE_KEY": "k"}).key == "k"


def test_a_setting_of_a_type_that_none_can_have_is_refused_whether_it_is_set_or_not() -> None:
    for kind, told in (
        (list, "list"),
        (list[str], "list[str]"),
        (int | bytes, "int | bytes"),
        (Any, "typing.Any"),
    ):
        declared = make_dataclass("Wrong", [("text", str, setting("t")), ("wrong", kind, setting(None))])
        with pytest.raises(ConfigurationError) as error:
            read_settings(declared)
        assert error.value.message == (
            f"the setting Wrong.wrong is declared as {told}, and must be a str, int, float, bool, Path or Literal, "
            "or one of these or None"
        )


@pytest.mark.parametrize(
    ("kind", "made", "told"),
    [
        (int, setting("x"), "'x', which is not allowed: expected a whole number."),
        (int, setting(30, minimum=1, maximum=10), "30, which is not allowed: expected a whole number of at least 1 and at most 10."),
        (int, setting(True), "True, which is not allowed: expected a whole number."),
        (int, setting(1.5), "1.5, which is not allowed: expected a whole number."),
        (float, setting(0, above=0, help="kg"), "0, which is not allowed: expected a number greater than 0 (kg)."),
        (float, setting(float("nan"), minimum=0), "nan, which is not allowed: expected a number of at least 0."),
        (bool, setting("yes"), "'yes', which is not allowed: expected true or false."),
        (Literal["a", "b"], setting("c"), "'c', which is not allowed: expected one of 'a', 'b'."),
        (str, setting(None), "None, which is not allowed: expected a text, or the type … | None."),
        (int | None, setting("x"), "'x', which is not allowed: expected a whole number."),
        (str, setting(str), "<class 'str'>, which is not allowed: expected a text."),
        (str, field(default_factory=list), "[], which is not allowed: expected a text."),
    ],
)  # fmt: skip
def test_a_default_that_no_operator_could_set_is_refused(kind: Any, made: Any, told: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        read_settings(make_dataclass("Wrong", [("a", kind, made)]))
    assert error.value.message == f"the setting Wrong.a has the default {told}"


def test_a_wrong_default_is_refused_even_where_the_operator_has_set_another() -> None:
    declared = make_dataclass("Wrong", [("a", int, setting("x"))])
    with pytest.raises(ConfigurationError, match="has the default 'x'"):
        read_settings(declared, table={"a": 1})


class Wiki(str):
    """A text that is more than one."""

    __slots__ = ()


@pytest.mark.parametrize(
    ("kind", "made", "value"),
    [
        (float, setting(1), 1.0),
        (Path, setting("~/m"), Path("~/m").expanduser()),
        (Path | None, setting("/m"), Path("/m")),
        (Path, setting(Path("~/m")), Path("~/m")),
        (float, setting(float("inf"), above=0), float("inf")),
        (str, setting(Wiki("enwiki")), Wiki("enwiki")),
        (int | None, setting(None, minimum=1), None),
        (Literal["a", None], setting(None), None),
        (int, field(default_factory=lambda: 7), 7),
    ],
)
def test_a_default_may_be_what_is_of_the_type_or_becomes_it_as_in_the_file(
    kind: Any, made: Any, value: object
) -> None:
    found = vars(read_settings(make_dataclass("Right", [("a", kind, made)])))["a"]
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize("name", ["lang", "path", "user", "tmpdir"])
def test_a_setting_that_a_variable_of_the_system_would_set_is_refused_until_it_has_one_of_its_own(
    name: str,
) -> None:
    environ = {name.upper(): "the system's", "MY_OWN": "mine"}
    with pytest.raises(ConfigurationError) as error:
        read_settings(make_dataclass("Wrong", [(name, str, setting("default"))]), environ=environ)
    assert error.value.message == (
        f"the setting Wrong.{name} would be read from {name.upper()}, which the system sets: "
        f'give it a variable of its own, setting(…, env="…_{name.upper()}")'
    )
    declared = make_dataclass("Right", [(name, str, setting("default", env="MY_OWN"))])
    assert vars(read_settings(declared, environ=environ)) == {name: "mine"}


def test_a_variable_of_the_system_may_be_meant() -> None:
    declared = make_dataclass("Meant", [("language", str, setting("en", env="LANG"))])
    assert vars(read_settings(declared, environ={"LANG": "de"})) == {"language": "de"}


def test_what_the_settings_compute_for_themselves_may_have_any_type() -> None:
    @dataclass(frozen=True)
    class Computes:
        text: str = setting("a b")
        words: list[str] = field(init=False)

        def __post_init__(self) -> None:
            object.__setattr__(self, "words", self.text.split())

    assert read_settings(Computes, environ={"TEXT": "c d", "WORDS": "e"}).words == ["c", "d"]


# End to end


def test_a_plugin_gets_its_settings_from_file_and_environment(liftwing: Any) -> None:
    table = {"mode": "exact", "limit": 3, "strict": True, "path": "/models"}
    host = liftwing("tuned", settings=table, environ={"ZOO_WEIGHT": "2.5", "MODE": "fast", "LIMIT": "9"})
    assert host.predict({}) == {
        "weight": "2.5", "mode": "exact", "limit": "3", "strict": "True", "path": "/models",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("model", "options", "message"),
    [
        ("tuned", {"environ": {"ZOO_WEIGHT": "0"}}, "ZOO_WEIGHT='0' is not allowed: expected a number greater than 0 (kg)."),
        ("tuned", {"settings": {"wight": 1}}, "[models.tuned]: unknown key 'wight'. Did you mean 'weight'?"),
        ("tuned", {"settings": {"timout": 1}}, "[models.tuned]: unknown key 'timout'. Did you mean 'timeout'?"),
        ("echo", {"settings": {"timout": 1}}, "[models.echo]: unknown key 'timout'. Did you mean 'timeout'?"),
        ("echo", {"settings": {"weight": 1}}, "[models.echo]: unknown key 'weight': the model declares no settings"),
    ],
)  # fmt: skip
def test_a_plugins_wrong_setting_is_told_in_the_log_without_a_traceback(
    liftwing: Any, model: str, options: dict[str, Any], message: str
) -> None:
    host = liftwing(model, "slow", wait=False, **options)
    host.wait_for(
        lambda: f"{model} (liftwing-plugin-zoo 1.0) is NOT READY: {message}\n" in host.log, "the log"
    )
    assert "Traceback" not in host.log
    host.wait_for(lambda: host.ready("slow"), "the other model")
