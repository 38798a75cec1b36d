"""What people are asked shows what will be done, and nothing else."""

from __future__ import annotations

from trio_agent_rt.agent.planning.questions import shown_call


def shown(**arguments: object) -> str:
    return shown_call("write", arguments, str)


def test_a_value_cannot_pass_for_another_argument() -> None:
    assert shown(text='x"; path: notes.txt') == r'write — text: "x\"; path: notes.txt"'


def test_what_does_not_print_is_escaped() -> None:
    assert shown(path="a\u202eb\x1b\n") == r'write — path: "a\u202eb\u001b\n"'
    assert shown(**{"to\n: me": 1}) == r'write — "to\n: me": 1'


def test_of_a_long_value_and_a_long_name_the_end_is_seen() -> None:
    assert "deploy.sh" in shown(path="./" * 2000 + "deploy.sh")
    assert "(4009 characters)" in shown(path="./" * 2000 + "deploy.sh")
    assert len(shown(**{"n" * 9999: 1})) < 100


def test_only_the_ends_of_what_is_long_are_read_for_secrets() -> None:
    read: list[int] = []

    def redact(text: str) -> str:
        read.append(len(text))
        return text.replace("secret", "******")

    asked = shown_call("write", {"text": "secret" + "x" * 10_000_000 + "secret"}, redact)
    assert sum(read) < 100_000
    assert "secret" not in asked
    assert "(10000012 characters)" in asked


def test_a_program_is_shown_whole_and_its_lines_are_marked() -> None:
    text = "\n".join(f"line_{n}()" for n in range(500))
    asked = shown_call("run", {"code": text}, str, code=True)
    assert all(f"| line_{n}()" in asked.split("\n") for n in range(500))
