"""The script that puts faults into the code: what it puts in, and that it tells which are noticed."""

from __future__ import annotations

import mutants
import pytest
from mutants import Mutant, Reach, asked_of, drawn, survives
from mutations import Mutation, python_mutations

SOURCE = '''"""A module."""

from __future__ import annotations


def wait(turns: int, most: float = 2.5) -> float:
    """Not 3 of them."""
    if turns < 1:
        raise ValueError(f"turns must be at least {1 + 0}")
    return min(turns * 2, most)
'''


def faults(source):
    return {each.told(source)[1:] for each in python_mutations(source)}


def test_faults_of_a_module():
    assert faults(SOURCE) == {
        ("2.5", "(3.5)"),
        ("2.5", "(5.0)"),
        ("turns < 1", "(turns <= 1)"),
        ("1", "(2)"),
        ("min(turns * 2, most)", "(max(turns * 2, most))"),
        ("turns * 2", "(turns / 2)"),
        ("turns * 2", "(turns)"),
        ("2", "(3)"),
        ("2", "(4)"),
    }
    for each in python_mutations(SOURCE):
        compile(each.applied(SOURCE), "module", "exec")


def test_a_fault_keeps_its_place_in_a_larger_expression():
    assert ("b - c", "(b + c)") in faults("x = a * (b - c)")
    [told] = [each for each in python_mutations("é = a - b * c") if each.instead == "(b / c)"]
    assert told.applied("é = a - b * c") == "é = a - (b / c)"


def test_the_same_seed_draws_the_same_from_every_file():
    every = {
        name: [Mutant(name, "", Mutation(place, place, "")) for place in range(9)] for name in "abc"
    }
    first = drawn(every, 6, seed=1)
    assert first == drawn(every, 6, seed=1)
    assert sorted(each.file for each in first) == list("aabbcc")


def test_the_asked_of_a_line_are_asked_the_quickest_first():
    source = "x = 1\ny = (\n    2\n)\n"
    mutant = Mutant("dmcore/room/name.py", source, Mutation(12, 13, "3"))
    reach = {
        "tests/test_slow.py": Reach(9.0, {mutant.file: frozenset({2})}),
        "tests/test_name.py": Reach(5.0, {mutant.file: frozenset({2})}),
        "tests/test_quick.py": Reach(1.0, {mutant.file: frozenset({2})}),
        "tests/test_other.py": Reach(0.1, {mutant.file: frozenset({1})}),
    }
    asked = [arguments[0] for arguments in asked_of(mutant, reach)]
    assert asked == [
        "tests/test_examples.py",
        "tests/test_name.py",
        "tests/test_quick.py",
        "tests/test_slow.py",
    ]


@pytest.mark.parametrize(("fault", "noticed"), [("(turns / 2)", True), ("(turns <= 1)", False)])
def test_what_no_test_notices_survives(tmp_path, fault, noticed):
    (tmp_path / "pkg.py").write_text(SOURCE)
    (tmp_path / "test_pkg.py").write_text(
        "from pkg import wait\n\n\ndef test_wait():\n    assert wait(1.1) == 2.2\n"
    )
    [mutation] = [each for each in python_mutations(SOURCE) if each.instead == fault]
    alive = survives(Mutant("pkg.py", SOURCE, mutation), tmp_path, [["test_pkg.py"]], 60)
    assert alive is not noticed
    assert (tmp_path / "pkg.py").read_text() == SOURCE


def test_what_takes_too_long_is_not_decided(tmp_path):
    (tmp_path / "pkg.py").write_text(SOURCE)
    (tmp_path / "test_pkg.py").write_text("def test_wait():\n    while True:\n        pass\n")
    mutation = python_mutations(SOURCE)[0]
    assert survives(Mutant("pkg.py", SOURCE, mutation), tmp_path, [["test_pkg.py"]], 1) is None


def test_what_changes_nothing_is_in_the_code_still():
    """An entry whose line is gone speaks of nothing."""
    for file, line, fault in mutants.equivalent():
        text = (mutants.ROOT / file).read_text("utf-8")
        assert line in [each.strip() for each in text.splitlines()], (file, line)
        assert fault.split(" -> ")[0] in text, (file, fault)
