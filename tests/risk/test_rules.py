"""Every rule is registered, titled, documented and tested."""

import pkgutil
from pathlib import Path

import pytest

import risk.rules
import risk.sizing
from risk.rule import all_rules, rule

FILES = [module.name for module in pkgutil.iter_modules(risk.rules.__path__)]
HERE = Path(__file__).parent


@pytest.mark.parametrize("name", FILES)
def test_every_rule_file_has_a_test_and_a_line_in_the_table(name):
    assert (HERE / "rules" / f"test_{name}.py").exists()
    assert f"\n{name} " in risk.rules.__doc__


@pytest.mark.parametrize("name", [module.name for module in pkgutil.iter_modules(risk.sizing.__path__)])
def test_every_sizer_file_has_a_test(name):
    assert (HERE / "sizing" / f"test_{name}.py").exists()


def test_every_file_registers_rules_with_a_code_a_title_and_a_place_of_their_own():
    rules = all_rules()
    assert {each.check.__module__.rpartition(".")[2] for each in rules} == set(FILES)
    assert all(each.code.isupper() and each.title and each.check.__doc__ for each in rules)
    assert len({each.order for each in rules}) == len(rules)
    assert rules[0].code == "NOT_WELL_FORMED"


def test_a_code_belongs_to_one_rule():
    with pytest.raises(ValueError, match="registered twice"):
        rule("NOT_WELL_FORMED", "again", order=1)(lambda *_: None)
