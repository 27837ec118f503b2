"""`foreach` as its users see it: one instance for each item, found again by its name whatever happens to the run."""

from __future__ import annotations

import json
import signal

import pytest

from tests.conftest import Project, wait_until
from tests.killing import kill_runner

REGIONS = """
    tasks:
      list: {shell: {script: "cat regions.txt; echo list >> trace", output: lines}}
      load:
        needs: list
        foreach: "{{ tasks.list.output }}"
        shell: |
          echo "$ITEM up" >> trace
          until test -e go || test "$ITEM" = eu; do sleep 0.02; done
          echo "$ITEM done" >> trace
          echo "{\\"region\\": \\"$ITEM\\"}" > "$PIPECTL_OUTPUT"
      all: {needs: load, python: "output = [one['region'] for one in inputs['load']]"}
"""


def failing(items: str, *bad: str) -> str:
    """A list of which some items fail until there is the file `ok`."""
    return f"""
    tasks:
      each:
        foreach: {items}
        shell: |
          echo "$ITEM" >> trace
          case "$ITEM" in {"|".join(bad)}) test -e ok;; esac
      after: {{needs: each, shell: echo after >> trace}}
    """


# What instances see, and what they are called


def test_list_known_at_run_time_makes_an_instance_for_each_item_and_their_outputs_a_list(project: Project) -> None:
    project.write("regions.txt", "eu\nus\n")
    project.write("go", "")
    project.run(REGIONS)
    assert project.states() == dict.fromkeys(["list", "load[eu]", "load[us]", "all"], "success")
    assert project.output("all") == ["eu", "us"]
    assert project.instances()["load[us]"]["task"] == "load"


def test_items_of_every_kind_reach_the_shell_as_text_or_json(project: Project) -> None:
    project.run(
        """
        tasks:
          each:
            foreach: [text, 7, 2.5, true, null, [1, [2, "x y"]], "", "two\\nlines", 'it''s "$HOME"']
            shell: 'if test -v ITEM; then printf "%s" "$ITEM" > "i$INDEX"; else echo unset > "i$INDEX"; fi'
            env: {INDEX: "{{ index }}"}
        """
    )
    found = [project.read(f"i{index}") for index in range(9)]
    assert found == ["text", "7", "2.5", "true", "unset\n", '[1, [2, "x y"]]', "", "two\nlines", 'it\'s "$HOME"']


def test_keys_of_a_mapping_are_variables_of_their_own(project: Project) -> None:
    project.run(
        """
        tasks:
          each:
            foreach: [{name: a b, n: 3, on: true, none: null, more: [1, 2], "odd-key.x": {deep: 1}}]
            shell: |
              test ! -v ITEM && test ! -v ITEM_NONE
              echo "$ITEM_NAME|$ITEM_N|$ITEM_ON|$ITEM_MORE|$ITEM_ODD_KEY_X" > got
        """
    )
    assert project.read("got") == 'a b|3|true|[1, 2]|{"deep": 1}\n'
    assert list(project.states()) == ["each[0]"]


def test_two_keys_that_give_one_variable_fail_the_instance(project: Project) -> None:
    items = """list: {python: "output = [{'a-b': 1, 'a_b': 2}, {'a-b': 3}]"}"""
    project.run(
        f"tasks: {{{items}, each: {{needs: list, foreach: '{{{{ tasks.list.output }}}}', shell: 'true'}}}}", code=1
    )
    assert list(project.states().values()) == ["success", "failed", "success"]
    assert "`ITEM_A_B`" in project.error("each[a-b=1,a_b=2]")


def test_code_and_argument_vectors_get_items_as_they_are(project: Project) -> None:
    project.run(
        """
        tasks:
          code: {foreach: [{a: [1, null]}], python: "output = [item, index]"}
          argv: {foreach: [[x, "y z"], ["*"]], shell: {argv: [printf, '%s;', "{{ item }}", "{{ index }}"], output: text}}
        """
    )
    assert project.output("code[0]") == [{"a": [1, None]}, 0]
    assert project.output("argv[0]") == "x;y z;0;"
    assert project.output("argv[1]") == "*;1;"


ODD = ["a b", "q\"u'o", "sr/c/a.c", "größe 🎉", "x,y=z", "-rf", "..", "%41", "a", "a", "a~2", "*", "{{ x }}", "$(date)"]


def test_instances_of_odd_names_are_shown_logged_and_run_again_by_name(project: Project) -> None:
    project.write("odd.json", json.dumps(ODD))
    project.run(
        """
        tasks:
          odd: {shell: {argv: [cat, odd.json], output: json}}
          each: {needs: odd, foreach: "{{ tasks.odd.output }}", shell: 'printf "%s" "$ITEM"; echo >> trace'}
        """
    )
    names = list(project.states())[1:]
    assert len(names) == len(ODD)
    assert names[8:11] == ["each[a]", "each[a~2]", "each[a~2~2]"]
    for name, item in zip(names, ODD, strict=True):
        assert project.log(name) == item
    project("resume", "latest", "--from", "each[q\"u'o]", "--from", "each[a~2]")
    attempts = {name: row["attempts"] for name, row in project.instances().items()}
    assert [name for name, count in attempts.items() if count == 2] == ["each[q\"u'o]", "each[a~2]"]
    assert len(project.lines()) == len(ODD) + 2


def test_brackets_line_breaks_and_long_texts_are_numbered_instead(project: Project) -> None:
    project.run(f"tasks: {{each: {{foreach: ['a[0]', \"b\\nc\", '{'x' * 61}', '{'x' * 60}'], shell: 'true'}}}}")
    assert list(project.states()) == ["each[0]", "each[1]", "each[2]", f"each[{'x' * 60}]"]


def test_key_names_the_instances(project: Project) -> None:
    project.run("tasks: {each: {foreach: [{id: 7, data: [1]}, {id: 8, data: [2]}], key: item.id, shell: 'true'}}")
    assert list(project.states()) == ["each[7]", "each[8]"]


def test_matrix_leaves_out_what_is_excluded_and_adds_what_is_included(project: Project) -> None:
    project.run(
        """
        tasks:
          train:
            foreach: {depth: [4, 8], lr: [0.1, 0.01], exclude: [{depth: 8, lr: 0.1}], include: [{depth: 99, note: deep}]}
            shell: 'echo "$ITEM_DEPTH ${ITEM_LR-none} ${ITEM_NOTE-none}" >> trace'
        """,
        "-j",
        "1",
    )
    assert list(project.states()) == [
        "train[depth=4,lr=0.1]",
        "train[depth=4,lr=0.01]",
        "train[depth=8,lr=0.01]",
        "train[depth=99,note=deep]",
    ]
    assert project.lines() == ["4 0.1 none", "4 0.01 none", "8 0.01 none", "99 none deep"]


def test_condition_on_the_item_is_asked_for_each_and_another_once(project: Project) -> None:
    project.run(
        """
        params: {go: false}
        tasks:
          some: {foreach: [1, 2, 3], when: item != 2, python: "output = item"}
          none: {foreach: [1, 2], when: params.go, python: "output = item"}
          first: {foreach: [a, b], when: index == 0, python: "output = item"}
          use: {needs: [some, none, first], trigger: none_failed, python: "output = inputs"}
        """
    )
    assert project.states() == {
        "some[1]": "success",
        "some[2]": "skipped",
        "some[3]": "success",
        "none": "skipped",
        "first[a]": "success",
        "first[b]": "skipped",
        "use": "success",
    }
    assert project.output("use") == {"some": [1, None, 3], "none": None, "first": ["a", None]}


def test_empty_list_is_skipped_and_its_output_empty(project: Project) -> None:
    project.run(
        """
        tasks:
          none: {shell: {argv: ["true"], output: lines}}
          each: {needs: none, foreach: "{{ tasks.none.output }}", shell: "true"}
          after: {needs: each, shell: "true"}
          anyhow: {needs: each, trigger: none_failed, python: "output = inputs['each']"}
        """
    )
    assert project.states() == {"none": "success", "each": "skipped", "after": "skipped", "anyhow": "success"}
    assert project.output("anyhow") == []


# What goes wrong


@pytest.mark.parametrize(
    ("foreach", "said"),
    [
        ("{{ tasks.list.output.n }}", "must come to a list, not to `7`"),
        ("{{ tasks.list.output.text }}", "must come to a list, not to `'ab'`"),
        ("{{ tasks.list.output.map }}", "must come to a list, not to `{'a': 1}`"),
        ("{{ tasks.list.output.nosuch }}", "nosuch"),
    ],
)
def test_what_is_no_list_fails_the_task_and_says_what_it_is(project: Project, foreach: str, said: str) -> None:
    project.run(
        f"""
        tasks:
          list: {{python: "output = {{'n': 7, 'text': 'ab', 'map': {{'a': 1}}}}"}}
          each: {{needs: list, foreach: "{foreach}", shell: "true"}}
          after: {{needs: each, shell: "true"}}
        """,
        code=1,
    )
    assert project.states() == {"list": "success", "each": "failed", "after": "upstream_failed"}
    assert said in project.error("each")


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("item.kind", "items 0 and 1 have the same `key`, `x`"),
        ("item.long", "a label has 1 to 60 printable characters"),
        ("item.data.nosuch", "nosuch"),
    ],
)
def test_keys_that_name_nothing_fail_the_task(project: Project, key: str, said: str) -> None:
    items = json.dumps([{"kind": "x", "long": "y" * 61, "data": [1]}, {"kind": "x", "long": "z", "data": []}])
    project.write("items.py", f"def items(): return {items}")
    make = "list: {python: 'items:items'}, each: {needs: list, foreach: '{{ tasks.list.output }}'"
    project.run(f"tasks: {{{make}, key: {key}, shell: 'true'}}}}", code=1)
    assert project.states() == {"list": "success", "each": "failed"}
    assert said in project.error("each")


def test_list_of_secrets_is_refused_before_anything_runs(project: Project) -> None:
    text = """
        secrets: [TOKENS]
        tasks:
          first: {shell: echo first >> trace}
          each: {needs: first, foreach: "{{ secrets.TOKENS }}", shell: "true"}
        """
    got = project.run(text, code=2, env={"TOKENS": "[1]"})
    assert "secrets" in got.stderr
    assert not project.lines()


def test_secrets_that_a_task_puts_into_items_are_masked_wherever_they_are_kept(project: Project) -> None:
    got = project.run(
        """
        secrets: [TOKEN]
        tasks:
          list: {python: "import os; output = [os.environ['TOKEN'], 'plain ' + os.environ['TOKEN']]", env: {TOKEN: "{{ secrets.TOKEN }}"}}
          each: {needs: list, foreach: "{{ tasks.list.output }}", shell: 'echo "$ITEM"; false'}
        """,
        code=1,
        env={"TOKEN": "hunter2-hunter2"},
    )
    shown = got.stdout + got.stderr + project("show", "--json").stdout + project.log("each")
    assert "hunter2" not in shown
    assert list(project.states()) == ["list", "each[***]", "each[plain ***]"]
    kept = b"".join(path.read_bytes() for path in (project.root / ".pipectl").rglob("*") if path.is_file())
    assert b"hunter2" not in kept


# Failures, retries, limits, ends


def test_failed_instance_fails_the_task_and_the_others_finish(project: Project) -> None:
    project.run(failing("[a, b, c]", "b"), "-j", "1", code=1)
    assert project.states() == {
        "each[a]": "success",
        "each[b]": "failed",
        "each[c]": "success",
        "after": "upstream_failed",
    }


def test_each_instance_has_retries_of_its_own(project: Project) -> None:
    project.run(
        """
        tasks:
          each:
            foreach: [a, b]
            retries: {max: 2, delay: 0}
            shell: 'test "$PIPECTL_ATTEMPT" -ge 3 || test "$ITEM" = a'
        """
    )
    assert {name: row["attempts"] for name, row in project.instances().items()} == {"each[a]": 1, "each[b]": 3}


def test_allowed_failure_may_depend_on_the_item(project: Project) -> None:
    text = "tasks: {each: {foreach: [may, must], allow_failure: item == 'may', shell: 'test $ITEM != %s'}}"
    project.run(text % "may")
    project.run(text % "must", code=1)


def test_fail_fast_of_one_foreach_ends_its_instances_and_no_others(project: Project) -> None:
    project.run(
        """
        tasks:
          each:
            foreach: [1, 2, 3, 4]
            fail_fast: true
            shell: |
              echo "$ITEM" >> trace
              if test "$ITEM" = 1; then until grep -q 2 trace; do sleep 0.02; done; exit 1; fi
              sleep 60
          other: {needs: [], shell: "echo other >> trace"}
          clean: {needs: each, trigger: always, shell: "echo clean >> trace"}
        """,
        "-j",
        "2",
        code=1,
    )
    states = project.states()
    assert [states[f"each[{n}]"] for n in (1, 2, 3, 4)] == ["failed", "cancelled", "cancelled", "cancelled"]
    assert (states["other"], states["clean"]) == ("success", "success")


def test_no_more_instances_run_at_once_than_the_task_allows(project: Project) -> None:
    project.run(
        """
        tasks:
          each:
            foreach: "{{ range(6) | list }}"
            max_parallel: 2
            shell: |
              mkdir -p now; touch "now/$ITEM"; ls now | wc -l >> trace; sleep 0.05; rm "now/$ITEM"
        """,
        "-j",
        "6",
    )
    assert max(map(int, project.lines())) <= 2


def test_timeout_is_that_of_each_instance(project: Project) -> None:
    project.run(
        "tasks: {each: {foreach: [0, 60], timeout: 300ms, grace: 100ms, shell: 'exec sleep $ITEM'}}",
        code=1,
    )
    assert project.states() == {"each[0]": "success", "each[60]": "failed"}
    assert "time limit" in project.error("each[60]")


def test_cancel_ends_what_runs_and_what_has_not_started(project: Project) -> None:
    project.write("regions.txt", "eu\nus\nasia\n")
    process = project.start_run(REGIONS, "-j", "1")
    project.wait_for_line("us up")
    project("cancel")
    assert process.wait(20) == 1
    assert project.states() == {
        "list": "success",
        "load[eu]": "success",
        "load[us]": "cancelled",
        "load[asia]": "cancelled",
        "all": "cancelled",
    }
    project.write("go", "")
    project("resume")
    assert project.lines() == ["list", "eu up", "eu done", "us up", "us up", "us done", "asia up", "asia done"]


def test_interrupt_ends_it_and_a_resume_goes_on(project: Project) -> None:
    project.write("regions.txt", "eu\nus\n")
    process = project.start_run(REGIONS)
    project.wait_for_line("us up")
    project.wait_for_line("eu done")
    wait_until(lambda: project.states()["load[eu]"] == "success")
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 130
    assert project.states()["load[us]"] == "cancelled"
    project.write("go", "")
    project("resume")
    assert project.lines().count("eu up") == 1
    assert project.output("all") == ["eu", "us"]


# Killed, and resumed


@pytest.mark.parametrize("durability", ["normal", "full"])
def test_killed_run_goes_on_with_the_items_it_had_and_repeats_no_success(project: Project, durability: str) -> None:
    project.write("regions.txt", "eu\nus\n")
    process = project.start_run(REGIONS, "--durability", durability)
    project.wait_for_line("us up")
    wait_until(lambda: project.states()["load[eu]"] == "success")
    kill_runner(process)
    project.write("regions.txt", "mars\n")
    project.write("go", "")
    project("resume")
    assert sorted(project.lines()) == sorted(["list", "eu up", "eu done", "us up", "us up", "us done"])
    assert project.output("all") == ["eu", "us"]
    assert project.instances()["load[us]"]["attempts"] == 2


def test_items_read_from_files_are_kept_though_the_files_have_changed(project: Project) -> None:
    project.write("in/a.csv", "")
    project.write("in/b.csv", "")
    text = """
        tasks:
          each:
            foreach: "{{ glob('in/*.csv') }}"
            shell: 'echo "$ITEM" >> trace; until test -e go; do sleep 0.02; done'
        """
    process = project.start_run(text, "-j", "1")
    project.wait_for_line("in/a.csv")
    kill_runner(process)
    (project.root / "in/b.csv").unlink()
    project.write("in/c.csv", "")
    project.write("go", "")
    project("resume")
    assert project.states() == {"each[in/a.csv]": "success", "each[in/b.csv]": "success"}
    assert project.lines() == ["in/a.csv", "in/a.csv", "in/b.csv"]


def test_resume_runs_what_failed_and_what_that_blocked(project: Project) -> None:
    project.run(failing("[a, b, c]", "a", "c"), "-j", "1", code=1)
    project.write("ok", "")
    project("resume")
    assert sorted(project.lines()) == sorted(["a", "b", "c", "a", "c", "after"])


def test_whole_task_run_again_has_new_items_and_one_instance_its_old(project: Project) -> None:
    text = """
        tasks:
          each: {foreach: "{{ lines('items.txt') }}", shell: 'echo "$ITEM" >> trace'}
          after: {needs: each, shell: 'cat "$PIPECTL_INPUTS" > /dev/null; echo after >> trace'}
        """
    project.write("items.txt", "a\nb\n")
    project.run(text, "-j", "1")
    project.write("items.txt", "b\nc\n")
    project("resume", "latest", "--from", "each[b]")
    assert project.lines()[3:] == ["b", "after"]
    project("resume", "latest", "--from", "each")
    assert sorted(project.lines()[5:]) == ["after", "b", "c"]
    assert list(project.states()) == ["each[b]", "each[c]", "after"]
    assert project.instances()["each[b]"]["attempts"] == 3


def test_killed_run_resumed_from_above_leaves_no_slot_taken_by_instances_that_are_no_more(project: Project) -> None:
    project.write("regions.txt", "a\nb\n")
    process = project.start_run(REGIONS, "-j", "2")
    project.wait_for_line("a up")
    project.wait_for_line("b up")
    kill_runner(process)
    project.write("regions.txt", "b\nc\n")
    project.write("go", "")
    project("resume", "--from", "list")
    assert project.output("all") == ["b", "c"]
    assert project.instances()["load[b]"]["attempts"] == 2


def test_resume_from_an_instance_that_is_not_there_says_what_is(project: Project) -> None:
    project.run(failing("[a, b]", "b"), code=1)
    got = project("resume", "--from", "each[z]", code=2)
    assert "error: the run has no task `each[z]`\nhint: it has: `each[a]`, `each[b]`\n" in got.stderr
    assert project.runs()[0]["state"] == "failed"


def test_instance_keeps_its_idempotency_key_over_attempts_and_resumes(project: Project) -> None:
    project.run(
        "tasks: {each: {foreach: [a, b], shell: 'echo $PIPECTL_INSTANCE $PIPECTL_IDEMPOTENCY_KEY >> trace; test -e ok'}}",
        code=1,
    )
    project.write("ok", "")
    project("resume")
    assert len(project.lines()) == 4
    assert len(set(project.lines())) == 2


# Many, and large


def test_two_thousand_items_killed_in_the_middle_each_run_once(project: Project) -> None:
    text = """
        tasks:
          each: {foreach: "{{ range(2000) | list }}", shell: {script: 'echo "$ITEM" >> trace; echo "$ITEM"', output: json}}
          sum: {needs: each, python: "output = sum(inputs['each'])"}
        """
    process = project.start_run(text)
    wait_until(lambda: len(project.lines()) > 300)
    kill_runner(process)
    before = project.instances()
    project("resume", timeout=120)
    after = project.instances()
    assert project.output("sum") == sum(range(2000))
    lost = [name for name, row in after.items() if row["attempts"] > 1]
    assert not any(before[name]["state"] == "success" for name in lost)
    assert len(project.lines()) - 2000 <= len(lost)
    assert set(project.lines()) == {str(n) for n in range(2000)}


def test_list_over_a_mebibyte_comes_from_a_file_and_survives_a_kill(project: Project) -> None:
    lines = [f"{n:04}{'x' * 3000}" for n in range(400)]
    project.write("big.txt", "\n".join(lines))
    text = """
        tasks:
          each:
            foreach: "{{ lines('big.txt') }}"
            max_parallel: 1
            shell: 'echo "${ITEM:0:4} ${#ITEM}" >> trace; test "${ITEM:0:4}" != 0003 || until test -e go; do sleep 0.02; done'
        """
    process = project.start_run(text)
    project.wait_for_line("0003 3004")
    kill_runner(process)
    project.write("big.txt", "other\n")
    project.write("go", "")
    project("resume")
    assert project.lines() == [f"{n:04} 3004" for n in (0, 1, 2, 3, *range(3, 400))]
