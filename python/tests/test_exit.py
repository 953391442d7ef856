"""Processes that end, or get a signal, while the library works."""

import signal
import subprocess
import sys
import textwrap

import pytest
from conftest import LIGHT

WORK = f"""
    {LIGHT}
    import faulthandler, os, signal, sys, threading, time
    import numpy as np

    def work(epochs=1):
        import govpn
        x = np.random.default_rng(0).integers(0, 256, (256, 8, 8), np.uint8)
        model = govpn.VPNClassifier("sr", mode="plain", epochs=epochs, device=sys.argv[1], verbose=0)
        assert len(model.fit(x, np.arange(256) % 10).predict(x)) == 256
"""


def run(code: str, *args: str) -> subprocess.CompletedProcess:
    script = textwrap.dedent(WORK) + textwrap.dedent(code)
    return subprocess.run([sys.executable, "-c", script, *args], capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("how", ["sys.exit(0)", "os._exit(0)", "threading.Thread(target=sys.exit).start()"])
@pytest.mark.parametrize("phase", ["COMPILING", "TRAINING"])
def test_exit_while_a_daemon_thread_trains(device, phase, how):
    """The library must not call into an interpreter that has ended, nor XLA run after its destructors."""
    code = f"""
        from govpn import _lib, _progress
        reached, receive = threading.Event(), _progress.Progress._receive
        def watch(self, struct, user_data):
            if struct.contents.phase >= _lib.{phase}:
                reached.set()
            return receive(self, struct, user_data)
        _progress.Progress._receive = watch
        threading.Thread(target=work, args=(10**6,), daemon=True).start()
        reached.wait()
        {how}
    """
    done = run(code, device)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


ENABLE = "faulthandler.enable()"


@pytest.mark.parametrize("code", [f"{ENABLE}; work()", f"work(); {ENABLE}"], ids=["before", "after"])
def test_faulthandler_still_reports_faults(device, code):
    done = run(f"{code}\ndef marker():\n    faulthandler._sigsegv()\nmarker()", device)
    assert done.returncode == -signal.SIGSEGV, done.stderr
    assert "Fatal Python error: Segmentation fault" in done.stderr
    assert "in marker" in done.stderr


def test_a_fault_without_a_handler_kills(device):
    done = run("work()\nfaulthandler._sigsegv()", device)
    assert done.returncode < 0


INSTALL = "signal.signal(signal.SIGINT, lambda *_: caught.append(1))"


@pytest.mark.parametrize("code", [f"{INSTALL}; work()", f"work(); {INSTALL}"], ids=["before", "after"])
def test_handlers_of_sigint_run(device, code):
    done = run(f"caught = []\n{code}\nos.kill(os.getpid(), signal.SIGINT)\nwork()\nprint(caught)", device)
    assert (done.returncode, done.stdout, done.stderr) == (0, "[1]\n", "")


def test_sigint_is_still_keyboard_interrupt(device):
    done = run(
        """
        signal.signal(signal.SIGINT, signal.default_int_handler)  # processes in the background ignore it
        work()
        try:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(5)
        except KeyboardInterrupt:
            print("caught")
        """,
        device,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "caught\n", "")
