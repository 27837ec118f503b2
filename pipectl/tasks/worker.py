"""What a Python task runs in: the user's interpreter, 3.9 or later, with nothing but the standard library.

    python worker.py --serve SOCKET FOLDER [MODULE…]           imports the modules and nothing else of the user's, then
                                                               forks an attempt at each request
    python worker.py --once REQUEST RESULT FOLDER [MODULE…]    is one attempt

Words in capitals but the last two are descriptors; the folder is first on `sys.path`, an empty one stands for pipectl's
own code. A request is JSON: `payload`, and in the first form `env` and `cwd`. A payload is one of `call`, `code` and
`script`, with `task`, `with`, `args`, `names`. The result is `{"ok": true, "output": …}` or `{"ok": false, "error": …,
"kinds": […], "retry_after": …}`; without one, the exit code says it all.
"""

from __future__ import annotations

import sys

if sys.path and sys.path[0] == __file__.rpartition("/")[0]:
    del sys.path[0]  # nothing beside this file is for import, least of all in place of the standard library

import atexit
import builtins
import contextlib
import gc
import importlib
import json
import linecache
import os
import runpy
import socket
import struct
import threading
import time
import traceback
import types
from typing import Any, NoReturn

REPLY = struct.Struct("=ii")
OUTPUT_LIMIT = 1 << 20
_OWN_FILES = (__file__, importlib.__file__, runpy.__file__)
_LONGEST_ERROR = 4000


class TaskError(Exception):
    """A fault that needs no traceback."""


def serve(descriptor: int, failure: BaseException | None) -> None:
    """Answers requests until the runner closes the socket or dies."""
    channel = socket.socket(fileno=descriptor)
    channel.set_inheritable(False)
    gc.collect()
    gc.freeze()  # else the first collection in each attempt copies every page
    while True:
        message, descriptors, _, _ = socket.recv_fds(channel, 4, 3)
        if not message:
            return
        for number in descriptors:
            os.set_inheritable(number, False)
        begin(channel, struct.unpack("=i", message)[0], descriptors, failure)
        for number in descriptors:
            os.close(number)


def prepare(folder: str, preload: list[str]) -> BaseException | None:
    """Makes the folder importable and imports what is to be preloaded; gives the exception if that fails."""
    if folder:
        sys.path.insert(0, folder)
    else:
        sys.path.append(__file__.rsplit("/", 3)[0])  # where pipectl itself lies; last, since it may hold all else too
        for stream in (sys.stdout, sys.stderr):
            stream.reconfigure(encoding="utf-8", errors="replace")  # type: ignore[union-attr]
    try:
        for name in preload:
            importlib.import_module(name)
    except SystemExit as leaving:
        return TaskError(f"a preloaded module wants to leave: {_sentence(leaving)}")
    except BaseException as failure:  # noqa: BLE001 - it is raised again in each attempt
        return failure
    return None


def begin(channel: socket.socket, number: int, descriptors: list[int], failure: BaseException | None) -> None:
    """Forks twice, so that the attempt is nobody's child and falls to the runner, to which it tells its id itself."""
    middle = os.fork()
    if middle:
        status = os.waitpid(middle, 0)[1]
        if status:
            channel.send(REPLY.pack(number, -(status >> 8)))
        return
    try:
        middle = os.getpid()
        if os.fork():
            os._exit(0)
    except OSError as fault:
        os._exit(fault.errno or 1)
    attempt(channel, number, descriptors, failure, middle)


def attempt(
    channel: socket.socket, number: int, descriptors: list[int], failure: BaseException | None, middle: int
) -> NoReturn:
    """The life of a forked attempt. It announces itself: what was not announced never runs."""
    try:
        os.setsid()
        while os.getppid() == middle:
            time.sleep(0.0001)
        channel.send(REPLY.pack(number, os.getpid()))
        channel.close()
        request, log, result = descriptors
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.close(log)
    except BaseException:  # noqa: BLE001 - nobody is there to be told
        os._exit(70)
    document = _read(request)
    try:
        os.environ.clear()
        os.environ.update(document["env"])
        os.chdir(document["cwd"])
        _refresh()
    except BaseException as fault:  # noqa: BLE001 - becomes the attempt's failure
        failure = fault
    leave(run(document["payload"], result, failure))


def once(request: int, result: int, failure: BaseException | None) -> NoReturn:
    """The only attempt of this process."""
    os.set_inheritable(result, False)
    leave(run(_read(request)["payload"], result, failure))


def _read(descriptor: int) -> dict[str, Any]:
    with open(descriptor, "rb") as file:
        document: dict[str, Any] = json.loads(file.read())
    return document


def _refresh() -> None:
    """Random numbers and the contents of folders are not those of the warm process.

    The standard library's own generator sees to itself after a fork, numpy's global one does not.
    """
    if "numpy.random" in sys.modules:
        sys.modules["numpy.random"].seed()
    importlib.invalidate_caches()


def run(payload: dict[str, Any], result: int, failure: BaseException | None) -> int:
    """Does what the payload says, sends the result and gives the exit code."""
    answer: dict[str, Any] | None
    try:
        if failure is not None:
            raise failure
        answer, code = {"ok": True, "output": _work(payload)}, 0
    except SystemExit as leaving:
        answer, code = _exited(leaving)
    except TaskError as fault:
        print(fault, file=sys.stderr)
        answer, code = {"ok": False, "error": str(fault), "kinds": []}, 1
    except BaseException as fault:  # noqa: BLE001 - whatever it is, it is the task's failure
        answer, code = _failed(fault), 130 if isinstance(fault, KeyboardInterrupt) else 1
    if answer is not None:
        data, code = _checked(answer, code, payload)
        _send(result, data)
    os.close(result)
    return code


def _work(payload: dict[str, Any]) -> Any:
    if "call" in payload:
        return _call(payload["call"], payload.get("with") or {})
    if "code" in payload:
        return _inline(payload)
    sys.argv = [payload["script"], *payload.get("args", ())]
    sys.path.insert(1, payload["script"].rpartition("/")[0])  # as for a program, but behind the pipeline's folder
    runpy.run_path(payload["script"], run_name="__main__")
    return None


def _call(target: str, arguments: dict[str, Any]) -> Any:
    sys.argv = [target]
    module_name, _, path = target.partition(":")
    function: Any = importlib.import_module(module_name)
    for name in path.split("."):
        if not hasattr(function, name):
            raise TaskError(f"module `{module_name}` has no `{path}`")
        function = getattr(function, name)
    if not callable(function):
        raise TaskError(f"`{target}` cannot be called: it is of type `{type(function).__name__}`")
    return function(**arguments)


def _inline(payload: dict[str, Any]) -> Any:
    """Runs the code as a program whose global names are given, and takes what it leaves in `output`."""
    filename = f"<task {payload['task']}>"
    code = payload["code"]
    linecache.cache[filename] = (len(code), None, code.splitlines(True), filename)
    sys.argv = [filename]
    module = types.ModuleType("__main__")
    module.__dict__.update(payload.get("names") or {})
    module.__dict__.update(payload.get("with") or {})
    module.__dict__.update(__builtins__=builtins, output=None)
    sys.modules["__main__"] = module
    try:
        exec(compile(code, filename, "exec", dont_inherit=True), module.__dict__)  # noqa: S102
    except SystemExit as leaving:
        if leaving.code not in (None, 0):
            raise
    return module.__dict__.get("output")


def _exited(leaving: SystemExit) -> tuple[dict[str, Any] | None, int]:
    """As the interpreter takes it: a number is the exit code, anything else a message and a failure."""
    if leaving.code is None or leaving.code == 0:
        return {"ok": True, "output": None}, 0
    if isinstance(leaving.code, int):
        return None, leaving.code & 0xFF
    print(leaving.code, file=sys.stderr)
    return {**_described(leaving), "error": str(leaving.code)}, 1


def _failed(fault: BaseException) -> dict[str, Any]:
    """The answer of a call that raised, which is printed; a fault of pipectl's own code says by itself what it is."""
    if getattr(fault, "pipectl_fault", False):
        print(fault, file=sys.stderr)
        error, own = str(fault)[:_LONGEST_ERROR], vars(fault)
        return {"ok": False, "error": error, "kinds": own["kinds"], "retry_after": own["retry_after"]}
    print(_trace(fault), end="", file=sys.stderr)
    return _described(fault)


def _described(fault: BaseException) -> dict[str, Any]:
    kinds = [kind for kind in type(fault).__mro__ if kind is not object]
    names = [kind.__name__ for kind in kinds]
    names += [_full_name(kind) for kind in kinds if _full_name(kind) != kind.__name__]
    return {"ok": False, "error": _sentence(fault)[:_LONGEST_ERROR], "kinds": names}


def _sentence(fault: BaseException) -> str:
    name = _full_name(type(fault))
    try:
        text = str(fault)
    except Exception:  # noqa: BLE001 - the class is the user's
        text = "<its text cannot be had>"
    return f"{name}: {text}" if text else name


def _full_name(kind: type) -> str:
    if kind.__module__ in ("builtins", "__main__"):
        return kind.__qualname__
    return f"{kind.__module__}.{kind.__qualname__}"


def _trace(fault: BaseException) -> str:
    """The traceback as the interpreter prints it, with the user's frames only."""
    try:
        trace = traceback.TracebackException(type(fault), fault, fault.__traceback__)
        _hide_own_frames(trace, set())
        text = "".join(trace.format())
    except Exception:  # noqa: BLE001 - the class is the user's
        return _sentence(fault) + "\n"
    header = "Traceback (most recent call last):\n"
    if text.startswith(header) and not trace.stack:
        return text[len(header) :]
    return text


def _hide_own_frames(trace: traceback.TracebackException | None, seen: set[int]) -> None:
    if trace is None or id(trace) in seen:
        return
    seen.add(id(trace))
    own = [f for f in trace.stack if f.filename in _OWN_FILES or f.filename.startswith("<frozen ")]
    for frame in own:
        trace.stack.remove(frame)
    for other in (trace.__cause__, trace.__context__, *(getattr(trace, "exceptions", None) or ())):
        _hide_own_frames(other, seen)


def _checked(answer: dict[str, Any], code: int, payload: dict[str, Any]) -> tuple[bytes, int]:
    """The answer as JSON, or in its place the failure that it is none or is too large."""
    what = f"`{payload['call']}` returned" if "call" in payload else "`output` is"
    try:
        data = _encode(answer)
    except TaskError as fault:
        error = f"{what} {fault}"
    except Exception as fault:  # noqa: BLE001 - the value may be of any class
        error = f"{what} no JSON: {fault}"
    else:
        if len(data) <= OUTPUT_LIMIT + len('{"ok":true,"output":}') or not answer["ok"]:
            return data, code
        error = f"the output is {len(data) / 1e6:.1f} MB as JSON; the limit is 1 MiB: write a file and return its path"
    print(error, file=sys.stderr)
    return _encode({"ok": False, "error": error, "kinds": []}), 1


def _encode(answer: dict[str, Any]) -> bytes:
    text = json.dumps(answer, allow_nan=False, ensure_ascii=False, separators=(",", ":"), default=_refuse)
    try:
        return text.encode()
    except UnicodeEncodeError:
        return json.dumps(answer, allow_nan=False, separators=(",", ":"), default=_refuse).encode()


def _refuse(value: object) -> NoReturn:
    raise TaskError(f"an object of type `{_full_name(type(value))}`, which is not JSON")


def _send(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def leave(code: int) -> NoReturn:
    """Ends as a program does: threads are waited for, exit functions run, streams flushed."""
    try:
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
    except BaseException:  # noqa: BLE001 - such as a SystemExit in an exit function
        traceback.print_exc()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    os._exit(code)


def main(mode: str, *words: str) -> None:
    """Runs one of the two forms of the command line."""
    if mode == "--serve":
        channel, folder, *preload = words
        serve(int(channel), prepare(folder, preload))
    else:
        request, result, folder, *preload = words
        once(int(request), int(result), prepare(folder, preload))


if __name__ == "__main__":
    main(*sys.argv[1:])
