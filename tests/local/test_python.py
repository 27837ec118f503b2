"""Python tasks: forked from a warm process, or each in a fresh one."""

from __future__ import annotations

import json
import os
import signal
import sys
import textwrap

import pytest

from pipectl.executors.tree import children
from pipectl.model import OUTPUT_LIMIT, Call, Cause


def result(outcome):
    return json.loads(outcome.result)


def module(local, text, name="etl.py"):
    path = local.root / name
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_text(textwrap.dedent(text))


def test_inline_code_sees_its_names_and_sets_output(local):
    payload = {
        "code": "output = {'sum': params['n'] + k, 'up': inputs['a']}",
        "names": {"params": {"n": 2}, "inputs": {"a": [1]}},
        "with": {"k": 3},
    }
    outcome = local.run(local.job(local.call(payload)))["t"]
    assert outcome.exit_code == 0
    assert result(outcome) == {"ok": True, "output": {"sum": 5, "up": [1]}}


def test_inline_code_without_output_gives_null(local):
    assert result(local.python("x = 1")) == {"ok": True, "output": None}


def test_function_gets_its_arguments_and_its_value_is_the_output(local):
    module(local, "def clean(source, limit=1):\n    return (source, limit)\n", "pkg/etl.py")
    outcome = local.run(local.job(local.call({"call": "pkg.etl:clean", "with": {"source": "é"}})))["t"]
    assert result(outcome) == {"ok": True, "output": ["é", 1]}


def test_method_of_a_class_can_be_called(local):
    module(local, "class A:\n    @classmethod\n    def f(cls):\n        return cls.__name__\n")
    assert result(local.run(local.job(local.call({"call": "etl:A.f"})))["t"])["output"] == "A"


def test_script_runs_like_a_program(local):
    module(
        local,
        "import sys, os\nprint(__name__, sys.argv[1:])\nopen(os.environ['PIPECTL_OUTPUT'], 'w').write('a=1')\n",
        "job.py",
    )
    path = str(local.root / "job.py")
    outcome = local.run(local.job(local.call({"script": path, "args": ["x", "y z"]})))["t"]
    assert (outcome.exit_code, outcome.output, outcome.log) == (0, b"a=1", b"__main__ ['x', 'y z']\n")


def test_traceback_shows_the_users_frames_only(local):
    outcome = local.python("def f():\n    raise ValueError('bad row 7')\n\nf()\n")
    assert outcome.exit_code == 1
    assert outcome.log.decode() == (
        "Traceback (most recent call last):\n"
        '  File "<task t>", line 4, in <module>\n    f()\n'
        "  File \"<task t>\", line 2, in f\n    raise ValueError('bad row 7')\n"
        "ValueError: bad row 7\n"
    )
    assert result(outcome) == {
        "ok": False,
        "error": "ValueError: bad row 7",
        "kinds": ["ValueError", "Exception", "BaseException"],
    }


def test_traceback_of_a_cause_is_the_users_too(local):
    module(
        local,
        "def f():\n    try:\n        1 / 0\n    except ZeroDivisionError as e:\n        raise KeyError('x') from e\n",
    )
    log = local.run(local.job(local.call({"call": "etl:f"})))["t"].log.decode()
    assert "direct cause" in log
    assert "worker.py" not in log
    assert log.count("etl.py") == 2


def test_exception_of_a_module_is_known_by_both_its_names(local):
    module(local, "class BadRow(ValueError): pass\ndef f(): raise BadRow\n")
    answer = result(local.run(local.job(local.call({"call": "etl:f"})))["t"])
    assert answer["error"] == "etl.BadRow"
    assert {"BadRow", "etl.BadRow", "ValueError"} <= set(answer["kinds"])


@pytest.mark.parametrize(
    ("call", "error"),
    [
        ("nope:f", "ModuleNotFoundError: No module named 'nope'"),
        ("json:nope", "module `json` has no `nope`"),
        ("json:__doc__", "`json:__doc__` cannot be called: it is of type `str`"),
        ("builtins:object", "`builtins:object` returned an object of type `object`, which is not JSON"),
    ],
)
def test_what_cannot_be_called_says_so_without_frames(local, call, error):
    outcome = local.run(local.job(local.call({"call": call})))["t"]
    assert (outcome.exit_code, result(outcome)["error"]) == (1, error)
    assert outcome.log.decode() == error + "\n"


def test_syntax_error_points_at_the_line(local):
    outcome = local.python("x = 1\nif:\n")
    assert result(outcome)["kinds"][0] == "SyntaxError"
    assert 'File "<task t>", line 2' in outcome.log.decode()


@pytest.mark.parametrize("value", ["float('nan')", "[object()]", "{(1, 2): 3}", "{1, 2}"])
def test_output_that_is_no_json_fails(local, value):
    outcome = local.python(f"output = {value}")
    assert outcome.exit_code == 1
    assert not result(outcome)["ok"]
    assert "JSON" in result(outcome)["error"]
    assert result(outcome)["error"] in outcome.log.decode()


def test_output_that_is_too_large_says_what_to_do(local):
    answer = result(local.python("output = 'x' * 3_000_000"))
    assert not answer["ok"]
    assert "3.0 MB as JSON; the limit is 1 MiB: write a file and return its path" in answer["error"]


@pytest.mark.parametrize(("size", "fits"), [(OUTPUT_LIMIT - 2, True), (OUTPUT_LIMIT - 1, False)])
def test_output_of_just_the_limit_fits(local, size, fits):
    assert result(local.python(f"output = 'x' * {size}"))["ok"] is fits


def test_lone_surrogates_come_through(local):
    assert result(local.python(r"output = '\ud800'"))["output"] == "\ud800"


@pytest.mark.parametrize(
    ("code", "exit_code", "answer", "log"),
    [
        ("import sys; sys.exit(3)", 3, None, b""),
        ("import sys; sys.exit()", 0, {"ok": True, "output": None}, b""),
        ("import sys; output = 4; sys.exit(0)", 0, {"ok": True, "output": 4}, b""),
        ("import os; os._exit(0)", 0, None, b""),
        ("exit('no rows')", 1, "no rows", b"no rows\n"),
    ],
)
def test_leaving_is_taken_as_the_interpreter_takes_it(local, code, exit_code, answer, log):
    outcome = local.python(code)
    assert (outcome.exit_code, outcome.log) == (exit_code, log)
    if isinstance(answer, str):
        assert result(outcome)["error"] == answer
    else:
        assert (result(outcome) if outcome.result else None) == answer


def test_death_by_a_signal_is_told(local):
    outcome = local.python("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
    assert (outcome.signal, outcome.result) == (signal.SIGSEGV, None)


def test_threads_exit_functions_and_prints_come_to_their_end(local):
    outcome = local.python(
        "import atexit, threading, time\n"
        "atexit.register(print, 'exit')\n"
        "threading.Thread(target=lambda: (time.sleep(0.1), print('thread'))).start()\n"
        "print('main', end=' ')\n"
    )
    assert outcome.log == b"main thread\nexit\n"


def test_environment_is_the_attempts_own(local):
    jobs = [
        local.job(local.call({"code": "import os; output = dict(os.environ)"}), name=name, env={"NAME": name, "E": "é"})
        for name in ("a", "b")
    ]
    for name, outcome in local.run(*jobs).items():
        env = result(outcome)["output"]
        assert (env["NAME"], env["E"], env["PIPECTL_INSTANCE"]) == (name, "é", name)
        assert "HOME" not in env


def test_folder_of_the_attempt_and_of_the_pipeline_are_two_things(local):
    module(local, "X = 1\n", "folder/mine.py")
    (local.root / "cwd").mkdir()
    payload = {"code": "import mine, os, sys; output = [mine.X, os.getcwd(), sys.path[0]]"}
    call = local.call(payload, folder=local.root / "folder")
    outcome = local.run(local.job(call, cwd=local.root / "cwd"))["t"]
    assert result(outcome)["output"] == [1, f"{local.root}/cwd", f"{local.root}/folder"]


def test_python_path_of_the_job_counts(local):
    module(local, "X = 2\n", "lib/mine.py")
    outcome = local.python("import mine; output = mine.X", env={"PYTHONPATH": str(local.root / "lib")})
    assert result(outcome)["output"] == 2


def test_nothing_of_pipectl_lies_in_the_way_of_the_users_modules(local):
    module(local, "X = 3\n", "worker.py")
    code = "import worker, sys; output = [worker.X, any(p.endswith('pipectl/tasks') for p in sys.path)]"
    outcome = local.python(code)
    assert result(outcome)["output"] == [3, False]


def test_module_named_like_one_of_the_standard_library_does_no_harm(local):
    for name in ("json.py", "traceback.py", "selectors.py"):
        module(local, "raise RuntimeError('mine')\n", name)
    assert result(local.python("output = 1"))["output"] == 1


def test_preloaded_module_is_there_and_others_are_not(local):
    module(local, "X = 4\n", "pre.py")
    code = "import sys; output = ['pre' in sys.modules, 'pipectl' in sys.modules]"
    assert result(local.python(code, preload=["pre"]))["output"] == [True, False]


def test_preload_that_fails_is_the_attempts_failure(local):
    module(local, "import no_such_module\n", "pre.py")
    outcome = local.python("output = 1", preload=["pre"])
    assert (outcome.cause, outcome.exit_code) == (Cause.EXITED, 1)
    assert result(outcome)["error"] == "ModuleNotFoundError: No module named 'no_such_module'"
    assert 'pre.py", line 1' in outcome.log.decode()


def test_preload_that_leaves_is_the_attempts_failure(local):
    module(local, "raise SystemExit(0)\n", "pre.py")
    outcome = local.python("output = 1", preload=["pre"])
    assert (outcome.exit_code, result(outcome)["ok"]) == (1, False)


def test_interpreter_that_is_missing_says_so(local):
    outcome = local.run(local.job(local.call({"code": ""}, interpreter="/no/python")))["t"]
    assert (outcome.cause, outcome.error) == (Cause.UNSTARTABLE, "no such program: `/no/python`")


def test_preload_that_kills_its_process_is_tried_twice(trees):
    module(trees, "import os\nopen('tries', 'a').write('x')\nprint('half', flush=True)\nos._exit(9)\n", "pre.py")
    outcome = trees.python("output = 1", preload=["pre"])
    assert (outcome.cause, outcome.error, outcome.log) == (Cause.UNSTARTABLE, "half", b"half\n")
    assert (trees.root / "tries").read_text() == "xx"


def test_time_limit_holds_while_a_preload_hangs(local):
    module(local, "import time\ntime.sleep(600)\n", "pre.py")
    outcome = local.python("output = 1", preload=["pre"], timeout=0.3, grace=0.1)
    assert outcome.cause is Cause.TIMEOUT


def test_time_limit_ends_a_task_and_its_children(local):
    code = (
        "import os, subprocess, time\n"
        "subprocess.Popen(['sleep', os.environ['TOKEN']], start_new_session=True)\n"
        "time.sleep(600)"
    )
    outcome = local.python(code, timeout=0.5)
    assert (outcome.cause, outcome.signal) == (Cause.TIMEOUT, signal.SIGTERM)


def test_child_of_a_task_ends_with_it(trees):
    code = "import os, subprocess\nsubprocess.Popen(['sleep', os.environ['TOKEN']], start_new_session=True)"
    assert trees.python(code).exit_code == 0
    assert not trees.alive()


def test_daemon_forked_by_a_task_ends_with_the_run(trees):
    code = """
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        open('up', 'w').close()
        time.sleep(600)
    os._exit(0)
while not os.path.exists('up'):
    time.sleep(0.01)
"""
    before = set(children(os.getpid()))
    assert trees.python(code).exit_code == 0
    assert len(set(children(os.getpid())) - before) >= 2
    trees.executor.close()
    assert set(children(os.getpid())) <= before


def test_attempts_are_processes_of_their_own(local):
    module(local, "X = []\n", "pre.py")
    code = "import os, pre; pre.X.append(1); output = [os.getpid(), os.getsid(0), len(pre.X)]"
    jobs = [local.job(local.call({"code": code}, ["pre"]), name=f"t{i}") for i in range(10)]
    outputs = [result(outcome)["output"] for outcome in local.run(*jobs).values()]
    assert len({pid for pid, _, _ in outputs}) == 10
    assert all(pid == session and count == 1 for pid, session, count in outputs)


def test_attempts_of_one_kind_share_a_warm_process(trees):
    module(trees, "import os\nprint('loading')\nOWNER = os.getpid()\n", "pre.py")
    jobs = [
        trees.job(trees.call({"code": "import pre; output = pre.OWNER"}, ["pre"]), name=f"t{i}", env={"N": str(i)})
        for i in range(100)
    ]
    done = trees.run(*jobs)
    assert len({result(outcome)["output"] for outcome in done.values()}) == 1
    assert all(outcome.log == b"" for outcome in done.values())


def test_warm_process_has_one_thread_and_draws_differ_in_each_attempt(local):
    module(local, "import threading, numpy\nTHREADS = threading.active_count()\n", "pre.py")
    code = (
        "import numpy, random, pre, threading\n"
        "ones = numpy.ones((300, 300))\n"
        "output = [numpy.random.random(), random.random(), float((ones @ ones).sum()),"
        " pre.THREADS, threading.active_count()]"
    )
    jobs = [local.job(local.call({"code": code}, ["numpy", "pre"]), name=f"t{i}") for i in range(4)]
    outputs = [result(outcome)["output"] for outcome in local.run(*jobs).values()]
    assert len({draw for draw, *_ in outputs}) == 4
    assert len({draw for _, draw, *_ in outputs}) == 4
    assert {tuple(rest) for _, _, *rest in outputs} == {(300.0**3, 1, 1)}


def test_pools_of_processes_work_inside(local):
    code = (
        "import multiprocessing\n"
        "def square(n): return n * n\n"
        "with multiprocessing.Pool(2) as pool: output = pool.map(square, range(5))"
    )
    assert result(local.python(code))["output"] == [0, 1, 4, 9, 16]


def test_warm_process_that_was_killed_is_replaced(trees):
    assert result(trees.python("output = 1"))["output"] == 1
    (warm,) = trees.executor._calls._warm.values()
    os.kill(warm.pid, signal.SIGKILL)
    assert result(trees.python("output = 2"))["output"] == 2


def test_attempt_survives_the_death_of_its_warm_process(trees):
    trees.begin(
        trees.job(
            trees.call({"code": "import os, time\nprint('up')\nwhile not os.path.exists('go'): time.sleep(0.01)"})
        )
    )
    trees.until(lambda: trees.told["t", 1])
    (warm,) = trees.executor._calls._warm.values()
    os.kill(warm.pid, signal.SIGKILL)
    trees.until(lambda: not trees.executor._calls._warm)
    (trees.root / "go").touch()
    (outcome,) = trees.executor.wait(20)
    assert outcome.exit_code == 0


def test_cancel_before_the_attempt_began_ends_it(local):
    module(local, "import time\ntime.sleep(600)\n", "pre.py")
    local.begin(local.job(local.call({"code": "open('ran', 'w')"}, ["pre"]), grace=0.1))
    local.executor.cancel("t")
    (outcome,) = local.executor.wait(20)
    assert outcome.cause is Cause.CANCELLED
    assert not (local.root / "ran").exists()


def test_many_calls_wait_for_one_slow_preload(trees):
    module(trees, "import time\ntime.sleep(0.3)\n", "pre.py")
    jobs = [trees.job(trees.call({"code": "output = 1"}, ["pre"]), name=f"t{i}") for i in range(200)]
    done = trees.run(*jobs, width=200)
    assert {outcome.exit_code for outcome in done.values()} == {0}


def test_interpreter_is_the_one_asked_for(local):
    outcome = local.python("import sys; output = sys.executable")
    assert result(outcome)["output"] == sys.executable


def test_what_is_set_for_the_tasks_own_python_does_not_hold_for_pipectls_code(local):
    work = Call(sys.executable, "", (), {"task": "t", "call": "builtins:print", "with": {"end": "é\udcff"}})
    outcome = local.run(local.job(work, env={"PYTHONHOME": "/no/such", "PYTHONIOENCODING": "ascii"}))["t"]
    assert (outcome.exit_code, outcome.log.decode()) == (0, "é?")
